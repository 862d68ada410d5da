"""Coverage by balls of one radius, against all pairwise distances."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from skactive import ProbCoverSelector
from skactive._kmeans import k_means
from skactive._rows import Rows
from skactive.exceptions import ZeroNormWarning
from skactive.selection import _ball_graph, _pair_sweep
from skactive.selection._ball_graph import BallGraph
from skactive.selection._pair_sweep import PairSweep
from skactive.selection._pure_radius import pure_radius
from tests.reference.coreset import pairwise_distances, unit
from tests.reference.probcover import (
    balls,
    largest_pure_radius,
    max_coverage,
    share_of_pure_balls,
)
from tests.strategies import pools, problems

METRICS = ["cosine", "euclidean"]
CPU = torch.device("cpu")


def compared(X, metric):
    """The rows between which distances are Euclidean."""
    X = X.astype(np.float64)
    return unit(X) if metric == "cosine" else X


def fit(selector, X, **fit_params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, **fit_params)


def clustered(n, d, n_clusters=5, seed=0, spread=0.5):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_clusters, n)
    return rng.normal(size=(n_clusters, d))[labels] + spread * rng.normal(size=(n, d)), labels


# Picks


@settings(max_examples=200)
@given(
    problem=problems(),
    metric=st.sampled_from(METRICS),
    radius=st.sampled_from([1e-3, 0.5, 1.0, 2**0.5, 2.0, 3.0, 1e3]),
)
def test_picks_equal_brute_force(problem, metric, radius):
    """Among the radii are distances between the rows of a grid, which balls do not reach."""
    Z = compared(problem.X, metric)
    selector = ProbCoverSelector(problem.budget, radius=radius, metric=metric)
    fit(selector, problem.X, labeled=problem.labeled)
    near = balls(pairwise_distances(Z), radius)
    last = np.flatnonzero(~Z.any(1)) if metric == "cosine" else ()
    picks, scores, coverage = max_coverage(near, problem.positions, problem.budget, last)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_array_equal(selector.scores_, scores)
    np.testing.assert_allclose(selector.coverage_, coverage, rtol=1e-12)
    assert selector.radius_ == radius


@pytest.mark.parametrize("metric", METRICS)
def test_picks_go_on_after_all_rows_are_covered(metric):
    X, _ = clustered(120, 4)
    selector = ProbCoverSelector(120, radius=0.8, metric=metric).fit(X)
    near = balls(pairwise_distances(compared(X, metric)), 0.8)
    picks, scores, coverage = max_coverage(near, [], 120)
    np.testing.assert_array_equal(selector.indices_, picks)
    np.testing.assert_array_equal(selector.scores_, scores)
    assert sorted(picks) == list(range(120))
    full = int((coverage == 1).argmax())
    assert full < 100  # so that there is something to go on with
    assert (np.diff(selector.scores_[: full + 1]) <= 0).all()
    assert selector.coverage_[full - 1] < 1 == selector.coverage_[full]
    assert selector.scores_[: full + 1].sum() == 120


def test_rows_covered_least_often_come_next():
    X = np.array([[0.0], [0.1], [5.0], [5.1], [5.2]])
    selector = ProbCoverSelector(2, radius=1.0, metric="euclidean").fit(X, labeled=[1, 2, 3])
    # All are covered: the first two rows once, the others twice.
    np.testing.assert_array_equal(selector.indices_, [0, 4])
    np.testing.assert_array_equal(selector.scores_, [2, 3])
    np.testing.assert_array_equal(selector.coverage_, [1, 1])


def test_scikit_activeml_gains_the_same():
    pool = pytest.importorskip("skactiveml.pool", reason="`make bench` installs it")
    X, _ = clustered(200, 6)
    radius, labeled = 0.9, [5, 17]
    selector = ProbCoverSelector(12, radius=radius, metric="euclidean").fit(X, labeled=labeled)
    peer = pool.ProbCover(deltas=[radius], n_classes=2, random_state=0)
    for pick, score in zip(selector.indices_, selector.scores_, strict=True):
        y = np.full(len(X), np.nan)
        y[labeled] = 0
        _, utilities = peer.query(X, y, return_utilities=True)
        assert utilities[0][pick] == np.nanmax(utilities[0]) == score  # it draws among ties
        labeled = [*labeled, pick]


# The graph


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_graph_of_many_rows(metric, dtype, offset):
    """More rows than are compared at once, far from 0, and with a radius amid the distances."""
    X, _ = clustered(700, 10)
    X = (X + offset).astype(dtype)
    distances = pairwise_distances(compared(X, metric))
    radius = float(np.quantile(distances, 0.1))
    rows = Rows(X, CPU)
    graph = BallGraph(PairSweep(rows.unit() if metric == "cosine" else rows), radius)
    near = balls(distances, radius)
    np.testing.assert_array_equal(graph.degrees(), near.sum(1))
    for row in range(700):
        np.testing.assert_array_equal(graph.neighbours(row), np.flatnonzero(near[row]))
    for some in (np.arange(0, 700, 3), np.arange(650), np.arange(700), np.arange(0)):
        np.testing.assert_array_equal(graph.count(some), near[:, some].sum(1))


def test_rows_at_the_radius_are_outside():
    X = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 5.0], [0.0, 4.9]]) + 0.1
    graph = BallGraph(PairSweep(Rows(X, CPU)), 5.0)
    np.testing.assert_array_equal(graph.neighbours(0), [0, 3])
    alone = BallGraph(PairSweep(Rows(np.ones((3, 2)), CPU)), 0.0)
    np.testing.assert_array_equal(alone.degrees(), [1, 1, 1])


def test_sparse_rows():
    X, _ = clustered(90, 5)
    X[np.abs(X) < 0.5] = 0
    for metric in METRICS:
        expected = fit(ProbCoverSelector(8, metric=metric, random_state=0), X)
        same = fit(ProbCoverSelector(8, metric=metric, random_state=0), sparse.csr_matrix(X))
        np.testing.assert_array_equal(same.indices_, expected.indices_)
        assert same.radius_ == pytest.approx(expected.radius_, rel=1e-9)


def test_graph_too_large_is_refused(monkeypatch):
    def refuse(needed, device, what, remedy):
        raise MemoryError(f"{needed:.0f} {what} {remedy}")

    X, _ = clustered(600, 3)
    monkeypatch.setattr(_ball_graph, "check_memory", refuse)
    with pytest.raises(
        MemoryError, match="600 rows have about 600 neighbours each.*purity"
    ) as info:
        ProbCoverSelector(2, radius=3.0).fit(X)
    assert float(str(info.value).split()[0]) >= 4 * 600**2


# The radius


@settings(max_examples=150)
@given(
    X=pools(),
    metric=st.sampled_from(METRICS),
    purity=st.sampled_from([0.05, 0.5, 0.8, 0.95, 1.0]),
    data=st.data(),
)
def test_radius_equals_brute_force(X, metric, purity, data):
    n = len(X)
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    centers = data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True))
    centers = np.sort(centers)
    rows = Rows(X, CPU)
    sweep = PairSweep(rows.unit() if metric == "cosine" else rows)
    radius = pure_radius(sweep, torch.as_tensor(labels), purity, centers)
    distances = pairwise_distances(compared(X, metric)).round(12)
    expected = largest_pure_radius(distances, labels, purity, centers)
    assert radius == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_radius_of_many_rows(metric, dtype, monkeypatch):
    monkeypatch.setattr(_pair_sweep, "BLOCK_ROWS", 50)
    X, labels = clustered(400, 8)
    X = (X + 100).astype(dtype)
    distances = pairwise_distances(compared(X, metric))
    rows = Rows(X, CPU)
    sweep = PairSweep(rows.unit() if metric == "cosine" else rows)
    for purity in (0.3, 0.95):
        radius = pure_radius(sweep, torch.as_tensor(labels), purity, np.arange(400))
        expected = largest_pure_radius(distances, labels, purity, range(400))
        assert radius == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_auto_radius_comes_from_the_clusters(metric):
    X, _ = clustered(150, 6)
    selector = ProbCoverSelector(5, metric=metric, n_clusters=5, random_state=0).fit(X)
    rows = Rows(X, CPU)
    clusters = k_means(
        rows.unit() if metric == "cosine" else rows, 5, random_state=np.random.RandomState(0)
    )
    labels = clusters.assignment.numpy()
    distances = pairwise_distances(compared(X, metric))
    expected = largest_pure_radius(distances, labels, 0.95, range(150))
    assert selector.radius_ == pytest.approx(expected, rel=1e-9)
    fixed = ProbCoverSelector(5, metric=metric, radius=selector.radius_).fit(X)
    np.testing.assert_array_equal(fixed.indices_, selector.indices_)
    smaller = ProbCoverSelector(5, metric=metric, n_clusters=5, purity=1.0, random_state=0).fit(X)
    assert smaller.radius_ < selector.radius_


def test_reference_rows_estimate_the_purity():
    X, _ = clustered(400, 4)
    exact = ProbCoverSelector(5, n_clusters=5, random_state=0).fit(X)
    radii = set()
    for n_reference in (100, 399):
        params = {"n_clusters": 5, "n_reference": n_reference, "random_state": 0}
        selector = ProbCoverSelector(5, **params).fit(X)
        again = ProbCoverSelector(5, **params).fit(X)
        assert again.radius_ == selector.radius_
        radii.add(selector.radius_)
        labels = k_means(
            Rows(X, CPU).unit(), 5, random_state=np.random.RandomState(0)
        ).assignment.numpy()
        distances = pairwise_distances(unit(X))
        share = share_of_pure_balls(distances, labels, selector.radius_, range(400))
        assert share == pytest.approx(0.95, abs=0.08)
    assert len(radii | {exact.radius_}) > 1
    whole = ProbCoverSelector(5, n_clusters=5, n_reference=400, random_state=0).fit(X)
    assert whole.radius_ == exact.radius_


def test_one_cluster_has_balls_without_limit():
    X = np.tile([1.0, 2.0], (6, 1))
    selector = ProbCoverSelector(2, random_state=0).fit(X)
    assert selector.radius_ == math.inf
    np.testing.assert_array_equal(selector.indices_, [0, 1])
    np.testing.assert_array_equal(selector.coverage_, [1, 1])
    assert ProbCoverSelector(1, n_clusters=1).fit(clustered(20, 2)[0]).radius_ == math.inf


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"radius": 0}, ValueError),
        ({"radius": -1.0}, ValueError),
        ({"radius": "big"}, ValueError),
        ({"radius": "1.0"}, ValueError),
        ({"radius": None}, TypeError),
        ({"radius": True}, TypeError),
        ({"radius": math.nan}, ValueError),
        ({"purity": 0}, ValueError),
        ({"purity": 1.5}, ValueError),
        ({"n_clusters": 0}, ValueError),
        ({"n_clusters": 2.5}, TypeError),
        ({"n_reference": 0}, ValueError),
        ({"metric": "l1"}, ValueError),
    ],
)
def test_bad_parameters(params, error):
    with pytest.raises(error, match=next(iter(params))):
        ProbCoverSelector(2, **params).fit(np.eye(4))


def test_text_as_radius_is_told_that_numbers_are_allowed():
    with pytest.raises(ValueError, match="'1.0', must be 'auto' or a finite number"):
        ProbCoverSelector(2, radius="1.0").fit(np.eye(4))
