"""k-means: Lloyd's iteration, exact and streamed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._kmeans_assignment import NearestCenters
from skactive._kmeans_starts import k_means_plus_plus as k_means_plus_plus
from skactive._memory import check_memory
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._threads import one_thread
from skactive._ties import best_row, tolerance

# Matrices of the size of the centers: those before and after, shifted ones, sums.
_N_MATRICES = 6
_SUMMED_BYTES = 4 * 2**20
_COINCIDENT = 1e-24  # squared distance from the own center, as a share of the squares


@dataclass(frozen=True)
class Clusters:
    """What k-means has found."""

    centers: Tensor
    """float64 of shape (n_centers, n_features); the fixed ones first."""
    assignment: Tensor
    """int64 of shape (n_samples,): the cluster of each row, by its center."""
    squared_distances: Tensor
    """float64 of shape (n_samples,): to the center of the own cluster."""
    inertia: float
    """Sum of the squared distances, each times the weight of its row."""
    n_iter: int


def k_means(
    rows: Rows,
    n_clusters: int,
    *,
    random_state: np.random.RandomState,
    n_init: int = 1,
    max_iter: int = 300,
    tol: float = 1e-4,
    weights: Tensor | None = None,
    start: Tensor | None = None,
    fixed: NDArray[np.int64] | None = None,
    candidates: Tensor | None = None,
) -> Clusters:
    """Centers with a small sum of squared distances from the rows to the nearest.

    Each row belongs to its nearest center in float64, and to the lowest one of those that tie, so
    that the clusters do not depend on chunks, threads or the type of the rows. A center without
    rows takes the row farthest from its own center; where all rows lie at centers, it stays.
    Time is at most O(n k d) an iteration; memory beside the pool is O(n + k d).

    S. Lloyd: Least squares quantization in PCM. IEEE Transactions on Information Theory 28, 1982.

    Parameters
    ----------
    rows : Rows
    n_clusters : int
        Centers that move.
    random_state : RandomState
        For the starts, drawn by k-means++.
    n_init : int, default=1
        Starts to try, of which the one with the smallest inertia is kept.
    max_iter : int, default=300
    tol : float, default=1e-4
        The end, where the squared moves of all centers sum up to no more than this share of the
        mean variance of the features; as scikit-learn's KMeans.
    weights : tensor of shape (n_samples,), default=None
        Weights >= 0 of the rows, 1 when None.
    start : tensor of shape (n_clusters, n_features), default=None
        Where the centers start; then `n_init` is without effect.
    fixed : ndarray of shape (n_fixed,), default=None
        Positions of rows that are centers, too, and do not move.
    candidates : boolean tensor of shape (n_samples,), default=None
        Rows where centers may start; all that are not fixed when None.
    """
    fixed = np.empty(0, dtype=np.int64) if fixed is None else fixed
    check_memory(
        8 * _N_MATRICES * (n_clusters + len(fixed)) * rows.n_features,
        rows.device,
        f"k-means with {n_clusters + len(fixed)} centers of {rows.n_features} features",
        "Lower budget, or reduce the features, for instance with sklearn.decomposition.PCA.",
    )
    mean = rows.mean()
    variance = float(rows.squared_distances_from(mean).mean()) / rows.n_features
    problem = _Problem(rows, mean, variance, rows.take(fixed), weights, max_iter, tol)
    if start is not None:
        with one_thread():  # sweeps of the pool have threads of their own
            return _lloyd(problem, start.to(problem.fixed))
    if candidates is None:
        candidates = torch.ones(rows.n_samples, dtype=torch.bool, device=rows.device)
        candidates[torch.as_tensor(fixed)] = False
    best: Clusters | None = None
    for _ in range(n_init):
        starts, _ = k_means_plus_plus(
            RowPoints(rows, mean),
            n_clusters,
            centers=fixed,
            candidates=candidates,
            random_state=random_state,
            weights=weights,
        )
        with one_thread():
            found = _lloyd(problem, rows.take(starts))
        if best is None or found.inertia < best.inertia - tolerance(best.inertia, 0.0):
            best = found
    assert best is not None  # n_init >= 1
    return best


@dataclass(frozen=True)
class _Problem:
    rows: Rows
    mean: Tensor
    variance: float  # mean of those of the features
    fixed: Tensor
    weights: Tensor | None
    max_iter: int
    tol: float


def _lloyd(problem: _Problem, start: Tensor) -> Clusters:
    rows = problem.rows
    centers = torch.cat([problem.fixed, start])
    nearest = NearestCenters(rows, problem.mean)
    means = _Means(problem, centers)
    limit = problem.tol * problem.variance
    n_iter = 0
    while n_iter < problem.max_iter:
        n_iter += 1
        moved, before = nearest.update(centers)
        relocated = _fill_empty(problem, nearest, centers)
        if n_iter > 1 and not len(moved) and not len(relocated):
            break
        changed = torch.ones_like(means.counts, dtype=torch.bool)
        if n_iter > 1:
            changed = torch.zeros_like(changed)
            changed[torch.cat([before, nearest.nearest[moved], relocated])] = True
        after = means.update(nearest.nearest, changed, centers)
        after[: len(problem.fixed)] = problem.fixed
        shift = float((after - centers).square().sum())
        centers = after
        if shift <= limit or n_iter == problem.max_iter:
            nearest.update(centers)
            break
    squares = _own_squares(rows, nearest.nearest, centers)
    weighted = squares if problem.weights is None else squares * problem.weights
    return Clusters(centers, nearest.nearest, squares, float(weighted.sum()), n_iter)


class _Means:
    """Mean row of each cluster; those of clusters that have not changed are kept."""

    def __init__(self, problem: _Problem, centers: Tensor) -> None:
        self._rows, self._weights = problem.rows, problem.weights
        # Of differences from here: far from 0 the rounding of sums of rows would show.
        self._origin = problem.mean
        self._sums = torch.zeros_like(centers)
        self.counts = torch.zeros_like(centers[:, 0])

    def update(self, nearest: Tensor, changed: Tensor, centers: Tensor) -> Tensor:
        """The means; that of an empty cluster is where its center is."""
        self._sums[changed] = 0.0
        self.counts[changed] = 0.0
        summed = changed[nearest]
        if int(summed.sum()) > len(nearest) // 2:
            for part, chunk in self._rows.chunks():
                some = summed[part]
                if bool(some.all()):
                    self._add(nearest[part], chunk, part)
                else:
                    at = some.nonzero()[:, 0]
                    self._add(nearest[part][at], chunk[at], at + part.start)
        else:
            indices = summed.nonzero()[:, 0]
            step = max(1, _SUMMED_BYTES // (8 * self._rows.n_features))
            for start in range(0, len(indices), step):
                piece = indices[start : start + step]
                self._add(nearest[piece], self._rows.take(piece.cpu().numpy()), piece)
        means = self._sums / self.counts[:, None] + self._origin
        return torch.where(self.counts[:, None] > 0, means, centers)

    def _add(self, clusters: Tensor, points: Tensor, at: slice | Tensor) -> None:
        weights = torch.ones_like(points[:, 0])
        points = points - self._origin
        if self._weights is not None:
            weights = self._weights[at]
            points = points * weights[:, None]
        self._sums.index_add_(0, clusters, points)
        self.counts.index_add_(0, clusters, weights)


def _fill_empty(problem: _Problem, nearest: NearestCenters, centers: Tensor) -> Tensor:
    """Give the row farthest from its center to each center without rows; the clusters changed."""
    weights = problem.weights
    counts = torch.bincount(nearest.nearest, weights, minlength=len(centers))
    counts[: len(problem.fixed)] = 1  # which need no rows
    empty = (counts == 0).nonzero()[:, 0].tolist()
    changed: list[int] = []
    if not empty:
        return nearest.nearest[:0]
    squares = _own_squares(problem.rows, nearest.nearest, centers)
    floor = _COINCIDENT * (problem.rows.squared_norms() + centers.square().sum(1).max())
    available = (squares > floor).cpu().numpy()
    if weights is not None:
        available &= (weights > 0).cpu().numpy()
    sizes = torch.bincount(nearest.nearest, minlength=len(centers))
    scores = squares.cpu().numpy()
    for cluster in empty:
        while available.any():
            row, _ = best_row(scores, available, 0.0)
            available[row] = False
            own = int(nearest.nearest[row])
            if own < len(problem.fixed) or int(sizes[own]) > 1:
                sizes[own] -= 1
                changed += [own, cluster]
                nearest.assign(row, cluster)
                break
    return torch.tensor(changed, dtype=torch.int64, device=centers.device)


def _own_squares(rows: Rows, nearest: Tensor, centers: Tensor) -> Tensor:
    """Squared distance of each row to its center, by differences."""
    squares = torch.empty_like(rows.squared_norms())
    for part, chunk in rows.chunks():
        squares[part] = (chunk - centers[nearest[part]]).square_().sum(1)
    return squares
