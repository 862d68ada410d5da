"""Picks that stand for the clusters of some rows of the pool."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from skactive._base import Pool, Selection
from skactive._kmeans import Clusters, k_means
from skactive._memory import check_memory
from skactive._rows import Rows

# Up to this share of the pool, the rows to cluster are copied; more of them are masked.
_COPIED_SHARE = 0.25
_TIE = 1e-12  # of squared distances between unit rows


def clustered_picks(pool: Pool, rows: NDArray[np.int64]) -> Selection:
    """The rows nearest to the centers of k-means on the unit vectors of the given rows.

    Those of the largest clusters come first; scores are the sizes of the clusters. Where there
    are too few rows, or too few different ones, the rest is drawn at random from the pool.

    Parameters
    ----------
    pool : Pool
    rows : ndarray of shape (n_rows,)
        Ascending positions of unlabeled rows.
    """
    if len(rows) <= pool.n_picks:
        picks, sizes = rows, np.ones(len(rows))
    else:
        picks, sizes = _representatives(pool, rows)
    missing = pool.n_picks - len(picks)
    rest = np.setdiff1d(np.flatnonzero(pool.candidates.cpu().numpy()), picks)
    drawn = pool.random_state.permutation(rest)[:missing] if missing else rest[:0]
    indices = np.concatenate([picks, drawn]).astype(np.int64)
    return Selection(indices, np.concatenate([sizes, np.zeros(missing)]))


def _representatives(
    pool: Pool, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest row to each center, and the number of rows of the cluster."""
    clusters, assignment, squares = _clusters(pool, rows)
    n_clusters = len(clusters.centers)
    sizes = np.bincount(assignment, minlength=n_clusters)
    nearest = np.full(n_clusters, np.inf)
    np.minimum.at(nearest, assignment, squares)
    ties = np.flatnonzero(squares <= nearest[assignment] + _TIE)
    # Of the rows that tie the lowest one: they are ascending.
    found, first = np.unique(assignment[ties], return_index=True)
    picks = rows[ties[first]]
    order = np.lexsort((picks, -sizes[found]))
    return picks[order], sizes[found][order].astype(np.float64)


def _clusters(
    pool: Pool, rows: NDArray[np.int64]
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
        found = k_means(some, pool.n_picks, random_state=pool.random_state)
        return found, found.assignment.cpu().numpy(), found.squared_distances.cpu().numpy()
    weights = torch.zeros(pool.rows.n_samples, dtype=torch.float64, device=pool.rows.device)
    weights[torch.as_tensor(rows)] = 1
    found = k_means(
        pool.rows.unit(),
        pool.n_picks,
        random_state=pool.random_state,
        weights=weights,
        candidates=weights > 0,
    )
    assignment, squares = found.assignment.cpu().numpy(), found.squared_distances.cpu().numpy()
    return found, assignment[rows], squares[rows]
