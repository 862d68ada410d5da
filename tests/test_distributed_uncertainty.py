"""UncertaintySelector on dask pools: the picks of the same rows in memory."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from skactive import UncertaintySelector
from skactive.exceptions import ColdStartWarning

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")

CRITERIA = ["margin", "entropy", "least_confidence"]


def problem(n=600, d=5, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.normal(size=(n, d)) + y[:, None] * np.eye(d)[0]
    X[200:260] = X[100:160]  # copies, in other parts
    X[300:320] = 0
    return X, y, np.arange(5, n, 17)


def in_parts(X, n_parts):
    return da.from_array(X, chunks=(-(-len(X) // n_parts), -1))


def check_same(selector, X, *args, parts=(1, 3, 7, 50), **fit_params):
    selector.fit(X, *args, **fit_params)
    indices, scores, components = selector.indices_, selector.scores_, selector.components_
    for n_parts in parts:
        selector.fit(in_parts(np.asarray(X), n_parts), *args, **fit_params)
        np.testing.assert_array_equal(selector.indices_, indices, err_msg=f"{n_parts} parts")
        np.testing.assert_allclose(selector.scores_, scores, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(selector.components_, components)


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("budget", [1, 30, 0.5])
def test_model_fitted_here(criterion, budget):
    X, y, labeled = problem()
    check_same(UncertaintySelector(budget, criterion=criterion), X, y, labeled=labeled)


@pytest.mark.parametrize(
    "estimator",
    [
        GaussianNB(),
        DecisionTreeClassifier(max_depth=3, random_state=0),  # most rows tie
        RandomForestClassifier(5),  # which gets its seed from the selector
    ],
    ids=["bayes", "tree", "forest"],
)
def test_models_of_all_kinds(estimator):
    X, y, labeled = problem()
    selector = UncertaintySelector(40, estimator=estimator, random_state=3)
    check_same(selector, X.astype(np.float32), y, labeled=labeled)


def test_given_models_read_the_rows_as_they_are():
    X, y, labeled = problem()
    model = LogisticRegression().fit(X, y)
    check_same(UncertaintySelector(30), X, y, labeled=labeled, estimator=model)
    check_same(UncertaintySelector(30, estimator=FrozenEstimator(model)), X, labeled=labeled)


class Rounded(ClassifierMixin, BaseEstimator):
    """Gives float32, as networks do, and the rows it has been asked about are all of one type."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        assert isinstance(X, np.ndarray) and X.dtype == np.float32 and X.flags.writeable
        p = 1 / (1 + np.exp(-X.astype(np.float64).sum(1)))
        return np.column_stack([p, 1 - p]).astype(np.float32)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_scores_that_tie_but_for_float32(criterion):
    """So many rows that those which tie with the best one are not the same after each pick."""
    X = (1e-2 * np.random.default_rng(0).normal(size=(3000, 2))).astype(np.float32)
    model = Rounded().fit(X, np.arange(len(X)) % 2)
    selector = UncertaintySelector(500, criterion=criterion)
    scores = np.sort(selector.fit(X, estimator=model).scores_)
    assert np.median(np.diff(scores)) < 1e-5  # or this test would test nothing
    check_same(selector, X, estimator=model, parts=(1, 7))


@pytest.mark.parametrize("criterion", CRITERIA)
def test_precomputed_probabilities(criterion):
    rng = np.random.default_rng(0)
    X = rng.dirichlet(np.ones(4), size=400).round(1) + 0.01
    X /= X.sum(1, keepdims=True)
    selector = UncertaintySelector(390, criterion=criterion, estimator="precomputed")
    check_same(selector, X, labeled=[3, 4, 5])


@settings(max_examples=40)
@given(
    tenths=st.lists(st.integers(0, 10), min_size=2, max_size=30),
    n_parts=st.integers(1, 8),
    data=st.data(),
)
def test_ties_go_to_the_lowest_row(tenths, n_parts, data):
    X = np.column_stack([tenths, 10 - np.array(tenths)]) / 10
    budget = data.draw(st.integers(1, len(X)))
    selector = UncertaintySelector(budget, estimator="precomputed").fit(in_parts(X, n_parts))
    expected = np.argsort(abs(2 * np.array(tenths) - 10), kind="stable")[:budget]
    np.testing.assert_array_equal(selector.indices_, expected)


def test_frames_reach_the_model_as_frames():
    X, y, labeled = problem()
    frame = pd.DataFrame(X, columns=list("abcde"))
    frame["e"] = frame["e"].astype(np.float32)
    model = LogisticRegression().fit(frame, y)  # warns where names are missing
    selector = UncertaintySelector(30)
    indices = selector.fit(frame, y, labeled=labeled, estimator=model).indices_
    selector.fit(dd.from_pandas(frame, npartitions=4), y, labeled=labeled, estimator=model)
    np.testing.assert_array_equal(selector.indices_, indices)
    assert list(selector.feature_names_in_) == list("abcde")


def test_unknown_chunks():
    X, y, labeled = problem()
    lazy = in_parts(X, 4)
    lazy = lazy[lazy[:, 0] > -np.inf]
    expected = UncertaintySelector(30).fit_select(X, y, labeled=labeled)
    np.testing.assert_array_equal(
        UncertaintySelector(30).fit_select(lazy, y, labeled=labeled), expected
    )


@pytest.mark.parametrize("labels", [None, "one class"])
def test_rows_are_drawn_where_there_is_no_model(labels):
    X, y, labeled = problem()
    selector = UncertaintySelector(50, random_state=5)
    fit_params = {} if labels is None else {"y": np.zeros(len(X)), "labeled": labeled}
    with pytest.warns(ColdStartWarning):
        expected = selector.fit_select(X, **fit_params)
    for n_parts in (1, 7):
        with pytest.warns(ColdStartWarning):
            selector.fit(in_parts(X, n_parts), **fit_params)
        np.testing.assert_array_equal(selector.indices_, expected)
        assert not selector.scores_.any()


def test_errors_as_in_memory():
    X, y, labeled = problem()
    lazy = in_parts(X, 3)
    with pytest.raises(ValueError, match="sum to 1"):
        UncertaintySelector(5, estimator="precomputed").fit(lazy)
    with pytest.raises(TypeError, match="predict_proba"):
        UncertaintySelector(5).fit(lazy, estimator=GaussianNB)
    with pytest.raises(ValueError, match="y is None"):
        UncertaintySelector(5).fit(lazy, labeled=labeled)
    with pytest.raises(ValueError, match="without network or embedding"):
        UncertaintySelector(5, embedding="last_layer").fit(lazy, y, labeled=labeled)


def test_on_a_cluster():
    distributed = pytest.importorskip("distributed")
    X, y, labeled = problem()
    expected = UncertaintySelector(30).fit_select(X, y, labeled=labeled)
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"
    ):
        found = UncertaintySelector(30).fit_select(in_parts(X, 5), y, labeled=labeled)
    np.testing.assert_array_equal(found, expected)
