"""TypiClust: picks against brute force for the clusters that were found."""

import warnings

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from skactive import TypiClustSelector
from skactive._fast_squares import FastSquares
from skactive._rows import Rows
from skactive.exceptions import ZeroNormWarning
from skactive.selection._typicality import TypicalRows
from tests.reference.coreset import pairwise_distances, unit
from tests.reference.kmeans import first_ties, squares_between
from tests.reference.typiclust import mean_distances, typiclust
from tests.strategies import problems


def fit(selector, X, labeled=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZeroNormWarning)
        return selector.fit(X, labeled=labeled)


@settings(max_examples=100)
@given(
    problem=problems(),
    metric=st.sampled_from(["euclidean", "cosine"]),
    n_neighbors=st.sampled_from([1, 3, 20]),
    min_cluster_size=st.sampled_from([1, 3, 5]),
    max_clusters=st.sampled_from([1, 3, 500]),
)
def test_equals_brute_force(problem, metric, n_neighbors, min_cluster_size, max_clusters):
    X = problem.X.astype(np.float64)
    Z = unit(X) if metric == "cosine" else X
    if metric == "cosine":  # rows that differ in length alone tie up to rounding
        distances = pairwise_distances(Z)
        assume(not ((distances > 0) & (distances < 1e-6)).any())
    selector = TypiClustSelector(
        problem.budget,
        metric=metric,
        n_neighbors=n_neighbors,
        min_cluster_size=min_cluster_size,
        max_clusters=max_clusters,
        random_state=0,
    )
    fit(selector, problem.X, problem.labeled)
    clusters = selector.cluster_labels_
    picks, scores = typiclust(
        Z, clusters, problem.positions, problem.budget, n_neighbors, min_cluster_size
    )
    zeros = np.setdiff1d(np.flatnonzero(clusters < 0), problem.positions)
    n_zeros = problem.budget - len(picks)
    np.testing.assert_array_equal(selector.indices_, [*picks, *zeros[:n_zeros]])
    np.testing.assert_allclose(selector.scores_, [*scores, *[0.0] * n_zeros], rtol=1e-9)
    # The clusters are those of k-means.
    directed = Z.any(1) if metric == "cosine" else np.ones(len(Z), dtype=bool)
    np.testing.assert_array_equal(clusters < 0, ~directed)
    n_clusters = min(len(problem.positions) + problem.budget, max_clusters, int(directed.sum()))
    assert len(selector.centers_) == n_clusters
    if n_clusters:
        nearest = first_ties(squares_between(Z, selector.centers_), 1e-24 * (Z**2).sum(1).max())
        np.testing.assert_array_equal(clusters[directed], nearest[directed])


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_typical_rows_of_one_large_cluster(dtype, offset):
    """Blocks on both sides, rows far from the origin, copies among the neighbours."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(900, 5)) * rng.exponential(size=(900, 1)) + offset).astype(dtype)
    X[700:730] = X[:30]
    X[800:808] = X[800]
    members = np.setdiff1d(np.arange(900), np.arange(0, 900, 7))
    available = rng.random(900) < 0.8
    means = mean_distances(X.astype(np.float64), members, 6)
    rounding = 1e-12 * np.linalg.norm(X - X.mean(0), axis=1).max()
    expected, left = [], available[members].copy()
    for _ in range(60):
        limit = means[left].min() * (1 + 1e-9) + rounding
        at = np.flatnonzero(left & (means <= limit))[0]
        left[at] = False
        expected.append(members[at])
    for form in (X, torch.from_numpy(X), sparse.csr_matrix(X)):
        for memory in (1024, 0.05):
            with sklearn.config_context(working_memory=memory):
                typical = TypicalRows(
                    FastSquares(Rows(form, torch.device("cpu"))),
                    torch.from_numpy(members),
                    available,
                    6,
                )
                found = [typical.take() for _ in range(60)]
            assert [row for row, _ in found] == expected
    by_row = dict(zip(members, means, strict=True))
    for row, distance in found:
        np.testing.assert_allclose(distance, by_row[row], rtol=1e-9, atol=rounding)


def three_blobs():
    """A large loose one, a small tight one, and a few rows far away."""
    rng = np.random.default_rng(0)
    return np.vstack(
        [
            rng.normal(size=(100, 2)),
            [50.0, 0.0] + 0.5 * rng.normal(size=(30, 2)),
            [0.0, 200.0] + 0.1 * rng.normal(size=(4, 2)),
        ]
    )


def test_largest_clusters_first_and_small_ones_last():
    blob = np.repeat([0, 1, 2], [100, 30, 4])
    X = three_blobs()
    selector = TypiClustSelector(3, max_clusters=3, random_state=1).fit(X)
    np.testing.assert_array_equal(np.unique(selector.cluster_labels_[:100]).size, 1)
    np.testing.assert_array_equal(blob[selector.indices_], [0, 1, 0])
    selector.set_params(min_cluster_size=4).fit(X)
    np.testing.assert_array_equal(blob[selector.indices_], [0, 1, 2])
    selector.set_params(min_cluster_size=5, budget=134).fit(X)
    np.testing.assert_array_equal(blob[selector.indices_[-4:]], 2)
    selector.set_params(budget=2).fit(X, labeled=[5])
    np.testing.assert_array_equal(blob[selector.indices_], [1, 0])


def test_the_pick_is_typical():
    X = three_blobs()
    selector = TypiClustSelector(2, max_clusters=2, random_state=0).fit(X[:130])
    np.testing.assert_array_less(np.linalg.norm(X[selector.indices_[0]]), 0.5)
    np.testing.assert_array_less(np.linalg.norm(X[selector.indices_[1]] - [50, 0]), 0.4)


def test_copies_have_infinite_typicality():
    X = np.vstack([np.full((30, 2), 0.1), np.random.default_rng(0).normal(5.0, 1.0, (30, 2))])
    selector = TypiClustSelector(2, max_clusters=2, random_state=0).fit(X)
    assert 0 in selector.indices_
    assert selector.scores_[list(selector.indices_).index(0)] == np.inf


@pytest.mark.parametrize("n_labeled", [0, 6])
def test_same_picks_as_scikit_activeml_in_the_same_clusters(n_labeled):
    pool = pytest.importorskip("skactiveml.pool", reason="`make bench` installs it")
    X = np.random.default_rng(0).normal(size=(300, 4))
    y = np.full(300, np.nan)
    y[:n_labeled] = 0
    selector = TypiClustSelector(10, min_cluster_size=1, random_state=0)
    selector.fit(X, labeled=np.arange(n_labeled))

    class SameClusters:
        def __init__(self, n_clusters):
            assert n_clusters == len(selector.centers_)

        def fit_predict(self, X):
            return selector.cluster_labels_

    peer = pool.TypiClust(cluster_algo=SameClusters, k=20, random_state=0)
    picks = peer.query(X, y, batch_size=10)
    # Between clusters of the same size it draws.
    np.testing.assert_array_equal(np.sort(selector.indices_), np.sort(picks))


def test_bad_parameters():
    X = three_blobs()
    with pytest.raises(ValueError, match="metric"):
        TypiClustSelector(metric="cityblock").fit(X)
    for name in ("n_neighbors", "min_cluster_size", "max_clusters", "max_iter"):
        with pytest.raises(ValueError, match=name):
            TypiClustSelector(**{name: 0}).fit(X)
