"""Kernels against scikit-learn in float64, and the distances below them against differences."""

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import config_context
from sklearn.metrics.pairwise import rbf_kernel

from skactive import CoreSetSelector, ITLSelector
from skactive._distances import squared_distances
from skactive._rows import Rows
from skactive._ties import first_minimum
from skactive.kernels import resolve_kernel

CPU = torch.device("cpu")


def data(n=300, d=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def rbf(X, points):
    """The kernel of X with some of its rows or other points, and what it should be."""
    rows = Rows(X, CPU)
    kernel = resolve_kernel("rbf", rows)
    values = kernel.cross(rows, torch.tensor(points)).numpy()
    A = X.toarray() if sparse.issparse(X) else np.asarray(X)
    A = A.astype(np.float64)
    # The mean is taken out first: scikit-learn expands the squares as well.
    gamma = 1 / (A.shape[1] * A.var())
    return values, rbf_kernel(A - A.mean(0), points - A.mean(0), gamma=gamma)


# The radial kernel ---------------------------------------------------------------------------


@pytest.mark.parametrize("n_points", [1, 8, 9, 60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rbf_equals_scikit_learn(dtype, n_points):
    X = data().astype(dtype)
    points = X[::5][:n_points].astype(np.float64)
    values, expected = rbf(X, points)
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_rbf_of_a_sparse_pool():
    X = data() * (data(seed=1) > 0.5)
    values, expected = rbf(sparse.csr_matrix(X), X[:40])
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.parametrize("offset", [1.0, 1e4, -1e6])
def test_rbf_does_not_see_an_offset(offset):
    X = data() + offset
    values, _ = rbf(X, X[:50])
    squares = cdist(X, X[:50]) ** 2
    gamma = 1 / (X.shape[1] * (X - offset).var())
    np.testing.assert_allclose(values, np.exp(-gamma * squares), atol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_rbf_of_duplicates_is_one(offset):
    X = np.repeat(data(60), 3, axis=0) + offset
    X[7] += 1e3  # a row far from the others, and its duplicate
    X[90] = X[7]
    values, _ = rbf(X, X)
    same = cdist(X, X) == 0
    assert same.sum() > 3 * len(X) - 10
    assert abs(values[same] - 1).max() <= 1e-13


@pytest.mark.parametrize("mebibytes", [1e-4, 0.01, 1])
def test_rbf_does_not_see_the_chunks(mebibytes):
    X = data().astype(np.float32)
    points = X[:50].astype(np.float64)
    expected, _ = rbf(X, points)
    with config_context(working_memory=mebibytes):
        values, _ = rbf(X, points)
    np.testing.assert_allclose(values, expected, rtol=1e-13)


def test_a_pickled_kernel_holds_no_tensor():
    kernel = resolve_kernel("rbf", Rows(data(), CPU))
    assert not any(isinstance(value, torch.Tensor) for value in vars(kernel).values())
    X = data(30)
    selector = pickle.loads(pickle.dumps(ITLSelector(12, kernel="rbf").fit(X)))
    gamma = 1 / (X.shape[1] * X.var())
    expected = rbf_kernel(X, X[selector.indices_], gamma=gamma)
    np.testing.assert_allclose(selector.transform(X), expected, rtol=1e-12)


# Distances -----------------------------------------------------------------------------------


def clustered(spread, seed=0):
    """Rows in tight clusters, far apart in comparison."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 6))[rng.integers(0, 4, 200)] + spread * rng.normal(size=(200, 6))


@pytest.mark.parametrize("spread", [1.0, 1e-1, 1e-2, 1e-4, 1e-8, 0.0])
@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_distances_keep_their_digits(offset, spread):
    X = clustered(spread) + offset
    points = X[:40]
    squares = squared_distances(Rows(X, CPU), torch.tensor(points), torch.tensor(X.mean(0)))
    expected = ((X[:, None] - points) ** 2).sum(2)
    np.testing.assert_allclose(squares.numpy(), expected, rtol=1e-11)
    assert ((squares.numpy() == 0) == (expected == 0)).all()


def test_an_offset_leaves_distances_to_the_fast_path(monkeypatch):
    X = data() + 1e6
    points = torch.tensor(X[:50])
    expected = squared_distances(Rows(X, CPU), points, torch.tensor(X.mean(0)))
    monkeypatch.delattr(torch, "cdist")
    squares = squared_distances(Rows(X, CPU), points, torch.tensor(X.mean(0)))
    assert torch.equal(squares, expected)
    with pytest.raises(AttributeError):
        squared_distances(Rows(X, CPU), points, torch.zeros(X.shape[1], dtype=torch.float64))


def test_few_close_pairs_and_many_are_both_corrected():
    X = data(500, 30)
    close = X[:50] + 1e-9 * data(50, 30, seed=1)
    for points in (np.vstack([close, data(400, 30, seed=2)]), np.repeat(close[:3], 20, axis=0)):
        squares = squared_distances(Rows(X, CPU), torch.tensor(points), torch.tensor(X.mean(0)))
        expected = ((X[:, None] - points) ** 2).sum(2)
        np.testing.assert_allclose(squares.numpy(), expected, rtol=1e-11)


def test_distances_too_large_for_their_squares_are_infinite():
    X = data(40)
    X[3] *= 1e200
    points = torch.tensor(X[:20])
    squares = squared_distances(Rows(X, CPU), points, points.mean(0))
    with np.errstate(over="ignore"):
        expected = ((X[:, None] - X[:20]) ** 2).sum(2)
    np.testing.assert_allclose(squares.numpy(), expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_landmarks_of_many_picks(metric):
    X = np.repeat(clustered(0.3), 2, axis=0).astype(np.float32)
    selector = CoreSetSelector(30, metric=metric).fit(X)
    Z = X.astype(np.float64)
    if metric == "cosine":
        Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    expected = cdist(Z, Z[selector.indices_])
    np.testing.assert_allclose(selector.transform(Z), expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(selector.represent(X), expected.argmin(1))
    if metric == "euclidean":
        own = selector.transform(X)[selector.indices_, range(30)]
        np.testing.assert_array_equal(own, 0)


# Ties ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_columns", [1, 5, 255, 256, 288, 300, 1000])
def test_the_first_of_equal_minima(n_columns):
    rng = np.random.default_rng(0)
    values = rng.integers(1, 9, size=(400, n_columns)).astype(float)
    noisy = values * (1 + 1e-13 * rng.normal(size=values.shape))
    expected = values.argmin(1)
    np.testing.assert_array_equal(first_minimum(torch.tensor(noisy)).numpy(), expected)
    scale = torch.ones(1, 1, dtype=torch.float64)
    np.testing.assert_array_equal(first_minimum(torch.tensor(noisy), scale).numpy(), expected)
    strided = torch.tensor(noisy.T.copy()).T
    np.testing.assert_array_equal(first_minimum(strided).numpy(), expected)


def test_a_larger_scale_makes_more_ties():
    values = torch.rand(50, 400, dtype=torch.float64, generator=torch.manual_seed(0))
    assert (first_minimum(values, torch.full((1, 1), 1e12)) == 0).all()
    each = torch.full((50, 1), 1e-9)
    each[::2] = 1e12
    chosen = first_minimum(values, each)
    assert (chosen[::2] == 0).all()
    assert torch.equal(chosen[1::2], values[1::2].argmin(1))
