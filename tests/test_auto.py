"""The rule that suits the situation."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge

from skactive import (
    ActiveLearningLoop,
    AutoSelector,
    FacilityLocationSelector,
    ITLSelector,
    KMeansSelector,
    SubsamplePool,
    UncertaintySelector,
)
from skactive.oracles import DONT_KNOW
from skactive.selection import _auto
from tests.selectors import assert_same_selection

LABELED = np.arange(0, 200, 2)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


def test_without_labels_rows_that_represent_the_pool(digits):
    X, _ = digits
    selector = AutoSelector(12).fit(X)
    assert_same_selection(selector, FacilityLocationSelector(12).fit(X))
    assert "none" in selector.reason_
    assert len(selector.selector_.objective_curve_) == 12
    np.testing.assert_array_equal(selector.selector_.get_support(), selector.get_support())
    np.testing.assert_array_equal(selector.selector_.transform(X), selector.transform(X))


def test_large_pools_are_clustered(digits, monkeypatch):
    monkeypatch.setattr(_auto, "_MANY_ROWS", 399)
    X, _ = digits
    selector = AutoSelector(12, random_state=3).fit(X, labeled=[1, 5])
    assert_same_selection(selector, KMeansSelector(12, random_state=3).fit(X, labeled=[1, 5]))


def test_targets_come_first(digits):
    X, y = digits
    known = {"labeled": LABELED, "X_target": X[350:]}
    selector = AutoSelector(8, labels_per_class=1).fit(X, y, **known)
    assert_same_selection(selector, ITLSelector(8).fit(X, **known))


@pytest.mark.parametrize(
    ("labels_per_class", "rule"), [(10, UncertaintySelector), (11, FacilityLocationSelector)]
)
def test_labels_for_each_class_decide(digits, labels_per_class, rule):
    X, y = digits
    assert len(LABELED) == 100 and len(np.unique(y[LABELED])) == 10
    selector = AutoSelector(5, labels_per_class=labels_per_class, random_state=0)
    selector.fit(X, y, labeled=LABELED)
    expected = rule(5, random_state=0) if rule is UncertaintySelector else rule(5)
    assert_same_selection(selector, expected.fit(X, y, labeled=LABELED))


def test_the_model_is_the_one_given(digits):
    X, y = digits
    model = RandomForestClassifier(10, random_state=0).fit(X[LABELED], y[LABELED])
    expected = UncertaintySelector(5).fit(X, y, labeled=LABELED, estimator=model)
    handed = AutoSelector(5, labels_per_class=5).fit(X, y, labeled=LABELED, estimator=model)
    assert_same_selection(handed, expected)
    own = AutoSelector(5, labels_per_class=5, estimator=FrozenEstimator(model))
    assert_same_selection(own.fit(X, y, labeled=LABELED), expected)


@pytest.mark.parametrize("kind", ["one class", "numbers", "several", "not given"])
def test_labels_that_are_no_classes_count_as_none(digits, kind):
    X, y = digits
    labels = {
        "one class": np.zeros(len(X), dtype=int),
        "numbers": X[:, 20] + 0.01,
        "several": np.stack([y % 2, y % 3 == 0], axis=1).astype(int),
        "not given": None,
    }[kind]
    selector = AutoSelector(5, labels_per_class=1).fit(X, labels, labeled=LABELED)
    assert_same_selection(selector, FacilityLocationSelector(5).fit(X, labeled=LABELED))


def test_nothing_is_left_of_another_rule(digits):
    X, y = digits
    selector = AutoSelector(5, labels_per_class=5).fit(X)
    selector.fit(X, y, labeled=LABELED)
    assert isinstance(selector.selector_, UncertaintySelector)
    assert not hasattr(selector.selector_, "objective_curve_")


def test_a_loop_changes_over_to_the_model(digits):
    X, y = digits
    loop = ActiveLearningLoop(
        LogisticRegression(max_iter=1000),
        AutoSelector(labels_per_class=4),
        budget=60,
        batch_size=20,
        random_state=0,
    ).fit(X, y)
    first = FacilityLocationSelector(20).fit(X).indices_
    np.testing.assert_array_equal(loop.labeled_indices_[:20], first)
    assert isinstance(loop.selector_.selector_, UncertaintySelector)
    assert "40 of 10 classes" in loop.selector_.reason_


def test_a_loop_over_numbers_represents_the_pool(digits):
    X, _ = digits
    loop = ActiveLearningLoop(Ridge(), AutoSelector(), budget=20, batch_size=10, random_state=0)
    loop.fit(X, X @ np.arange(64.0) + 0.5)
    one = FacilityLocationSelector(20).fit(X)
    np.testing.assert_array_equal(loop.labeled_indices_, one.indices_)


def test_rows_that_nobody_can_label_are_not_counted(digits):
    """What stands at them in y is no label: the rule must not read it."""
    X, y = digits
    asked = []

    def ask(rows, indices):
        asked.append(list(indices))
        return [DONT_KNOW if i % 3 == 0 else y[i] for i in indices]

    loop = ActiveLearningLoop(
        LogisticRegression(max_iter=1000), AutoSelector(), budget=40, batch_size=20, random_state=0
    )
    loop.fit(X, oracle=ask)
    every = [i for batch in asked for i in batch]
    assert len(set(every)) == len(every) > 40
    known = [i for batch in asked[:-1] for i in batch if i % 3]
    assert f"({len(known)})" in loop.selector_.reason_


def test_inside_another_selector(digits):
    X, y = digits
    selector = SubsamplePool(AutoSelector(labels_per_class=5), 5, n_candidates=50, random_state=0)
    selector.fit(X, y, labeled=LABELED)
    assert isinstance(selector.selector_.selector_, UncertaintySelector)


@pytest.mark.parametrize("value", [0, -1, float("nan"), "many", None, True])
def test_labels_per_class_is_a_number(digits, value):
    with pytest.raises((TypeError, ValueError), match="labels_per_class"):
        AutoSelector(labels_per_class=value).fit(digits[0])
    assert clone(AutoSelector(labels_per_class=3)).labels_per_class == 3
