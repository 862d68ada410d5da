"""k-center: greedy and robust, against brute force."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skactive import CoreSetSelector
from skactive.exceptions import ZeroNormWarning
from tests.reference.coreset import (
    greedy_k_center,
    pairwise_distances,
    radius,
    smallest_radius,
    unit,
)
from tests.strategies import problems

metrics = st.sampled_from(["euclidean", "cosine"])


def points(X, metric):
    """The rows between which distances are Euclidean."""
    X = X.astype(np.float64)
    return unit(X) if metric == "cosine" else X


def center_candidates(X, metric, positions, budget):
    """Rows that may be picked: those without direction only when no other is left."""
    free = [i for i in range(len(X)) if i not in positions]
    directed = [i for i in free if metric == "euclidean" or X[i].any()]
    return directed if len(directed) >= budget else free


def fit(selector, X, labeled=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, labeled=labeled)


def tiny_problems():
    """Small enough to try all subsets."""
    return problems(min_rows=3, max_rows=8, max_features=3)


def assume_different_directions(Z, labeled, metric):
    """Rows that differ in length alone tie up to rounding; they have a test of their own."""
    if metric == "cosine":
        directed = np.flatnonzero(Z.any(1))
        distances = pairwise_distances(Z)[directed]
        assume(len(directed) > 0)
        nearest = distances[:, labeled].min(1) if labeled else distances[:, directed]
        assume(nearest.max() > 1e-6)


# Greedy


@settings(max_examples=150)
@given(problem=problems(), metric=metrics, init=st.sampled_from(["medoid", "farthest"]))
def test_greedy_equals_brute_force(problem, metric, init):
    Z = points(problem.X, metric)
    assume_different_directions(Z, problem.positions, metric)
    selector = CoreSetSelector(problem.budget, metric=metric, init=init)
    fit(selector, problem.X, problem.labeled)
    from_mean = np.linalg.norm(Z - Z.mean(0), axis=1)
    picks, scores = greedy_k_center(
        Z,
        problem.positions,
        problem.budget,
        preference=-from_mean if init == "medoid" else from_mean,
        last=np.flatnonzero(~Z.any(1)) if metric == "cosine" else (),
    )
    np.testing.assert_array_equal(selector.indices_, picks)
    if not problem.positions:
        assert selector.scores_[0] == np.inf
        scores[0] = np.inf
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-9, atol=1e-12)


@settings(max_examples=100)
@given(problem=problems(), metric=metrics, method=st.sampled_from(["greedy", "robust"]))
def test_radius_curve_is_the_radius_after_each_pick(problem, metric, method):
    selector = CoreSetSelector(
        problem.budget, metric=metric, method=method, node_limit=100, outlier_fraction=0.2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit(selector, problem.X, problem.labeled)
    distances = pairwise_distances(points(problem.X, metric))
    picks = list(selector.indices_)
    expected = [
        radius(distances, problem.positions + picks[: t + 1]) for t in range(problem.budget)
    ]
    np.testing.assert_allclose(selector.radius_curve_, expected, rtol=1e-9, atol=1e-7)
    assert (np.diff(selector.radius_curve_) <= 0).all()
    assert len(set(picks)) == problem.budget
    assert not set(picks) & set(problem.positions)
    if method == "greedy":
        assert selector.covering_radius_ == selector.radius_curve_[-1]
        assert selector.outliers_.size == 0


@settings(max_examples=100)
@given(problem=tiny_problems(), metric=metrics)
def test_greedy_radius_is_within_twice_the_optimum(problem, metric):
    selector = fit(CoreSetSelector(problem.budget, metric=metric), problem.X, problem.labeled)
    distances = pairwise_distances(points(problem.X, metric))
    candidates = center_candidates(problem.X, metric, problem.positions, problem.budget)
    optimum = smallest_radius(distances, candidates, problem.positions, problem.budget)
    assert optimum - 1e-7 <= selector.covering_radius_
    assert selector.covering_radius_ / 2 <= optimum + 1e-7


def test_first_score_is_infinite_only_where_nothing_is_labeled():
    X = np.random.default_rng(0).normal(size=(20, 3))
    for method in ("greedy", "robust"):
        scores = CoreSetSelector(4, method=method).fit(X).scores_
        assert scores[0] == np.inf
        assert np.isfinite(scores[1:]).all()
        assert np.isfinite(CoreSetSelector(4, method=method).fit(X, labeled=[3]).scores_).all()


def test_medoid_minimizes_the_sum_of_squared_distances():
    rng = np.random.default_rng(1)
    for metric in ("euclidean", "cosine"):
        X = rng.normal(1.0, 1.0, size=(30, 4))
        distances = pairwise_distances(points(X, metric))
        first = CoreSetSelector(1, metric=metric).fit(X).indices_[0]
        assert first == (distances**2).sum(0).argmin()
        first = CoreSetSelector(1, metric=metric, init="farthest").fit(X).indices_[0]
        assert first == (distances**2).sum(0).argmax()


def test_random_init_draws_the_first_center_only():
    X = np.random.default_rng(2).normal(size=(30, 3))
    firsts = set()
    for seed in range(20):
        picks = CoreSetSelector(5, init="random", random_state=seed).fit(X).indices_
        again = CoreSetSelector(5, init="random", random_state=seed).fit(X).indices_
        np.testing.assert_array_equal(picks, again)
        rest = CoreSetSelector(4).fit(X, labeled=picks[:1]).indices_
        np.testing.assert_array_equal(picks[1:], rest)
        firsts.add(int(picks[0]))
    assert len(firsts) > 8


@pytest.mark.parametrize("init", ["medoid", "random", "farthest"])
def test_init_plays_no_part_where_something_is_labeled(init):
    X = np.random.default_rng(3).normal(size=(25, 3))
    expected = CoreSetSelector(6).fit(X, labeled=[4, 8]).indices_
    selector = CoreSetSelector(6, init=init, random_state=0).fit(X, labeled=[4, 8])
    np.testing.assert_array_equal(selector.indices_, expected)


def test_random_init_draws_among_the_rows_with_a_direction():
    """A quarter of the pool has none; the others are equally likely."""
    X = np.zeros((40, 2))
    X[10:] = np.random.default_rng(4).normal(size=(30, 2))
    draws = []
    for seed in range(60):
        selector = CoreSetSelector(1, metric="cosine", init="random", random_state=seed)
        draws.append(int(fit(selector, X).indices_[0]))
    assert min(draws) >= 10
    assert draws.count(10) <= 8  # 2 expected


@pytest.mark.parametrize("init", ["medoid", "random", "farthest"])
@pytest.mark.parametrize("labeled", [None, [0], [5]])
def test_rows_of_one_direction_tie_under_cosine(init, labeled):
    """Their distances are 0 but for rounding: the rows are taken in order."""
    rng = np.random.default_rng(5)
    X = np.outer(rng.uniform(1, 2, size=300), rng.normal(size=7))
    selector = CoreSetSelector(6, metric="cosine", init=init, random_state=0)
    selector.fit(X, labeled=labeled)
    picks = selector.indices_.tolist()
    drawn = picks[:1] if init == "random" and labeled is None else []
    others = [i for i in range(300) if i not in (labeled or []) + drawn]
    assert picks == drawn + others[: 6 - len(drawn)]


def test_rows_are_taken_in_order_once_every_direction_has_a_center():
    """What is left are rows of known directions and other lengths, at distances of rounding."""
    rng = np.random.default_rng(11)
    directions = rng.normal(size=(4, 5))
    X = directions[rng.integers(0, 4, size=80)] * rng.uniform(0.1, 9.0, size=(80, 1))
    picks = CoreSetSelector(12, metric="cosine").fit(X).indices_.tolist()
    lowest = [i for i in range(80) if i not in picks[:4]]
    assert picks[4:] == lowest[:8]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("labeled", [None, [2, 11]])
@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("method", ["greedy", "robust"])
def test_sparse_rows_give_the_picks_of_dense_ones(metric, labeled, offset, method):
    """Also where differences are small against the rows themselves, and every row comes twice."""
    rng = np.random.default_rng(6)
    X = np.round(rng.normal(size=(40, 6)), 1) * (rng.random((40, 6)) < 0.5)
    X[:, 0] += 0.1 + offset
    X = np.repeat(X, 2, axis=0)
    dense = CoreSetSelector(8, metric=metric, method=method).fit(X, labeled=labeled)
    for container in (sparse.csr_array, sparse.csc_matrix):
        selector = CoreSetSelector(8, metric=metric, method=method)
        selector.fit(container(X), labeled=labeled)
        np.testing.assert_array_equal(selector.indices_, dense.indices_)
        np.testing.assert_allclose(selector.scores_, dense.scores_, rtol=1e-6)
        assert selector.covering_radius_ == pytest.approx(dense.covering_radius_, rel=1e-6)


# Robust


@settings(max_examples=100)
@given(
    problem=tiny_problems(),
    metric=metrics,
    outlier_fraction=st.sampled_from([0.0, 1e-4, 0.15, 0.4]),
)
def test_robust_method_reaches_the_optimum(problem, metric, outlier_fraction):
    n_outliers = int(outlier_fraction * len(problem.X))
    selector = CoreSetSelector(
        problem.budget, method="robust", metric=metric, outlier_fraction=outlier_fraction
    )
    fit(selector, problem.X, problem.labeled)
    Z = points(problem.X, metric)
    distances = pairwise_distances(Z)
    candidates = center_candidates(problem.X, metric, problem.positions, problem.budget)
    optimum = smallest_radius(distances, candidates, problem.positions, problem.budget, n_outliers)
    centers = problem.positions + list(selector.indices_)
    assert set(selector.indices_) <= set(candidates) or len(candidates) < problem.budget
    assert radius(distances, centers, n_outliers) == pytest.approx(optimum, abs=1e-7)
    assert selector.covering_radius_ == pytest.approx(optimum, abs=1e-7)
    assert len(selector.outliers_) <= n_outliers
    nearest = distances[:, centers].min(1)
    np.testing.assert_array_equal(
        selector.outliers_, np.flatnonzero(nearest > selector.covering_radius_ + 1e-7)
    )


@settings(max_examples=40)
@given(
    X=hnp.arrays(np.float64, (12, 2), elements=st.integers(-6, 6).map(float)),
    budget=st.integers(1, 4),
    n_outliers=st.integers(0, 3),
)
def test_robust_method_on_grids(X, budget, n_outliers):
    selector = CoreSetSelector(budget, method="robust", outlier_fraction=(n_outliers + 0.5) / 12)
    selector.fit(X)
    optimum = smallest_radius(pairwise_distances(X), range(12), [], budget, n_outliers)
    assert selector.covering_radius_ == pytest.approx(optimum)


def test_robust_beats_greedy_and_orders_its_centers():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(60, 2))
    greedy = CoreSetSelector(6).fit(X)
    robust = CoreSetSelector(6, method="robust", outlier_fraction=0).fit(X)
    assert greedy.covering_radius_ / 2 <= robust.covering_radius_ < greedy.covering_radius_
    assert robust.covering_radius_ == robust.radius_curve_[-1]
    # The order among the chosen is the greedy one: each is the farthest from those before it.
    distances = pairwise_distances(X)
    for t in range(1, 6):
        left, before = robust.indices_[t:], robust.indices_[:t]
        nearest = distances[np.ix_(left, before)].min(1)
        assert nearest.argmax() == 0
        assert robust.scores_[t] == pytest.approx(nearest[0])


def test_outliers_are_left_aside():
    X = np.concatenate([np.arange(10.0), [100.0, -80.0]])[:, None]
    selector = CoreSetSelector(2, method="robust", outlier_fraction=0.2).fit(X)
    assert selector.covering_radius_ == 2.0
    np.testing.assert_array_equal(selector.outliers_, [10, 11])
    assert selector.radius_curve_[-1] > 80
    assert CoreSetSelector(2, method="robust", outlier_fraction=0.1).fit(X).outliers_.size == 1


def test_rows_without_direction_are_no_centers_while_others_are_left():
    X = np.vstack([np.zeros((3, 2)), np.random.default_rng(8).normal(size=(9, 2))])
    with pytest.warns(ZeroNormWarning, match="3 of 12 rows") as caught:
        selector = CoreSetSelector(5, method="robust", metric="cosine").fit(X)
    assert len(caught) == 1
    assert min(selector.indices_) >= 3


def grid(k):
    return np.stack(np.meshgrid(np.arange(k), np.arange(k)), axis=-1).reshape(-1, 2) / 1.0


@pytest.mark.parametrize("node_limit", [1, 3])
@pytest.mark.parametrize(
    "X, budget",
    [(grid(7), 11), (grid(6), 9), (np.random.default_rng(0).normal(size=(45, 3)), 7)],
    ids=["grid7", "grid6", "normal"],
)
def test_a_small_node_limit_is_never_a_wrong_claim(X, budget, node_limit):
    """Either the optimum, or a warning and a radius that the picks do achieve."""
    params = {"method": "robust", "outlier_fraction": 0.05}
    exact = CoreSetSelector(budget, **params).fit(X)
    hasty = CoreSetSelector(budget, node_limit=node_limit, **params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hasty.fit(X)
    distances = pairwise_distances(X)
    n_outliers = int(0.05 * len(X))
    assert hasty.covering_radius_ == pytest.approx(radius(distances, hasty.indices_, n_outliers))
    if not caught:
        assert hasty.covering_radius_ == pytest.approx(exact.covering_radius_)
    for warning in caught:
        assert issubclass(warning.category, ConvergenceWarning)
        assert f"node_limit == {node_limit}" in str(warning.message)
    assert len(caught) <= 1


def test_an_exhausted_search_keeps_the_greedy_centers_and_says_so(monkeypatch):
    def give_up(*args, **kwargs):
        return SimpleNamespace(x=None, status=1)

    monkeypatch.setattr("skactive.selection._robust_k_center.milp", give_up)
    X = np.random.default_rng(10).normal(size=(20, 2))
    greedy = CoreSetSelector(4).fit(X)
    selector = CoreSetSelector(4, method="robust", outlier_fraction=0, node_limit=7)
    with pytest.warns(ConvergenceWarning, match=r"node_limit == 7 .*Raise node_limit") as caught:
        selector.fit(X)
    assert len(caught) == 1
    np.testing.assert_array_equal(selector.indices_, greedy.indices_)
    assert selector.covering_radius_ == greedy.covering_radius_


def test_too_many_pairs_are_refused():
    X = np.random.default_rng(9).normal(size=(400, 2))  # 1.2 MiB of distances
    selector = CoreSetSelector(3, method="robust")
    with (
        sklearn.config_context(working_memory=1),
        pytest.raises(ValueError, match=r"'robust'.*400 rows.*1 MiB.*method='greedy'.*set_config"),
    ):
        selector.fit(X)
    assert not [name for name in vars(selector) if name.endswith("_")]
    with sklearn.config_context(working_memory=1):
        assert len(selector.set_params(method="greedy").fit(X).indices_) == 3


@pytest.mark.parametrize("offset", [1e6, 1e7])
def test_a_pool_far_from_zero(offset):
    """Rows are rounded before they are shifted, which the bounds have to allow for."""
    X = np.random.default_rng(0).standard_normal((6_000, 64)) + offset
    selector = CoreSetSelector(300).fit(X, labeled=[0])
    nearest = np.linalg.norm(X - X[0], axis=1)
    for pick, score in zip(selector.indices_, selector.scores_, strict=True):
        assert pick == nearest.argmax()
        assert score == pytest.approx(nearest.max(), rel=1e-9)
        nearest = np.minimum(nearest, np.linalg.norm(X - X[pick], axis=1))
