"""k-means, k-means++ and the selector built on them, against plain NumPy."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skactive import KMeansSelector
from skactive._kmeans import k_means, k_means_plus_plus
from skactive._nearest_rows import nearest_rows
from skactive._points import Points, RowPoints
from skactive._rows import Rows
from skactive.exceptions import ZeroNormWarning
from tests.reference import kmeans as reference
from tests.strategies import pools, problems

CPU = torch.device("cpu")


def rows_of(X):
    return Rows(np.asarray(X), CPU)


def blobs(n=400, d=8, k=12, seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, d))[rng.integers(k, size=n)] + spread * rng.normal(size=(n, d))


def all_of(n):
    return torch.ones(n, dtype=torch.bool)


# Lloyd's iteration


def check_lloyd(X, start, fixed=(), weights=None, max_iter=300):
    centers, assignment, inertia, n_iter = reference.lloyd(
        X.astype(np.float64), start.astype(np.float64), fixed, weights, max_iter
    )
    clusters = k_means(
        rows_of(X),
        len(start),
        random_state=np.random.RandomState(0),
        max_iter=max_iter,
        start=torch.from_numpy(start).double(),
        fixed=np.array(fixed, dtype=np.int64),
        weights=None if weights is None else torch.from_numpy(weights),
    )
    scale = max(1.0, float(np.abs(X).max()))
    np.testing.assert_array_equal(clusters.assignment.numpy(), assignment)
    np.testing.assert_allclose(clusters.centers.numpy(), centers, rtol=1e-9, atol=1e-11 * scale)
    np.testing.assert_allclose(clusters.inertia, inertia, rtol=1e-9, atol=1e-20 * scale**2)
    assert clusters.n_iter == n_iter
    return clusters


@settings(max_examples=150)
@given(X=pools(min_rows=2, max_rows=25), data=st.data())
def test_lloyd_equals_plain_numpy(X, data):
    positions = st.integers(0, len(X) - 1)
    starts = data.draw(st.lists(positions, min_size=1, max_size=8), label="starts")
    fixed = data.draw(st.lists(positions, unique=True, max_size=4), label="fixed")
    weights = None
    if data.draw(st.booleans(), label="weighted"):
        weights = data.draw(
            st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=len(X), max_size=len(X))
        )
    max_iter = data.draw(st.sampled_from([1, 2, 300]), label="max_iter")
    weights = None if weights is None else np.array(weights)
    check_lloyd(X, X[starts], fixed, weights, max_iter)


@pytest.mark.parametrize("offset", [0.0, 1e4, -3e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_lloyd_with_bounds_equals_plain_numpy(seed, dtype, offset):
    """Large enough for bounds to skip rows, far from the origin, and with sizes of all kinds."""
    rng = np.random.default_rng(seed)
    scales = np.array([1e-3, 1.0, 1.0, 30.0])[rng.integers(4, size=(500, 1))]
    X = (blobs(500, seed=seed, spread=0.5) * scales + offset).astype(dtype)
    check_lloyd(X, X[rng.choice(500, 20, replace=False)], fixed=[3, 4])


@pytest.mark.parametrize("seed", range(4))
def test_the_end_is_found_far_from_zero(seed):
    """Where squared norms have no digit of the variance of the features."""
    X = 0.03 * blobs(400, seed=seed, spread=1.0) + 1e8
    check_lloyd(X, X[:8])


def test_copies_far_from_zero_do_not_depend_on_chunks():
    """More clusters than distinct rows, so that centers tie but for the rounding of sums."""
    for seed in range(6):
        X = 1e7 + 0.1 * np.random.default_rng(seed).integers(4, size=(700, 2))
        selector = KMeansSelector(18, random_state=0)
        expected = selector.fit(X).indices_
        for memory in (1e-4, 1e-2):
            with sklearn.config_context(working_memory=memory):
                np.testing.assert_array_equal(selector.fit(X).indices_, expected)


@pytest.mark.parametrize("algorithm", ["lloyd", "elkan"])
@pytest.mark.parametrize("seed", range(3))
def test_lloyd_equals_scikit_learn(seed, algorithm):
    X = blobs(600, seed=seed)
    start = X[np.random.default_rng(seed).choice(600, 25, replace=False)]
    model = KMeans(25, init=start, n_init=1, algorithm=algorithm).fit(X)
    clusters = k_means(
        rows_of(X), 25, random_state=np.random.RandomState(0), start=torch.from_numpy(start)
    )
    np.testing.assert_array_equal(clusters.assignment.numpy(), model.labels_)
    np.testing.assert_allclose(clusters.inertia, model.inertia_, rtol=1e-10)
    np.testing.assert_allclose(clusters.centers.numpy(), model.cluster_centers_, atol=1e-9)
    assert clusters.n_iter == model.n_iter_


def test_clusters_do_not_depend_on_chunks_threads_or_form():
    X = blobs(500).astype(np.float32)
    forms = [X.astype(np.float64), np.asfortranarray(X), torch.from_numpy(X), sparse.csr_matrix(X)]

    def cluster(X):
        return k_means(Rows(X, CPU), 20, random_state=np.random.RandomState(3))

    expected = cluster(X)
    n_threads = torch.get_num_threads()
    found = [cluster(form) for form in forms]
    for memory in (1e-3, 0.02):
        with sklearn.config_context(working_memory=memory):
            found.append(cluster(X))
    try:
        torch.set_num_threads(3)
        found.append(cluster(X))
    finally:
        torch.set_num_threads(n_threads)
    for clusters in found:
        np.testing.assert_array_equal(clusters.assignment, expected.assignment)
        np.testing.assert_allclose(clusters.centers, expected.centers, atol=1e-12)
        assert clusters.n_iter == expected.n_iter


def test_the_best_of_several_starts_is_kept():
    X = blobs(300, d=2, k=9, spread=0.1)
    one = [
        k_means(rows_of(X), 9, random_state=np.random.RandomState(seed)).inertia
        for seed in range(6)
    ]
    many = k_means(rows_of(X), 9, random_state=np.random.RandomState(0), n_init=20).inertia
    assert max(one) > 1.5 * min(one)
    assert many <= min(one) * (1 + 1e-9)


def test_lloyd_never_raises_the_inertia():
    X = blobs(300, spread=1.0)
    start = torch.from_numpy(X[:15])
    inertia = [
        k_means(
            rows_of(X), 15, random_state=np.random.RandomState(0), start=start, max_iter=t
        ).inertia
        for t in range(1, 12)
    ]
    assert (np.diff(inertia) <= 0).all()
    assert inertia[-1] < inertia[0]


# k-means++


@pytest.mark.parametrize(("n_known", "weighted"), [(0, False), (0, True), (2, True)])
def test_draws_have_the_distribution_of_k_means_plus_plus(n_known, weighted):
    """Of the second pick given the first, and of the third given both; by a chi-squared test."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 2)) * [[1.0], [3.0], [1.0], [0.5], [1.0], [2.0], [0.0]]
    weights = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 1.0]) if weighted else np.ones(7)
    known = np.arange(n_known)
    candidates = np.arange(n_known, 7)
    random_state = np.random.RandomState(1)
    mask = torch.from_numpy(np.isin(np.arange(7), candidates))
    counts = np.zeros((7, 7, 7))
    n_draws = 1500
    for _ in range(n_draws):
        picks, _ = k_means_plus_plus(
            RowPoints(rows_of(X)),
            3,
            centers=known,
            candidates=mask,
            random_state=random_state,
            weights=torch.from_numpy(weights) if weighted else None,
        )
        counts[tuple(picks)] += 1
    expected = np.zeros_like(counts)

    def chances(before):
        if not len(before):
            return weights / weights.sum()
        left = np.setdiff1d(candidates, before)
        weighted_chances = reference.d_squared_chances(X, before, left) * weights
        return weighted_chances / weighted_chances.sum()

    for i in candidates:
        for j in np.setdiff1d(candidates, i):
            p = chances(known)[i] * chances([*known, i])[j]
            expected[i, j] = n_draws * p * chances([*known, i, j])
    possible = expected > 1
    statistic = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    degrees = possible.sum()
    assert abs(statistic - degrees) < 5 * np.sqrt(2 * degrees)
    assert counts[expected == 0].sum() == 0


@settings(max_examples=100)
@given(problem=problems(), seed=st.integers(0, 100))
def test_scores_are_squared_distances_and_budgets_are_prefixes(problem, seed):
    X = problem.X.astype(np.float64)
    candidates = all_of(len(X))
    candidates[problem.positions] = False

    def draw(n_picks):
        return k_means_plus_plus(
            RowPoints(rows_of(problem.X)),
            n_picks,
            centers=np.array(problem.positions, dtype=np.int64),
            candidates=candidates,
            random_state=np.random.RandomState(seed),
        )

    picks, scores = draw(int(candidates.sum()))
    assert sorted(picks) == np.flatnonzero(candidates).tolist()
    known = list(problem.positions)
    for t, (row, score) in enumerate(zip(picks, scores, strict=True)):
        expected = reference.squares_between(X[[row]], X[known]).min(initial=np.inf)
        np.testing.assert_allclose(score, expected, rtol=1e-10)
        if expected == 0:
            left = candidates.numpy() & ~np.isin(np.arange(len(X)), known)
            others = reference.squares_between(X[left], X[known])
            assert (others.min(1) == 0).all(), f"pick {t} repeats a row while others differ"
        known.append(int(row))
    np.testing.assert_array_equal(draw(problem.budget)[0], picks[: problem.budget])


def test_the_first_pick_may_be_given():
    X = blobs(50)
    picks, scores = k_means_plus_plus(
        RowPoints(rows_of(X)),
        3,
        centers=np.empty(0, dtype=np.int64),
        candidates=all_of(50),
        random_state=np.random.RandomState(0),
        first=17,
    )
    assert picks[0] == 17
    assert scores[0] == np.inf


def test_points_without_shortcuts_draw_the_same():
    """Subclasses need to write squares_from only."""

    class Plain(Points):
        def __init__(self, X):
            self.n_samples, self.device, self._X = len(X), CPU, X

        def squares_from(self, indices):
            return torch.from_numpy(reference.squares_between(self._X, self._X[indices]))

    X = blobs(120)
    keywords = {"centers": np.array([5, 6]), "candidates": all_of(120)}
    keywords["candidates"][[5, 6]] = False
    expected = k_means_plus_plus(
        RowPoints(rows_of(X)), 30, random_state=np.random.RandomState(0), **keywords
    )
    for memory in (1024, 1e-3):
        with sklearn.config_context(working_memory=memory):
            found = k_means_plus_plus(
                Plain(X), 30, random_state=np.random.RandomState(0), **keywords
            )
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize("unit_norm", [False, True])
def test_distances_of_sparse_rows_far_from_zero(offset, unit_norm):
    X = blobs(200, d=30) + offset * np.eye(30)[0]
    X[50:60] = X[:10]
    forms = [rows_of(X), Rows(sparse.csr_matrix(X), CPU)]
    if unit_norm:
        forms = [rows.unit() for rows in forms]
    at = np.arange(40, 70)
    squares, from_sparse = (RowPoints(rows).squares_from(at) for rows in forms)
    rtol = 1e-4 if offset and unit_norm else 1e-11  # the rounding of the units
    np.testing.assert_allclose(from_sparse, squares, rtol=rtol)
    assert (from_sparse[:10, 10:20].diagonal() == 0).all()
    if not unit_norm:
        expected = reference.squares_between(X, X[at])
        np.testing.assert_allclose(from_sparse, expected, rtol=1e-11)


def test_distances_that_overflow_are_refused():
    with pytest.raises(ValueError, match="StandardScaler"):
        KMeansSelector(2, random_state=0).fit(np.array([[9e153], [-9e153], [0.0]]))


# Nearest rows


@settings(max_examples=100)
@given(X=pools(), data=st.data())
def test_nearest_rows_equal_plain_numpy(X, data):
    available = np.array(data.draw(st.lists(st.booleans(), min_size=len(X), max_size=len(X))))
    n_centers = data.draw(st.integers(0, int(available.sum())))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    centers = X[rng.integers(len(X), size=(n_centers, 2))].astype(np.float64).mean(1)
    found = nearest_rows(rows_of(X), torch.from_numpy(centers), torch.from_numpy(available))
    expected = reference.nearest_rows(X.astype(np.float64), centers, available)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_nearest_rows_of_many_centers(offset):
    """More than one block of centers, many of which want the same rows."""
    X = blobs(800) + offset
    centers = np.repeat(X[::20], 15, axis=0)[:600]
    expected = reference.nearest_rows(X, centers, np.ones(800))
    for form in (X, sparse.csr_matrix(X)):
        found = nearest_rows(Rows(form, CPU), torch.from_numpy(centers), all_of(800))
        np.testing.assert_array_equal(found, expected)


# The selector


def fit(selector, X, labeled=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, labeled=labeled)


@settings(max_examples=100)
@given(problem=problems(), metric=st.sampled_from(["euclidean", "cosine"]))
def test_selector_equals_plain_numpy(problem, metric):
    """From the same starts."""
    selector = KMeansSelector(problem.budget, metric=metric, random_state=0)
    fit(selector, problem.X, problem.labeled)
    is_cosine = metric == "cosine"
    rows = rows_of(problem.X).unit() if is_cosine else rows_of(problem.X)
    directed = problem.X.any(1) | (not is_cosine)
    candidates = directed & ~np.isin(np.arange(len(directed)), problem.positions)
    n_clusters = min(problem.budget, int(candidates.sum()))
    picks, sizes, inertia = [], [], 0.0
    if n_clusters:
        starts, _ = k_means_plus_plus(
            RowPoints(rows),
            n_clusters,
            centers=np.array([i for i in problem.positions if directed[i]], dtype=np.int64),
            candidates=torch.from_numpy(candidates),
            random_state=np.random.RandomState(0),
            weights=torch.from_numpy(directed.astype(float)),
        )
        picks, sizes, inertia = reference.pick_by_k_means(
            problem.X.astype(np.float64), starts, problem.positions, metric
        )
    zeros = np.setdiff1d(np.flatnonzero(~directed), problem.positions)
    expected = [*picks, *zeros[: problem.budget - n_clusters]]
    np.testing.assert_array_equal(selector.indices_, expected)
    np.testing.assert_array_equal(selector.scores_[:n_clusters], sizes)
    np.testing.assert_allclose(selector.inertia_, inertia, rtol=1e-9, atol=1e-18)


def test_one_pick_for_each_blob():
    rng = np.random.default_rng(0)
    blob = np.repeat(np.arange(8), [100, 80, 60, 40, 30, 20, 15, 10])
    X = 20 * np.eye(8)[blob] + rng.normal(size=(len(blob), 8))
    selector = KMeansSelector(8, n_init=10, random_state=0).fit(X)
    np.testing.assert_array_equal(blob[selector.indices_], np.arange(8))
    np.testing.assert_array_equal(selector.scores_, np.bincount(blob))
    for b, center in enumerate(selector.centers_):
        np.testing.assert_allclose(center, X[blob == b].mean(0), atol=1e-10)
    labeled = np.flatnonzero(np.isin(blob, [0, 3]))
    rest = KMeansSelector(6, n_init=10, random_state=0).fit(X, labeled=labeled)
    np.testing.assert_array_equal(blob[rest.indices_], [1, 2, 4, 5, 6, 7])


def test_fewer_distinct_rows_than_clusters():
    X = np.repeat([[0.0, 1.0], [2.0, 3.0], [5.0, -1.0]], 4, axis=0)
    for metric in ("euclidean", "cosine"):
        selector = KMeansSelector(9, metric=metric, random_state=0).fit(X, labeled=[1])
        assert len(set(selector.indices_)) == 9
        assert 1 not in selector.indices_
        np.testing.assert_allclose(selector.inertia_, 0.0, atol=1e-25)
    constant = KMeansSelector(4, random_state=0).fit(np.full((6, 2), 0.1))
    np.testing.assert_array_equal(np.sort(constant.scores_), [0, 0, 0, 6])


def test_the_same_centers_as_scikit_learn_from_the_same_starts():
    X = blobs(500, d=5)
    selector = KMeansSelector(12, random_state=0).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(12, init=selector.centers_, n_init=1).fit(X)
    assert model.inertia_ <= selector.inertia_ * (1 + 1e-9)
    assert model.inertia_ >= selector.inertia_ * (1 - 1e-3)


def test_bad_parameters():
    X = blobs(20)
    with pytest.raises(ValueError, match="metric"):
        KMeansSelector(metric="cityblock").fit(X)
    for name in ("n_init", "max_iter"):
        with pytest.raises(ValueError, match=name):
            KMeansSelector(**{name: 0}).fit(X)
