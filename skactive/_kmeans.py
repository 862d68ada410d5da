"""k-means: Lloyd's iteration, exact and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._kmeans_assignment import NearestCenters
from skactive._kmeans_lloyd import COINCIDENT, AssignedPool, Problem, best_of, check_centers, lloyd
from skactive._kmeans_starts import k_means_plus_plus as k_means_plus_plus
from skactive._kmeans_sums import ClusterSums
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._threads import one_thread
from skactive._ties import best_row


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
    check_centers(n_clusters + len(fixed), rows.n_features, rows.device)
    mean = rows.mean()
    variance = float(rows.squared_distances_from(mean).mean()) / rows.n_features
    problem = Problem(mean, variance, rows.take(fixed), max_iter, tol)
    if start is not None:
        return _cluster(rows, weights, problem, start.to(problem.fixed))
    if candidates is None:
        candidates = torch.ones(rows.n_samples, dtype=torch.bool, device=rows.device)
        candidates[torch.as_tensor(fixed)] = False

    def tries() -> Iterator[Clusters]:
        for _ in range(n_init):
            starts, _ = k_means_plus_plus(
                RowPoints(rows, mean),
                n_clusters,
                centers=fixed,
                candidates=candidates,
                random_state=random_state,
                weights=weights,
            )
            yield _cluster(rows, weights, problem, rows.take(starts))

    return best_of(tries())


def _cluster(rows: Rows, weights: Tensor | None, problem: Problem, start: Tensor) -> Clusters:
    with one_thread():  # sweeps of the pool have threads of their own
        pool = _AssignedRows(rows, weights, problem.mean, len(problem.fixed) + len(start))
        found = lloyd(pool, problem, start)
    return Clusters(found.centers, pool.nearest.nearest, pool.squares, found.inertia, found.n_iter)


class _AssignedRows(AssignedPool):
    """Rows in memory."""

    def __init__(self, rows: Rows, weights: Tensor | None, mean: Tensor, n_clusters: int) -> None:
        self._rows, self._weights = rows, weights
        self._n_clusters = n_clusters
        self.nearest = NearestCenters(rows, mean)
        self._sums = ClusterSums(rows, weights, mean, n_clusters)

    def update(self, centers: Tensor) -> Tensor:
        moved, before = self.nearest.update(centers)
        return torch.cat([before, self.nearest.nearest[moved]])

    def sizes(self) -> tuple[Tensor, Tensor]:
        sizes = torch.bincount(self.nearest.nearest, minlength=self._n_clusters)
        if self._weights is None:
            return sizes.to(torch.float64), sizes
        nearest, n_clusters = self.nearest.nearest, self._n_clusters
        return torch.bincount(nearest, self._weights, minlength=n_clusters), sizes

    def farthest(self) -> Iterator[tuple[int, int]]:
        scores, available = distant_rows(self.nearest, self._rows, self._weights)
        clusters = self.nearest.nearest.cpu().numpy()
        while available.any():
            row, _ = best_row(scores, available, 0.0)
            available[row] = False
            yield row, int(clusters[row])

    def assign(self, rows: list[int], clusters: list[int]) -> None:
        for row, cluster in zip(rows, clusters, strict=True):
            self.nearest.assign(row, cluster)

    def sums(self, clusters: Tensor) -> tuple[Tensor, Tensor]:
        self._sums.renew(self.nearest.nearest, clusters)
        return self._sums.sums[clusters], self._sums.counts[clusters]

    def finish(self, centers: Tensor) -> float:
        if centers is not self.nearest.centers:
            self.nearest.update(centers)
        self.squares = self.nearest.own_squares()
        weighted = self.squares if self._weights is None else self.squares * self._weights
        return float(weighted.sum())


def distant_rows(
    nearest: NearestCenters, rows: Rows, weights: Tensor | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Squared distances of the rows to their centers, and which of them count."""
    squares = nearest.own_squares()
    floor = COINCIDENT * (rows.squared_norms() + nearest.centers.square().sum(1).max())
    counts = squares > floor
    if weights is not None:
        counts &= weights > 0
    return squares.cpu().numpy(), counts.cpu().numpy()
