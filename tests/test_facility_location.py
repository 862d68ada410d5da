"""Facility location: the greedy method, against the matrix of all similarities."""

import warnings
from itertools import combinations

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skactive import FacilityLocationSelector
from skactive.exceptions import ZeroNormWarning
from skactive.selection import _active_products, _facility_gains
from skactive.selection._active_products import ActiveProducts
from tests.reference.facility_location import (
    greedy_facility_location,
    objective,
    similarities,
)
from tests.strategies import problems

METRICS = ["cosine", "euclidean"]


def fit(selector, X, **fit_params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, **fit_params)


def clustered(n, d, n_clusters=10, seed=0, spread=0.7):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_clusters, d))
    return centers[rng.integers(0, n_clusters, n)] + spread * rng.normal(size=(n, d))


@settings(max_examples=150)
@given(problem=problems(targets=True), metric=st.sampled_from(METRICS), directed=st.booleans())
def test_greedy_equals_brute_force(problem, metric, directed):
    X = problem.X.astype(np.float64)
    targets = problem.target_rows if directed else X
    selector = FacilityLocationSelector(problem.budget, metric=metric)
    fit(
        selector,
        problem.X,
        labeled=problem.labeled,
        X_target=problem.X_target if directed else None,
    )
    sim = similarities(X, targets, metric)
    last = np.flatnonzero(~X.any(1)) if metric == "cosine" else ()
    picks, scores = greedy_facility_location(sim, problem.positions, problem.budget, last)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-9, atol=1e-9)
    curve = [objective(sim, [*problem.positions, *picks[: t + 1]]) for t in range(len(picks))]
    np.testing.assert_allclose(selector.objective_curve_, curve, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("metric", "offset"),
    [("cosine", 0.0), ("cosine", 10.0), ("euclidean", 0.0), ("euclidean", 1e4)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_labeled", [0, 300])
def test_larger_pools(metric, dtype, offset, n_labeled):
    """Many batches of bounds, float32 far from 0, and more labeled rows than are swept at once."""
    X = (clustered(900, 12) + offset).astype(dtype)
    labeled = np.arange(900)[::-1][:n_labeled]
    selector = FacilityLocationSelector(60, metric=metric).fit(X, labeled=labeled)
    sim = similarities(X.astype(np.float64), X.astype(np.float64), metric)
    picks, scores = greedy_facility_location(sim, labeled, 60)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_allclose(selector.scores_, scores, rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_rows_far_apart_in_size(metric):
    X = clustered(400, 6) * np.geomspace(1e-3, 1e3, 400)[:, None]
    sim = similarities(X, X, metric)
    picks, _ = greedy_facility_location(sim, [], 30)
    expected = [objective(sim, picks[: t + 1]) for t in range(30)]
    selector = FacilityLocationSelector(30, metric=metric).fit(X)
    np.testing.assert_allclose(selector.objective_curve_, expected, rtol=1e-11)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("working_memory", [0.0, 1e-3, 0.03, 0.2, 1024])
def test_picks_do_not_depend_on_what_is_listed(metric, working_memory, monkeypatch):
    """No lists, a few that take each other's place, or all of them."""
    X = clustered(200, 10)
    picks, scores = greedy_facility_location(similarities(X, X, metric), [], 60)
    monkeypatch.setattr(_facility_gains, "_DECIDED_ROWS", 2)
    monkeypatch.setattr(_facility_gains, "_SWEPT_ROWS", 7)
    monkeypatch.setattr(_facility_gains, "_EXACT_ENTRIES", 64)
    monkeypatch.setattr(_active_products, "_PIECE_ENTRIES", 50)
    with sklearn.config_context(working_memory=working_memory):
        selector = FacilityLocationSelector(60, metric=metric).fit(X)
    np.testing.assert_array_equal(selector.indices_[:40], picks[:40])
    np.testing.assert_allclose(selector.scores_[:40], scores[:40], rtol=1e-9)


def test_lists_keep_what_still_exceeds_the_limits():
    """Of the rows with the largest bounds, through all moves that make room."""
    rng = np.random.default_rng(0)
    n, m = 60, 40
    products = rng.random((n, m))
    with sklearn.config_context(working_memory=12 * 600 / 2**20):  # 600 entries
        lists = ActiveProducts(n, m, torch.float64, torch.device("cpu"))
    limits = np.full(m, 0.5)
    listed = set()
    n_evicted = 0
    for start in range(0, n, 6):
        rows = torch.arange(start, start + 6)
        inside = products[rows] > limits
        parts = []
        for half in (np.arange(25), np.arange(25, m)):
            owners, columns = inside[:, half].nonzero()
            targets = half[columns]
            parts.append(
                (
                    torch.as_tensor(targets, dtype=torch.int32),
                    torch.as_tensor(products[rows][owners, targets]),
                )
            )
        counts = torch.as_tensor(np.stack([inside[:, :25].sum(1), inside[:, 25:].sum(1)]))
        lists.keep(rows, counts, parts, -torch.arange(n, dtype=torch.float64))
        listed |= set(rows.tolist())
        now = set(np.flatnonzero(lists.lengths.numpy() >= 0).tolist())
        assert set(rows.tolist()) <= now <= listed
        n_evicted += len(listed - now)
        assert lists.lengths.clamp(min=0).sum() <= lists.capacity
        limits += rng.random(m) * 0.05
        some = torch.tensor(sorted(now))
        sums = lists.excesses(some, torch.as_tensor(limits))
        expected = np.maximum(0, products - limits).sum(1)[some]
        np.testing.assert_allclose(sums, expected, rtol=1e-12)
        for row in some:
            rest = np.flatnonzero(products[row] > limits)
            assert set(rest) <= set(lists.targets(row[None]).tolist())
    assert n_evicted > 0


@settings(max_examples=60)
@given(problem=problems(min_rows=3, max_rows=9, max_features=3), metric=st.sampled_from(METRICS))
def test_greedy_reaches_its_share_of_the_optimum(problem, metric):
    X = problem.X.astype(np.float64)
    sim = similarities(X, X, metric)
    free = [i for i in range(len(X)) if i not in problem.positions]
    value = fit(
        FacilityLocationSelector(problem.budget, metric=metric), X, labeled=problem.labeled
    ).objective_curve_[-1]
    start = objective(sim, problem.positions)
    best = max(
        objective(sim, [*problem.positions, *subset])
        for subset in combinations(free, problem.budget)
    )
    assert value - start >= (1 - 1 / np.e) * (best - start) - 1e-6
    assert value <= best + 1e-6


def test_euclidean_shortfall_is_the_cost_of_k_medoids():
    X = clustered(80, 3)
    selector = FacilityLocationSelector(20, metric="euclidean").fit(X)
    squares = ((X[:, None] - X[None]) ** 2).sum(-1)
    cost = [squares[:, selector.indices_[: t + 1]].min(1).sum() for t in range(20)]
    np.testing.assert_allclose(-np.diff(cost), selector.scores_[1:], rtol=1e-9)
    assert selector.indices_[0] == squares.sum(0).argmin()


def test_outliers_wait():
    X = np.vstack([clustered(50, 2, n_clusters=3, spread=0.1), [[100.0, 0.0]]])
    assert 50 not in FacilityLocationSelector(3, metric="cosine").fit(X).indices_
    near = np.vstack([clustered(50, 2, n_clusters=3, spread=0.1), [[3.0, 0.0]]])
    assert FacilityLocationSelector(1, metric="euclidean").fit(near).indices_[0] != 50


def test_targets_draw_the_picks():
    X = np.vstack([clustered(40, 3, seed=1), clustered(40, 3, seed=2) + 20])
    picks = FacilityLocationSelector(5, metric="euclidean").fit(X, X_target=X[40:] + 0.1).indices_
    assert (picks >= 40).all()
    same = FacilityLocationSelector(5).fit(X, X_target=X).indices_
    np.testing.assert_array_equal(same, FacilityLocationSelector(5).fit(X).indices_)


@pytest.mark.parametrize("metric", METRICS)
def test_forms_of_targets(metric):
    X, targets = clustered(60, 5), clustered(20, 5, seed=3)
    expected = FacilityLocationSelector(8, metric=metric).fit(X, X_target=targets)
    for pool, aims in [
        (sparse.csr_matrix(X), sparse.csr_matrix(targets)),
        (torch.tensor(X), torch.tensor(targets)),
        (X, targets.tolist()),
    ]:
        same = FacilityLocationSelector(8, metric=metric).fit(pool, X_target=aims)
        np.testing.assert_array_equal(same.indices_, expected.indices_)
        np.testing.assert_allclose(same.scores_, expected.scores_, rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_go_to_the_lowest_number(metric):
    X = np.repeat(clustered(70, 4), 3, axis=0)
    first = FacilityLocationSelector(30, metric=metric).fit(X).indices_
    assert (first % 3 == 0).all()
    constant = np.ones((20, 3))
    picks = FacilityLocationSelector(4, metric=metric).fit(constant)
    np.testing.assert_array_equal(picks.indices_, np.arange(4))
    np.testing.assert_allclose(picks.scores_[1:], 0.0, atol=1e-12)


def test_huge_and_tiny_numbers():
    """Norms beyond float32: products are then float64."""
    X = clustered(50, 4)
    for metric in METRICS:
        expected = FacilityLocationSelector(10, metric=metric).fit(X).indices_
        for factor in (2.0**100, 2.0**-100):
            picks = FacilityLocationSelector(10, metric=metric).fit(X * factor).indices_
            np.testing.assert_array_equal(picks, expected)


@pytest.mark.parametrize("metric", ["dot", None, 1])
def test_bad_metric(metric):
    with pytest.raises(ValueError, match="metric"):
        FacilityLocationSelector(2, metric=metric).fit(np.eye(3))


@pytest.mark.parametrize("metric", METRICS)
def test_apricot_picks_the_same_rows(metric):
    apricot = pytest.importorskip("apricot", reason="`make bench` installs it")
    X = clustered(300, 20)
    search = apricot.FacilityLocationSelection(
        40, metric="precomputed", optimizer="lazy", verbose=False
    ).fit(similarities(X, X, metric))
    selector = FacilityLocationSelector(40, metric=metric).fit(X)
    # Later on two rows that stand only for each other tie, and rounding decides in apricot.
    np.testing.assert_array_equal(selector.indices_[:25], search.ranking[:25])
    np.testing.assert_allclose(selector.scores_, search.gains, rtol=1e-6)
