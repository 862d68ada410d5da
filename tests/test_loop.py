"""The loop: rounds, budgets, seeds, records, and what it refuses."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skactive import (
    ActiveLearningLoop,
    CoreSetSelector,
    ITLSelector,
    MLMOCSelector,
    RandomSelector,
    VTLSelector,
)
from skactive.exceptions import BudgetWarning, OracleError
from tests.loops import (
    FirstRows,
    NearLargestLabel,
    Oracle,
    logistic,
    make_pool,
    never_asked,
    slow_loop,
)

X, Y = make_pool()
X_TARGET, X_VAL, Y_VAL = X[100:], X[80:], Y[80:]


def fitted_attributes(loop):
    return {name for name in vars(loop) if name.endswith("_") and not name.startswith("_")}


# Rounds


@pytest.mark.parametrize("owned", [[], [5, 90, 41]], ids=["nothing owned", "owned"])
@pytest.mark.parametrize(
    ("selector", "select_params"),
    [
        (RandomSelector(random_state=3), {}),
        (ITLSelector(), {}),
        (ITLSelector(kernel="rbf"), {"X_target": X_TARGET}),
        (VTLSelector(), {"X_target": X_TARGET}),
        (CoreSetSelector(metric="cosine"), {}),
        (CoreSetSelector(init="random", random_state=1), {}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_loop_does_what_the_slow_loop_does(selector, select_params, owned):
    loop = ActiveLearningLoop(logistic(), selector, budget=25, batch_size=10)
    loop.fit(X, Y, labeled=owned, **select_params)
    labeled, model = slow_loop(
        logistic(), selector, X, Y, budget=25, batch_size=10, owned=owned, **select_params
    )
    assert loop.labeled_indices_.tolist() == labeled
    np.testing.assert_array_equal(loop.predict_proba(X), model.predict_proba(X))


def test_default_selector_is_itl():
    loop = ActiveLearningLoop(logistic(), budget=20).fit(X, Y)
    labeled, _ = slow_loop(logistic(), ITLSelector(), X, Y, budget=20, batch_size=10)
    assert loop.labeled_indices_.tolist() == labeled
    assert isinstance(loop.selector_, ITLSelector)


def test_records_of_a_run():
    owned = [7, 3, 50, 99]
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=25, batch_size=10)
    loop.fit(X, Y, labeled=owned, X_val=X_VAL, y_val=Y_VAL)
    assert [entry["round"] for entry in loop.history_] == [0, 1, 2, 3]
    assert [len(entry["indices"]) for entry in loop.history_] == [0, 10, 10, 5]
    assert [entry["selected_by"] for entry in loop.history_] == ["", *["CoreSetSelector"] * 3]
    assert [entry["n_labeled"] for entry in loop.history_] == [4, 14, 24, 29]
    assert [entry["n_bought"] for entry in loop.history_] == [0, 10, 20, 25]
    assert [entry["cost"] for entry in loop.history_] == [0.0, 10.0, 20.0, 25.0]
    assert all(entry["fitted"] is True for entry in loop.history_)
    assert loop.n_rounds_ == 3
    assert loop.termination_condition_ == "budget"
    bought = np.concatenate([entry["indices"] for entry in loop.history_])
    np.testing.assert_array_equal(loop.labeled_indices_, [*owned, *bought])
    assert len(set(loop.labeled_indices_.tolist())) == 29
    np.testing.assert_array_equal(loop.y_labeled_, Y[loop.labeled_indices_])
    np.testing.assert_array_equal(loop.selector_.indices_, loop.history_[-1]["indices"])
    assert not hasattr(loop, "labeled_ids_")
    for entry in loop.history_:
        labeled = loop.labeled_indices_[: entry["n_labeled"]]
        model = logistic().fit(X[labeled], Y[labeled])
        assert entry["score"] == model.score(X_VAL, Y_VAL)
        for part in ("select", "oracle", "fit"):
            assert 0 <= entry[f"seconds_{part}"] < 60
    assert all(entry["seconds_fit"] > 0 for entry in loop.history_)


def test_mask_and_positions_own_the_same_rows():
    mask = np.isin(np.arange(len(X)), [3, 7, 50])
    by_mask = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=10).fit(X, Y, labeled=mask)
    by_list = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=10)
    by_list.fit(X, Y, labeled=[3, 7, 50])
    np.testing.assert_array_equal(by_mask.labeled_indices_, by_list.labeled_indices_)
    assert by_mask.labeled_indices_[:3].tolist() == [3, 7, 50]


def test_ids_of_the_labeled_rows_are_kept():
    ids = [f"row {i}" for i in range(len(X))]
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=10)
    loop.fit(X, Y, labeled=[4], ids=ids)
    assert loop.labeled_ids_.tolist() == [ids[i] for i in loop.labeled_indices_]
    assert loop.labeled_ids_[0] == "row 4"


def test_each_round_selects_after_what_is_known():
    """Greedy selectors extend their selection, so batches make no difference to them."""
    loop = ActiveLearningLoop(logistic(), ITLSelector(), budget=30, batch_size=7).fit(X, Y)
    np.testing.assert_array_equal(loop.labeled_indices_, ITLSelector(budget=30).fit(X).indices_)


# Budget and batches


@pytest.mark.parametrize(("budget", "n_bought"), [(13, 13), (0.25, 30), (0.001, 1), (1, 1)])
def test_budget_counts_bought_labels_only(budget, n_bought):
    loop = ActiveLearningLoop(DummyClassifier(), FirstRows(), budget=budget)
    loop.fit(X, Y, labeled=np.arange(100, 110))
    assert loop.history_[-1]["n_bought"] == n_bought
    assert loop.labeled_indices_.tolist() == [*range(100, 110), *range(n_bought)]


@pytest.mark.parametrize(
    ("params", "sizes"),
    [
        ({"selector": FirstRows(budget=12)}, [12, 12, 6]),
        ({"selector": FirstRows(budget=0.1)}, [12, 12, 6]),
        ({"batch_size": 12}, [12, 12, 6]),
        ({"batch_size": 0.1}, [12, 12, 6]),
        ({"batch_size": 15}, [15, 15]),
        ({"batch_size": 1.0}, [30]),
        ({"batch_size": 1000}, [30]),
        ({"selector": FirstRows(budget=1000)}, [30]),
        ({"batch_size": 12, "n_initial": 3}, [3, 12, 12, 3]),
        ({"batch_size": 12, "n_initial": 0.2}, [24, 6]),
        ({"n_initial": 28, "selector": FirstRows(budget=1)}, [28, 1, 1]),
        ({"n_initial": 1000}, [30]),
        ({"init_selector": RandomSelector(budget=2), "batch_size": 15}, [15, 15]),
    ],
    ids=str,
)
def test_batch_sizes(params, sizes):
    params = {"selector": FirstRows(), **params}
    loop = ActiveLearningLoop(DummyClassifier(), **params, budget=30).fit(X, Y)
    assert [len(entry["indices"]) for entry in loop.history_] == sizes
    assert loop.n_rounds_ == len(sizes)
    assert loop.selector_.budget == sizes[-1]


def test_a_bad_budget_inside_a_pipeline():
    selector = make_pipeline(StandardScaler(), CoreSetSelector(budget=0))
    loop = ActiveLearningLoop(logistic(), selector, budget=20)
    with pytest.raises(ValueError, match="^selector__coresetselector__budget == 0, must be"):
        loop.fit(X, oracle=never_asked)


def test_n_initial_is_for_pools_without_labels():
    loop = ActiveLearningLoop(
        DummyClassifier(), FirstRows(), budget=20, batch_size=10, n_initial=3
    ).fit(X, Y, labeled=[50])
    assert [len(entry["indices"]) for entry in loop.history_] == [0, 10, 10]


def test_budget_beyond_the_pool_takes_all_of_it_and_warns_once():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(budget=500), budget=1000, batch_size=50)
    with pytest.warns(BudgetWarning, match="budget asks for 1000 rows but only 118 are") as record:
        loop.fit(X, Y, labeled=[1, 2])
    assert len(record) == 1
    assert sorted(loop.labeled_indices_) == list(range(len(X)))
    assert [len(entry["indices"]) for entry in loop.history_] == [0, 50, 50, 18]
    assert loop.termination_condition_ == "pool exhausted"


def test_a_budget_of_all_rows_exhausts_the_pool_without_a_warning():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=1.0, batch_size=60).fit(X, Y)
    assert loop.n_rounds_ == 2
    assert loop.termination_condition_ == "pool exhausted"


def test_init_selector_picks_the_first_batch():
    loop = ActiveLearningLoop(
        logistic(), ITLSelector(), init_selector=FirstRows(), budget=20, batch_size=10
    ).fit(X, Y)
    assert [entry["selected_by"] for entry in loop.history_] == ["FirstRows", "ITLSelector"]
    assert loop.labeled_indices_[:10].tolist() == list(range(10))
    expected = ITLSelector(budget=10).fit(X, labeled=np.arange(10)).indices_
    np.testing.assert_array_equal(loop.labeled_indices_[10:], expected)


def test_init_selector_is_not_needed_where_labels_are_owned():
    loop = ActiveLearningLoop(logistic(), ITLSelector(), init_selector=FirstRows(), budget=10)
    loop.fit(X, Y, labeled=[0, 30, 60])
    assert [entry["selected_by"] for entry in loop.history_] == ["", "ITLSelector"]


def test_init_selector_gets_the_targets_it_can_use():
    expected = ITLSelector(budget=10).fit(X, X_target=X_TARGET).indices_
    loop = ActiveLearningLoop(
        logistic(), VTLSelector(), init_selector=ITLSelector(), budget=20
    ).fit(X, Y, X_target=X_TARGET)
    np.testing.assert_array_equal(loop.history_[0]["indices"], expected)
    loop.set_params(init_selector=FirstRows()).fit(X, Y, X_target=X_TARGET)
    assert loop.history_[0]["selected_by"] == "FirstRows"


@pytest.mark.parametrize("selector", [NearLargestLabel(), MLMOCSelector()], ids=str)
def test_selectors_that_need_labels_start_with_a_core_set(selector):
    loop = ActiveLearningLoop(logistic(), selector, budget=30, batch_size=10).fit(X, Y)
    names = [entry["selected_by"] for entry in loop.history_]
    assert names == ["CoreSetSelector", *[type(selector).__name__] * 2]
    first = CoreSetSelector(budget=10).fit(X).indices_
    np.testing.assert_array_equal(loop.history_[0]["indices"], first)
    second = clone(selector).set_params(budget=10).fit(X, Y, labeled=first).indices_
    np.testing.assert_array_equal(loop.history_[1]["indices"], second)


# Seeds, and parts that stay as they were


def test_same_seed_same_run():
    loop = ActiveLearningLoop(
        RandomForestClassifier(n_estimators=5), RandomSelector(), budget=20, random_state=0
    )
    first = loop.fit(X, Y)
    picks, proba = first.labeled_indices_, first.predict_proba(X)
    again = loop.fit(X, Y)
    np.testing.assert_array_equal(again.labeled_indices_, picks)
    np.testing.assert_array_equal(again.predict_proba(X), proba)
    other = loop.set_params(random_state=1).fit(X, Y)
    assert other.labeled_indices_.tolist() != picks.tolist()


def test_a_seed_reaches_the_parts_that_have_none():
    forest = RandomForestClassifier(n_estimators=2)
    loop = ActiveLearningLoop(
        make_pipeline(StandardScaler(), forest),
        make_pipeline(StandardScaler(), RandomSelector()),
        budget=20,
        random_state=0,
    )
    before = np.random.get_state()[1].copy()
    loop.fit(X, Y)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert isinstance(loop.estimator_[-1].random_state, int)
    assert isinstance(loop.selector_[-1].random_state, int)
    assert forest.random_state is None
    assert loop.selector[-1].random_state is None


def test_a_seed_of_its_own_wins():
    loop = ActiveLearningLoop(
        RandomForestClassifier(n_estimators=2, random_state=5),
        RandomSelector(random_state=7),
        budget=10,
        random_state=0,
    ).fit(X, Y)
    assert loop.estimator_.random_state == 5
    expected = RandomSelector(budget=10, random_state=7).fit(X).indices_
    np.testing.assert_array_equal(loop.labeled_indices_, expected)


def test_no_seed_leaves_the_parts_alone():
    loop = ActiveLearningLoop(RandomForestClassifier(n_estimators=2), RandomSelector(), budget=10)
    loop.fit(X, Y)
    assert loop.estimator_.random_state is None
    assert loop.selector_.random_state is None


def test_the_parts_given_are_never_fitted_nor_changed():
    parts = {
        "estimator": logistic(),
        "selector": CoreSetSelector(budget=3),
        "init_selector": make_pipeline(StandardScaler(), ITLSelector(budget=4)),
    }
    before = {name: part.get_params() for name, part in parts.items()}
    state = {name: dict(vars(part)) for name, part in parts.items()}
    loop = ActiveLearningLoop(**parts, budget=10, batch_size=5, random_state=0).fit(X, Y)
    for name, part in parts.items():
        assert getattr(loop, name) is part
        assert part.get_params() == before[name]
        assert vars(part) == state[name]
    assert not hasattr(parts["init_selector"][0], "mean_")


def test_pool_and_labels_stay_as_they_were():
    X_frozen, y_frozen = X.copy(), Y.copy()
    X_frozen.setflags(write=False)
    y_frozen.setflags(write=False)
    loop = ActiveLearningLoop(logistic(), ITLSelector(), budget=20).fit(X_frozen, y_frozen)
    expected = ActiveLearningLoop(logistic(), ITLSelector(), budget=20).fit(X, Y)
    np.testing.assert_array_equal(loop.labeled_indices_, expected.labeled_indices_)


def test_nothing_is_carried_over_from_an_earlier_fit():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20)
    loop.fit(X, Y, labeled=[1], ids=np.arange(len(X)))
    loop.fit(X, Y)
    assert not hasattr(loop, "labeled_ids_")
    assert [entry["round"] for entry in loop.history_] == [1, 2]
    assert len(loop.labeled_indices_) == 20


def test_progress_bar(capsys):
    ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20).fit(X, Y)
    assert capsys.readouterr().err == ""
    ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20, verbose=True).fit(X, Y)
    assert "20/20" in capsys.readouterr().err


# A single class


def test_rounds_with_a_single_class_are_recorded_and_passed():
    y = np.sort(Y)
    n_first = int((y == y[0]).sum())
    loop = ActiveLearningLoop(logistic(), FirstRows(), budget=n_first + 5, batch_size=n_first // 2)
    loop.fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    fitted = [entry["fitted"] for entry in loop.history_]
    assert fitted == [entry["n_labeled"] > n_first for entry in loop.history_]
    assert fitted[:2] == [False, False] and fitted[-1]
    assert all(np.isnan(e["score"]) != e["fitted"] for e in loop.history_)
    np.testing.assert_array_equal(loop.classes_, [0, 1])


def test_owned_labels_of_a_single_class_are_no_error():
    owned = np.flatnonzero(Y == 1)[:5]
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=10).fit(X, Y, labeled=owned)
    assert [entry["fitted"] for entry in loop.history_] == [False, True]


def test_a_single_class_at_the_end_raises_the_estimators_error_with_the_labels():
    y = np.sort(Y)
    loop = ActiveLearningLoop(logistic(), FirstRows(), budget=20, batch_size=8)
    with pytest.raises(ValueError, match="at least 2 classes") as caught:
        loop.fit(X, y)
    with pytest.raises(ValueError) as own:
        logistic().fit(X[:20], y[:20])
    assert str(caught.value) == str(own.value)
    assert caught.value.labeled_indices.tolist() == list(range(20))
    np.testing.assert_array_equal(caught.value.y_labeled, np.zeros(20))
    assert "20 labels" in caught.value.__notes__[0]
    assert not fitted_attributes(loop)


def test_estimators_content_with_a_single_class_are_fitted():
    loop = ActiveLearningLoop(DummyClassifier(), FirstRows(), budget=20).fit(X, np.sort(Y))
    assert [entry["fitted"] for entry in loop.history_] == [True, True]
    assert set(loop.predict(X)) == {0}


class RefusesAll(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        raise ValueError(f"no use for {len(y)} labels")


class RefusesConstants(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        raise ValueError(f"no use for {len(y)} labels")


def test_with_two_classes_an_error_of_the_estimator_ends_the_loop():
    oracle = Oracle(X, Y)
    with pytest.raises(ValueError, match="no use for 10 labels") as caught:
        ActiveLearningLoop(RefusesAll(), CoreSetSelector(), budget=30).fit(X, oracle=oracle)
    assert oracle.n_calls == 1
    assert caught.value.labeled_indices.tolist() == oracle.asked


def test_in_regression_constant_labels_are_no_excuse():
    oracle = Oracle(X, np.zeros(len(X)))
    loop = ActiveLearningLoop(Ridge(), CoreSetSelector(), budget=30).fit(X, oracle=oracle)
    assert all(entry["fitted"] for entry in loop.history_)
    oracle = Oracle(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="no use for 10 labels"):
        ActiveLearningLoop(RefusesConstants(), CoreSetSelector(), budget=30).fit(X, oracle=oracle)
    assert oracle.n_calls == 1


# classes


def test_classes_give_one_column_each_from_the_first_round():
    y = np.sort(Y)
    shapes = []

    def scoring(model, X, y):
        shapes.append(model.predict_proba(X).shape)
        assert model.classes_.tolist() == [0, 1, 2, 9]
        return accuracy_score(y, model.predict(X))

    loop = ActiveLearningLoop(
        DummyClassifier(), FirstRows(), budget=60, batch_size=20, classes=[9, 2, 1, 0, 1]
    )
    loop.set_params(scoring=scoring).fit(X, y, X_val=X_VAL, y_val=Y_VAL)
    assert shapes == [(len(X_VAL), 4)] * 3
    np.testing.assert_array_equal(loop.predict_proba(X)[:, 2:], 0)
    np.testing.assert_allclose(loop.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("names", [[0, 1, 2, 3, 4], list("abcde"), list("acebd")], ids=str)
@pytest.mark.parametrize("n_seen", [2, 3])
def test_outputs_of_unseen_classes(names, n_seen):
    """Class 2 of five is never seen, nor is the last; columns follow the sorted names."""
    names = np.array(names)
    y = names[np.array([0, 1, 3])[Y % n_seen]]
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=30, classes=names).fit(X, y)
    assert loop.classes_.tolist() == sorted(names.tolist())
    model = logistic().fit(X[loop.labeled_indices_], y[loop.labeled_indices_])
    seen = np.isin(loop.classes_, model.classes_)
    assert seen.sum() == n_seen
    proba = loop.predict_proba(X)
    assert proba.shape == (len(X), 5)
    np.testing.assert_array_equal(proba[:, seen], model.predict_proba(X))
    np.testing.assert_array_equal(proba[:, ~seen], 0)
    log_proba = loop.predict_log_proba(X)
    np.testing.assert_array_equal(log_proba[:, seen], model.predict_log_proba(X))
    assert (log_proba[:, ~seen] == -np.inf).all()
    decision = loop.decision_function(X)
    assert decision.shape == (len(X), 5)
    assert (decision[:, ~seen] < decision[:, seen].min(axis=1, keepdims=True)).all()
    predictions = model.predict(X)
    np.testing.assert_array_equal(loop.predict(X), predictions)
    for scores in (proba, log_proba, decision):
        np.testing.assert_array_equal(loop.classes_[scores.argmax(axis=1)], predictions)


def test_two_classes_keep_a_flat_decision_function():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20, classes=[0, 1])
    loop.fit(X, Y % 2)
    assert loop.decision_function(X).shape == (len(X),)
    assert loop.predict_proba(X).shape == (len(X), 2)


def test_classes_and_several_outputs():
    outputs = np.column_stack([Y % 2, Y // 2, (Y + 1) % 2])
    loop = ActiveLearningLoop(
        RandomForestClassifier(n_estimators=2), CoreSetSelector(), budget=20, classes=[0, 1]
    ).fit(X, outputs)
    assert loop.predict(X).shape == outputs.shape
    assert [proba.shape for proba in loop.predict_proba(X)] == [(len(X), 2)] * 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes_and_an_estimator_that_numbers_its_outputs():
    """For several outputs MLPClassifier gives one column each, and their numbers as classes_."""
    outputs = np.column_stack([Y % 2, Y // 2, (Y + 1) % 2])
    estimator = MLPClassifier(3, max_iter=2, random_state=0)
    loop = ActiveLearningLoop(estimator, CoreSetSelector(), budget=20, classes=[0, 1])
    loop.fit(X, outputs)
    np.testing.assert_array_equal(loop.predict_proba(X), loop.estimator_.predict_proba(X))
    assert loop.predict_proba(X).shape == (len(X), 3)


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(OracleError, match=r"classes == \[0, 1\]; got 2 for row \d+. Correct"):
        ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20, classes=[0, 1]).fit(X, Y)


# Scoring


def scores_by_hand(loop, score):
    models = (loop.labeled_indices_[: entry["n_labeled"]] for entry in loop.history_)
    return [score(logistic().fit(X[labeled], Y[labeled])) for labeled in models]


@pytest.mark.parametrize(
    ("scoring", "score"),
    [
        (None, lambda model: model.score(X_VAL, Y_VAL)),
        ("accuracy", lambda model: accuracy_score(Y_VAL, model.predict(X_VAL))),
        ("neg_log_loss", lambda model: -log_loss(Y_VAL, model.predict_proba(X_VAL))),
        (
            lambda model, X, y: -float(np.abs(model.predict(X) - y).max()),
            lambda model: -float(np.abs(model.predict(X_VAL) - Y_VAL).max()),
        ),
    ],
    ids=["default", "accuracy", "log loss", "callable"],
)
def test_scores_on_held_out_data(scoring, score):
    loop = ActiveLearningLoop(
        logistic(), CoreSetSelector(), budget=30, batch_size=10, classes=[0, 1, 2], scoring=scoring
    )
    loop.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    np.testing.assert_allclose([e["score"] for e in loop.history_], scores_by_hand(loop, score))


def test_without_held_out_data_the_score_is_nan():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20).fit(X, Y)
    assert all(np.isnan(entry["score"]) for entry in loop.history_)


class Unscored(BaseEstimator):
    def fit(self, X, y):
        raise AssertionError("fit was called")


@pytest.mark.parametrize(
    ("params", "fit_params", "message"),
    [
        ({}, {"X_val": X_VAL}, "X_val and y_val must be given together; got y_val == None. Pass"),
        ({}, {"y_val": Y_VAL}, "X_val and y_val must be given together; got X_val == None. Pass"),
        ({}, {"X_val": X_VAL, "y_val": Y_VAL[1:]}, r"inconsistent numbers of samples: \[40, 39\]"),
        ({"scoring": "accuracy"}, {}, "scoring == 'accuracy' needs held-out data: pass X_val and"),
        ({"scoring": "acuracy"}, {"X_val": X_VAL, "y_val": Y_VAL}, "acuracy"),
        ({"scoring": ["accuracy"]}, {"X_val": X_VAL, "y_val": Y_VAL}, "must be a str, a callable"),
        ({"estimator": Unscored()}, {"X_val": X_VAL, "y_val": Y_VAL}, "'score' method"),
    ],
    ids=str,
)
def test_bad_scoring_is_refused_before_the_oracle_is_asked(params, fit_params, message):
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20).set_params(**params)
    with pytest.raises((ValueError, TypeError), match=message):
        loop.fit(X, oracle=never_asked, **fit_params)


# Bad input


@pytest.mark.parametrize("name", ["budget", "batch_size", "n_initial", "selector__budget"])
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (0.0, ValueError),
        (1.5, ValueError),
        (float("nan"), ValueError),
        ("10", TypeError),
        (True, TypeError),
    ],
    ids=repr,
)
def test_bad_numbers_of_labels(name, value, error):
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20).set_params(**{name: value})
    allowed = r"must be an int >= 1 or a float in \(0, 1\]"
    with pytest.raises(error, match=f"^{name} == {value!r}, {allowed}.*(Pick|Pass|pass) "):
        loop.fit(X, oracle=never_asked)
    assert not fitted_attributes(loop)


N = len(X)


@pytest.mark.parametrize(
    ("labeled", "message"),
    [
        ([3, N], f"labeled must be a boolean mask .*; got {N}. Positions count from 0"),
        ([3, -1], "labeled must be a boolean mask .*; got -1. Positions count from 0"),
        ([3, 5, 3], r"labeled must be .* unique positions .*; got 3 more than once. Pass np.uniq"),
        (np.zeros(N - 1, dtype=bool), f"labeled must be .*; got a mask of length {N - 1}. Make"),
        (np.arange(N) % 2, r"labeled must be .*looks like a mask. Pass labeled.astype\(bool\)"),
        ([0.5, 2.0], "labeled must be .*; got values of type float64. Convert it with"),
        (["1", "2"], "labeled must be .*; got values of type <U1. Convert it with"),
        ([[1, 2]], "labeled must be .*; got an array of 2 dimensions. Pass a flat list"),
        (np.arange(N), f"labeled covers all {N} rows, so there is nothing to ask. Fit the"),
        (np.ones(N, dtype=bool), f"labeled covers all {N} rows, so there is nothing to ask"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_labeled(labeled, message):
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20)
    with pytest.raises(ValueError, match=message):
        loop.fit(X, Y, labeled=labeled, oracle=never_asked)
    assert not fitted_attributes(loop)


@pytest.mark.parametrize(
    ("fit_params", "error", "message"),
    [
        ({}, ValueError, "ActiveLearningLoop requires y .* is None. Pass y, or oracle=function"),
        ({"labeled": [1, 2]}, ValueError, "labeled was given without y. Pass y of length n_sampl"),
        (
            {"oracle": Y},
            TypeError,
            r"(?s)oracle == array.*, must be a callable \(X_rows, indices\)",
        ),
        ({"oracle": "ask"}, TypeError, "oracle == 'ask', must be a callable .*pass y instead"),
        ({"y": Y[1:]}, ValueError, r"inconsistent numbers of samples: \[120, 119\]"),
        ({"y": Y, "ids": [1, 2]}, ValueError, r"inconsistent numbers of samples: \[120, 120, 2\]"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_sources_of_labels(fit_params, error, message):
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20)
    with pytest.raises(error, match=message):
        loop.fit(X, **fit_params)
    assert not fitted_attributes(loop)


@pytest.mark.parametrize("empty", [[], np.empty((0, 3)), np.empty(0)], ids=repr)
def test_empty_pool(empty):
    with pytest.raises(ValueError, match=r"0 sample\(s\) in X while a minimum of 1 is required"):
        ActiveLearningLoop(logistic(), CoreSetSelector()).fit(empty, oracle=never_asked)


with_nan = X.copy()
with_nan[[17, 40]] = np.nan


@pytest.mark.parametrize("selector", [CoreSetSelector(), ITLSelector(), RandomSelector()], ids=str)
@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (X[:, 0], "Expected 2D array, got 1D array instead"),
        (X.reshape(-1, 3, 2), "Found array with dim 3"),
        (X.astype(str), "X must hold numbers; got strings. Encode text first"),
        (X.astype(str).astype(object), "X must hold numbers; got strings. Encode text first"),
        (with_nan, "X must be finite; got NaN or infinity in 2 of 120 rows, first in row 17. Imp"),
    ],
    ids=["1-d", "3-d", "strings", "strings as objects", "NaN"],
)
def test_pools_that_the_selector_refuses(pool, message, selector):
    if np.ndim(pool) == 3 and isinstance(selector, RandomSelector):
        pytest.skip("images are as good as any rows")
    loop = ActiveLearningLoop(logistic(), selector, budget=20)
    with pytest.raises(ValueError, match=message):
        loop.fit(pool, oracle=never_asked)
    assert not fitted_attributes(loop)


@pytest.mark.parametrize("name", ["selector", "init_selector"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (FrozenEstimator(ITLSelector()), "is a FrozenEstimator, which cannot select again. Pass"),
        (
            make_pipeline(StandardScaler(), FrozenEstimator(ITLSelector())),
            r"is a FrozenEstimator.*Pass the selector itself: ITLSelector\(\)",
        ),
        (StandardScaler(), r"StandardScaler\(\), must be a selector .* for instance ITLSelec"),
        (make_pipeline(ITLSelector(), "passthrough"), "must be a selector .*Pipeline that ends in"),
        (make_pipeline(ITLSelector(), StandardScaler()), "must be a selector .*Pipeline that ends"),
        (ITLSelector, "must be a selector .* for instance ITLSelector"),
        ("itl", "'itl', must be a selector"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_selector(name, value, message):
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20).set_params(**{name: value})
    with pytest.raises(TypeError, match=f"(?s)^{name} == .*{message}"):
        loop.fit(X, oracle=never_asked)
    assert not fitted_attributes(loop)


@pytest.mark.parametrize("value", [LogisticRegression, None, "ridge", len], ids=str)
def test_what_is_no_estimator(value):
    loop = ActiveLearningLoop(value, CoreSetSelector(), budget=20)
    with pytest.raises(TypeError, match="^estimator == .*must be an instance with fit .* instance"):
        loop.fit(X, oracle=never_asked)


def test_targets_for_a_selector_without_use_for_them():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20)
    with pytest.raises(
        ValueError, match=r"X_target was given, but selector == CoreSetSelector\(\)"
    ):
        loop.fit(X, X_target=X_TARGET, oracle=never_asked)
    loop = ActiveLearningLoop(logistic(), ITLSelector(), budget=20)
    with pytest.raises(ValueError, match="X_target must have the 6 features of X; got 5. Pass"):
        loop.fit(X, X_target=X_TARGET[:, 1:], oracle=never_asked)


class PicksWrongly(FirstRows):
    """Answers with whatever it was told to."""

    def __init__(self, budget=10, picks=()):
        self.budget = budget
        self.picks = picks

    def fit(self, X, y=None, *, labeled=None):
        self.indices_ = np.array(self.picks, dtype=np.int64)
        return self


@pytest.mark.parametrize("picks", [[], [4, 4], [4, 9], [5, 6, 7]], ids=str)
def test_selectors_that_break_their_contract(picks):
    """None at all, a row twice, a labeled row, more than asked for."""
    loop = ActiveLearningLoop(logistic(), PicksWrongly(picks=picks), budget=2)
    with pytest.raises(ValueError, match=r"PicksWrongly was asked for 2 rows.*check_selector"):
        loop.fit(X, Y, labeled=[9], oracle=never_asked)


def test_a_failed_fit_leaves_the_former_one():
    loop = ActiveLearningLoop(logistic(), CoreSetSelector(), budget=20).fit(X, Y)
    before, proba = dict(vars(loop)), loop.predict_proba(X)
    with pytest.raises(ValueError, match="X must be finite"):
        loop.fit(with_nan, Y)
    assert vars(loop).keys() == before.keys()
    assert all(vars(loop)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(loop.predict_proba(X), proba)
