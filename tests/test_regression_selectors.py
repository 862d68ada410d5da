"""Selectors for regression, against slow versions and against scikit-activeml."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import make_regression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import get_tags
from skorch import NeuralNetRegressor
from torch import nn

from skactive import (
    ActiveLearningLoop,
    CoreSetSelector,
    ExpectedModelChangeSelector,
    GreedySamplingSelector,
    StochasticBatch,
    VarianceSelector,
)
from skactive.exceptions import ColdStartWarning, ZeroNormWarning
from skactive.testing import selector_checks
from tests.reference.coreset import unit
from tests.reference.regression_selectors import (
    committee_variance,
    expected_model_change,
    greedy_sampling,
)
from tests.strategies import problems

CONFIGURATIONS = [
    VarianceSelector(estimator=make_pipeline(StandardScaler(), BayesianRidge())),
    ExpectedModelChangeSelector(estimator=KNeighborsRegressor(2), n_bootstraps=2),
    GreedySamplingSelector(metric="cosine", estimator=DecisionTreeRegressor(random_state=0)),
]


def contract_checks():
    for selector in CONFIGURATIONS:
        for check in selector_checks(selector):
            yield pytest.param(check, id=f"{selector!r}-{check.__name__}".replace("\n", ""))


@pytest.mark.parametrize("check", list(contract_checks()))
def test_contract(check):
    check()


def make_pool(n=50, seed=0):
    return make_regression(n, 5, noise=5.0, random_state=seed)


LABELED = np.array([1, 3, 7, 12, 20, 21, 30, 44])


class Float32(RegressorMixin, BaseEstimator):
    """Ridge regression with the precision of a network."""

    def fit(self, X, y):
        self.ridge_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.ridge_.predict(X).astype(np.float32)[:, None]


def top(scores, labeled, count):
    scores = np.where(np.isin(np.arange(len(scores)), labeled), -np.inf, scores)
    return np.argsort(-scores, kind="stable")[:count]


# VarianceSelector


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    "model", [GaussianProcessRegressor(alpha=0.1, optimizer=None), BayesianRidge()]
)
def test_variance_of_a_probabilistic_model(model, wrapped):
    X, y = make_pool()
    selector = VarianceSelector(6, estimator=model)
    if wrapped:
        grid = {next(iter(model.get_params())): [next(iter(model.get_params().values()))]}
        selector.estimator = make_pipeline(StandardScaler(), GridSearchCV(model, grid, cv=2))
        X = StandardScaler().fit(X[LABELED]).transform(X)
    selector.fit(X, y, labeled=LABELED)
    deviations = clone(model).fit(X[LABELED], y[LABELED]).predict(X, return_std=True)[1]
    picks = top(deviations, LABELED, 6)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, deviations[picks] ** 2, rtol=1e-6)


COMMITTEES = [
    RandomForestRegressor(10, random_state=0),
    BaggingRegressor(Ridge(), 7, random_state=0),
    VotingRegressor([("a", Ridge()), ("b", KNeighborsRegressor(2)), ("c", LinearRegression())]),
]


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame])
@pytest.mark.parametrize("model", COMMITTEES, ids=lambda model: type(model).__name__)
def test_variance_of_a_committee(model, form):
    X, y = make_pool()
    fitted = clone(model).fit(X[LABELED], y[LABELED])
    expected = committee_variance(fitted.estimators_, X)
    picks = top(np.round(expected, 6), LABELED, 6)
    frame = form(X)
    if form is pd.DataFrame:
        frame.columns = list("abcde")
    given_model = clone(model).fit(frame[:][np.isin(range(50), LABELED)], y[np.sort(LABELED)])
    order = np.sort(LABELED)
    selector = VarianceSelector(6, estimator=model).fit(frame, y, labeled=LABELED)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, expected[picks])
    asked = VarianceSelector(6).fit(frame, y, labeled=order, estimator=given_model)
    again = VarianceSelector(6, estimator=model).fit(frame, y, labeled=order)
    np.testing.assert_array_equal(asked.indices_, again.indices_)


def test_members_that_see_some_features():
    X, y = make_pool()
    model = BaggingRegressor(Ridge(), 5, max_features=0.6, random_state=0)
    model.fit(X[LABELED], y[LABELED])
    predictions = [
        member.predict(X[:, columns])
        for member, columns in zip(model.estimators_, model.estimators_features_, strict=True)
    ]
    selector = VarianceSelector(6, estimator=FrozenEstimator(model)).fit(X)
    np.testing.assert_array_equal(selector.indices_, top(np.var(predictions, 0), [], 6))


def test_variance_of_the_default_forest():
    X, y = make_pool()
    selector = VarianceSelector(6, random_state=0).fit(X, y, labeled=LABELED)
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    forest = RandomForestRegressor(random_state=seed).fit(X[LABELED], y[LABELED])
    expected = committee_variance(forest.estimators_, X)
    np.testing.assert_allclose(selector.scores_, np.sort(np.delete(expected, LABELED))[:-7:-1])


def test_offset_labels_keep_their_order():
    """The tolerance for ties follows the spread of the members, not only their size."""
    X, y = make_pool()
    model = BaggingRegressor(LinearRegression(), 9, random_state=0)
    plain = VarianceSelector(20, estimator=model).fit(X, y, labeled=LABELED)
    shifted = VarianceSelector(20, estimator=model).fit(X, y + 1e6, labeled=LABELED)
    np.testing.assert_array_equal(shifted.indices_, plain.indices_)


@pytest.mark.parametrize(
    "model",
    [Ridge(), GradientBoostingRegressor(n_estimators=3), LogisticRegression()],
    ids=lambda model: type(model).__name__,
)
def test_models_without_a_variance(model):
    X, y = make_pool()
    y = np.round(y) if isinstance(model, LogisticRegression) else y
    with pytest.raises(TypeError, match="return_std, or a committee"):
        VarianceSelector(6, estimator=model).fit(X, y, labeled=LABELED)


def test_outputs_are_no_members():
    X, y = make_pool()
    both = MultiOutputRegressor(Ridge()).fit(X, np.stack([y, -y], 1))
    with pytest.raises(ValueError, match="one number for each of 1 rows"):
        VarianceSelector(6).fit(X, y, labeled=LABELED, estimator=both)


def test_variances_that_overflow():
    X, y = make_pool()
    members = [
        (str(value), DummyRegressor(strategy="constant", constant=value))
        for value in (-1e200, 1e200)
    ]
    model = VotingRegressor(members).fit(X, y)
    with pytest.raises(ValueError, match="Scale the labels"):
        VarianceSelector(6).fit(X, estimator=model)


# ExpectedModelChangeSelector


@pytest.mark.parametrize("source", ["parameter", "fit", "frozen"])
def test_expected_model_change(source):
    X, y = make_pool()
    X = X + 1.0
    params, fit_params = {"estimator": LinearRegression()}, {}
    whole = LinearRegression().fit(X[LABELED], y[LABELED])
    if source == "fit":
        whole.fit(X, y)
        params, fit_params = {}, {"estimator": whole}
    elif source == "frozen":
        whole.fit(X[:20], y[:20])
        params = {"estimator": FrozenEstimator(whole)}
    selector = ExpectedModelChangeSelector(8, n_bootstraps=5, random_state=3, **params)
    selector.fit(X, y, labeled=LABELED, **fit_params)
    rng = np.random.RandomState(3)
    samples = [LABELED[rng.randint(8, size=8)] for _ in range(5)]
    others = [LinearRegression().fit(X[rows], y[rows]) for rows in samples]
    expected = expected_model_change(whole, others, X)
    picks = top(expected, LABELED, 8)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, expected[picks])


def test_expected_model_change_of_the_default_model():
    X, y = make_pool()
    model = make_pipeline(StandardScaler(), Ridge(random_state=0))  # a seed would be drawn
    default = ExpectedModelChangeSelector(8, random_state=0).fit(X, y, labeled=LABELED)
    assert default.scores_[0] > 0
    seeded = ExpectedModelChangeSelector(8, estimator=model, random_state=0)
    scores = [seeded.fit(X, y, labeled=LABELED).scores_ for _ in range(2)]
    np.testing.assert_array_equal(*scores)


def test_bootstraps_must_be_a_count():
    with pytest.raises(ValueError, match="n_bootstraps == 0"):
        ExpectedModelChangeSelector(2, n_bootstraps=0).fit(np.eye(5))


# GreedySamplingSelector


@settings(max_examples=80)
@given(
    problem=problems(min_rows=4),
    method=st.sampled_from(["y", "xy"]),
    metric=st.sampled_from(["euclidean", "cosine"]),
    seed=st.integers(0, 100),
)
def test_greedy_sampling_equals_the_slow_version(problem, method, metric, seed):
    X = problem.X.astype(np.float64)
    if metric == "cosine":
        X[~X.any(1)] = 1.0  # rows without direction have a test of their own
    labeled = problem.positions
    y = np.random.RandomState(seed).randint(-3, 4, len(X)).astype(float)
    if len(labeled) < 2:
        return
    model = DecisionTreeRegressor(max_depth=3, random_state=0)  # exact predictions
    selector = GreedySamplingSelector(
        problem.budget, method=method, metric=metric, estimator=model
    ).fit(X, y, labeled=problem.labeled)
    order = (
        np.flatnonzero(problem.labeled) if np.asarray(problem.labeled).dtype == bool else labeled
    )
    predicted = clone(model).fit(X[order], y[order]).predict(X)
    points = unit(X) if metric == "cosine" else X
    picks, scores = greedy_sampling(points, predicted, labeled, y[labeled], problem.budget, method)
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-9, atol=1e-9)
    if metric == "euclidean":  # directions tie up to rounding
        np.testing.assert_array_equal(selector.indices_, picks)


@pytest.mark.parametrize("method", ["y", "xy"])
def test_many_picks_by_blocks(method):
    X, y = make_pool(700)
    labeled = np.arange(0, 700, 35)
    selector = GreedySamplingSelector(60, method=method).fit(X, y, labeled=labeled)
    model = make_pipeline(StandardScaler(), Ridge()).fit(X[labeled], y[labeled])
    values = np.full(700, np.inf)
    predicted = model.predict(X)
    known = [*zip(labeled, y[labeled], strict=True)]
    for step in range(20 + 60):
        if step >= 20:
            row = int(np.argmax(values))
            assert selector.indices_[step - 20] == row
            known.append((row, predicted[row]))
        row, label = known[step]
        gaps = np.abs(predicted - label)
        distances = np.linalg.norm(X - X[row], axis=1) if method == "xy" else 1.0
        values = np.minimum(values, distances * gaps)
        values[[other for other, _ in known[: step + 1]]] = -np.inf


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("labeled", [[], [4, 9]])
def test_greedy_sampling_of_features_is_the_core_set(labeled, metric):
    X, _ = make_pool()
    selector = GreedySamplingSelector(8, method="x", metric=metric).fit(X, labeled=labeled)
    expected = CoreSetSelector(8, metric=metric).fit(X, labeled=labeled)
    np.testing.assert_array_equal(selector.indices_, expected.indices_)
    np.testing.assert_array_equal(selector.scores_, expected.scores_)
    assert not selector._needs_labels


@pytest.mark.parametrize("method", ["y", "xy"])
def test_rows_without_direction_come_last(method):
    X, y = make_pool(20)
    X[[2, 3]] = 0
    selector = GreedySamplingSelector(17, method=method, metric="cosine")
    with pytest.warns(ZeroNormWarning):
        picks = selector.fit(X, y, labeled=[0, 1, 5]).indices_
    assert set(picks[-2:]) == {2, 3}


@pytest.mark.parametrize(("method", "theirs"), [("y", "GSy"), ("xy", "GSi")])
def test_greedy_sampling_of_scikit_activeml(method, theirs):
    pool = pytest.importorskip("skactiveml.pool", reason="`make bench` installs it")
    regressors = pytest.importorskip("skactiveml.regressor")
    X, y = make_pool(120)
    known = np.full(120, np.nan)
    known[LABELED] = y[LABELED]
    model = make_pipeline(StandardScaler(), Ridge())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pool.GreedySamplingTarget(method=theirs, random_state=0).query(
            X, known, regressors.SklearnRegressor(model), batch_size=12
        )
    selector = GreedySamplingSelector(12, method=method).fit(X, y, labeled=LABELED)
    np.testing.assert_array_equal(selector.indices_, expected)


@pytest.mark.parametrize("labeled", [[], [4]])
@pytest.mark.parametrize("method", ["y", "xy"])
def test_greedy_sampling_begins_with_the_core_set(method, labeled):
    X, y = make_pool()
    with pytest.warns(ColdStartWarning, match="covers the pool by method='x'"):
        selector = GreedySamplingSelector(5, method=method).fit(X, y, labeled=labeled)
    expected = CoreSetSelector(5).fit(X, labeled=labeled)
    np.testing.assert_array_equal(selector.indices_, expected.indices_)


def test_a_given_model_needs_one_label():
    X, y = make_pool()
    model = Ridge().fit(X, y)
    selector = GreedySamplingSelector(1, method="y")
    row = selector.fit(X, y, labeled=[6], estimator=model).indices_[0]
    assert row == np.argmax(np.abs(model.predict(X) - y[6]))
    with pytest.warns(ColdStartWarning, match="No row is labeled"):
        selector.fit(X, estimator=model)


def test_what_may_come_out_otherwise():
    forest = RandomForestRegressor(3)
    for params, expected in (
        ({}, False),
        ({"estimator": forest}, True),
        ({"estimator": forest, "random_state": 0}, False),
        ({"estimator": forest, "method": "x"}, False),
        ({"estimator": FrozenEstimator(forest)}, False),
    ):
        assert get_tags(GreedySamplingSelector(**params)).non_deterministic is expected


# All of them

SELECTORS = [
    VarianceSelector(6, estimator=BayesianRidge(), random_state=0),
    ExpectedModelChangeSelector(6, random_state=0),
    GreedySamplingSelector(6),
    GreedySamplingSelector(6, method="y"),
]
each = pytest.mark.parametrize("selector", SELECTORS, ids=lambda s: "".join(repr(s).split()))


@each
def test_labels_must_be_numbers(selector):
    X, y = make_pool()
    names = np.array(["low", "high"])[(y > 0).astype(int)]
    with pytest.raises(ValueError, match="needs numbers"):
        clone(selector).fit(X, names, labeled=LABELED)
    with pytest.raises(TypeError, match="needs an estimator with predict"):
        clone(selector).set_params(estimator=StandardScaler()).fit(X, y, labeled=LABELED)


@pytest.mark.parametrize("selector", SELECTORS[1:], ids=lambda s: "".join(repr(s).split()))
def test_models_of_other_outputs(selector):
    X, y = make_pool()
    with pytest.raises(ValueError, match="one number for each"):
        both = Ridge().fit(X, np.stack([y, y], 1))
        clone(selector).fit(X, y, labeled=LABELED, estimator=both)
    names = LogisticRegression().fit(X, np.where(y > 0, "a", "b"))
    with pytest.raises(ValueError, match="one number for each"):
        clone(selector).fit(X, y, labeled=LABELED, estimator=names)


@pytest.mark.parametrize("selector", SELECTORS[1:], ids=lambda s: "".join(repr(s).split()))
def test_single_precision_models_tie_where_rows_do(selector):
    X, y = make_pool()
    X = np.concatenate([X, X])
    y = np.concatenate([y, y])
    model = Float32().fit(X, y)
    selector = clone(selector).set_params(estimator=model, budget=4)
    picks = selector.fit(X, y, labeled=LABELED).indices_
    seen = set(LABELED)
    for row in picks:  # of two equal rows the first one comes first
        assert row < 50 or row - 50 in seen
        seen.add(row)


@pytest.mark.parametrize(
    "selector",
    [*SELECTORS, VarianceSelector(6, estimator=COMMITTEES[0])],
    ids=lambda s: "".join(repr(s).split()),
)
def test_the_order_of_the_labels_does_not_matter(selector):
    X, y = make_pool()
    expected = clone(selector).fit(X, y, labeled=LABELED)
    mixed = clone(selector).fit(X, y, labeled=LABELED[[3, 0, 7, 1, 2, 6, 5, 4]])
    np.testing.assert_array_equal(mixed.indices_, expected.indices_)
    np.testing.assert_array_equal(mixed.scores_, expected.scores_)


@each
def test_in_a_loop(selector):
    X, y = make_pool(80)
    for inside in (selector, StochasticBatch(selector, mode="softrank")):
        loops = [
            ActiveLearningLoop(
                BayesianRidge(), clone(inside), budget=24, batch_size=8, random_state=0
            ).fit(X, y)
            for _ in range(2)
        ]
        np.testing.assert_array_equal(loops[0].labeled_indices_, loops[1].labeled_indices_)
        assert len(set(loops[0].labeled_indices_)) == 24
        assert type(loops[0].selector_) is type(inside)


@pytest.mark.parametrize("embedding", [None, "last_layer"])
@pytest.mark.parametrize(
    "selector", [ExpectedModelChangeSelector(), GreedySamplingSelector()], ids=["change", "greedy"]
)
def test_networks_in_a_loop(selector, embedding):
    X, y = make_pool(40)
    X, y = X.astype(np.float32), (y[:, None] / 100).astype(np.float32)
    module = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1))
    net = NeuralNetRegressor(module, max_epochs=2, verbose=0, train_split=None)
    selector = clone(selector).set_params(embedding=embedding)
    loops = [
        ActiveLearningLoop(net, selector, budget=12, batch_size=4, random_state=0).fit(X, y)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(loops[0].labeled_indices_, loops[1].labeled_indices_)
    assert loops[0].history_[-1]["selected_by"] == type(selector).__name__
    width = loops[0].selector_.components_.shape[1]
    assert width == (5 if embedding is None else 8)
    alone = clone(selector).set_params(estimator=net, budget=3, embedding=None, random_state=0)
    picks = [clone(alone).fit(X, y, labeled=range(20)).indices_ for _ in range(2)]
    np.testing.assert_array_equal(*picks)
