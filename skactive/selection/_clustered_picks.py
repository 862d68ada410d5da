"""Picks that stand for the clusters of some rows of the pool."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._kmeans import Clusters, k_means, k_means_plus_plus
from skactive._memory import check_memory
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._threads import one_thread

# Up to this share of the pool, the rows to cluster are copied; more of them are masked.
_COPIED_SHARE = 0.25
_TIE = 1e-12  # of squared distances between unit rows


def clustered_picks(pool: Pool, rows: NDArray[np.int64], rounding: float = 0.0) -> Selection:
    """The rows nearest to the centers of k-means on the unit vectors of the given rows.

    Those of the largest clusters come first; scores are the sizes of the clusters. Where there
    are too few rows, or too few different ones, the rest is drawn at random from the pool.

    Parameters
    ----------
    pool : Pool
    rows : ndarray of shape (n_rows,)
        Ascending positions of unlabeled rows.
    rounding : float, default=0
        By how much a row of norm 1 may be wrong; rows that differ by less count as equal.
    """
    if len(rows) <= pool.n_picks:
        picks, sizes = rows, np.ones(len(rows))
    else:
        picks, sizes = _representatives(pool, rows, rounding)
    missing = pool.n_picks - len(picks)
    rest = np.setdiff1d(np.flatnonzero(pool.candidates.cpu().numpy()), picks)
    drawn = pool.random_state.permutation(rest)[:missing] if missing else rest[:0]
    indices = np.concatenate([picks, drawn]).astype(np.int64)
    return Selection(indices, np.concatenate([sizes, np.zeros(missing)]))


def _representatives(
    pool: Pool, rows: NDArray[np.int64], rounding: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest row to each center, and the number of rows of the cluster."""
    clusters, assignment, squares = _clusters(pool, rows, rounding)
    n_clusters = len(clusters.centers)
    sizes = np.bincount(assignment, minlength=n_clusters)
    nearest = np.full(n_clusters, np.inf)
    np.minimum.at(nearest, assignment, squares)
    reach = nearest + _TIE + 4 * rounding * (np.sqrt(nearest) + rounding)
    ties = np.flatnonzero(squares <= reach[assignment])
    # Of the rows that tie the lowest one: they are ascending.
    found, first = np.unique(assignment[ties], return_index=True)
    picks = rows[ties[first]]
    order = np.lexsort((picks, -sizes[found]))
    return picks[order], sizes[found][order].astype(np.float64)


def _clusters(
    pool: Pool, rows: NDArray[np.int64], rounding: float
) -> tuple[Clusters, NDArray[np.int64], NDArray[np.float64]]:
    """k-means on the given rows, their clusters, and their squared distances to the centers."""
    if len(rows) <= _COPIED_SHARE * pool.rows.n_samples:
        check_memory(
            8 * len(rows) * pool.rows.n_features,
            pool.rows.device,
            f"A copy of {len(rows)} candidates of {pool.rows.n_features} features",
            "Pass a part of the pool.",
        )
        some = Rows(pool.rows.take(rows), pool.rows.device).unit()
        weights = torch.ones(len(rows), dtype=torch.float64, device=pool.rows.device)
        found = _k_means(pool, some, weights, rounding)
        return found, found.assignment.cpu().numpy(), found.squared_distances.cpu().numpy()
    weights = torch.zeros(pool.rows.n_samples, dtype=torch.float64, device=pool.rows.device)
    weights[torch.as_tensor(rows)] = 1
    found = _k_means(pool, pool.rows.unit(), weights, rounding)
    assignment, squares = found.assignment.cpu().numpy(), found.squared_distances.cpu().numpy()
    return found, assignment[rows], squares[rows]


def _k_means(pool: Pool, units: Rows, weights: Tensor, rounding: float) -> Clusters:
    """As many clusters as there are rows to pick; fewer where fewer rows differ."""
    with one_thread():  # small operations, which threads would only hold up
        starts, squares = k_means_plus_plus(
            _UnitPoints(units, 4 * rounding**2),
            pool.n_picks,
            centers=np.empty(0, dtype=np.int64),
            candidates=weights > 0,
            random_state=pool.random_state,
            weights=weights,
        )
    start = units.take(starts[squares > 0])
    return k_means(units, len(start), random_state=pool.random_state, weights=weights, start=start)


class _UnitPoints(RowPoints):
    """Unit rows between which squared distances up to `negligible` count as 0."""

    def __init__(self, rows: Rows, negligible: float) -> None:
        super().__init__(rows)
        self._negligible = negligible

    def squares_from(self, indices: NDArray[np.int64]) -> Tensor:
        return self._cut(super().squares_from(indices))

    def squares_among(self, indices: NDArray[np.int64]) -> Tensor:
        return self._cut(super().squares_among(indices))

    def nearest_squares(self, indices: NDArray[np.int64]) -> Tensor:
        return self._cut(super().nearest_squares(indices))

    def _cut(self, squares: Tensor) -> Tensor:
        squares[squares <= self._negligible] = 0
        return squares
