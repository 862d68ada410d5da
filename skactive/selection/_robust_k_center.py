"""The smallest radius for which k balls cover all rows but a few outliers, by integer programs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

_INFEASIBLE = 2  # status of scipy.optimize.milp


class Cover(NamedTuple):
    """Centers and what they cover."""

    centers: NDArray[np.int64]  # without the fixed ones
    radius: float
    outliers: NDArray[np.int64]
    proven: bool  # no smaller radius is possible


def robust_k_center(
    distances: NDArray[np.float64],
    *,
    candidates: NDArray[np.int64],
    fixed: NDArray[np.int64],
    start: NDArray[np.int64],
    n_outliers: int,
    node_limit: int,
) -> Cover:
    """Bisect over the pairwise distances, with one feasibility program each.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, n_samples)
        Pairwise distances.
    candidates : ndarray of int
        Rows that may become centers.
    fixed : ndarray of int
        Rows that are centers already.
    start : ndarray of int
        Centers of a greedy solution, whose radius the search starts from; fixes the budget.
    n_outliers : int
        Rows that may stay uncovered.
    node_limit : int
        Branch-and-bound nodes for each program.

    Returns
    -------
    cover : Cover
    """
    # Distances that differ by rounding count as equal: the programs, and so the centers, are
    # the same for any form of the same rows.
    unit = 1e-9 * float(distances.max())
    exact, distances = distances, np.round(distances / unit) if unit > 0 else distances
    centers, proven = start, True
    radius = _radius(distances, np.concatenate([fixed, start]), n_outliers)
    radii = np.unique(distances[:, np.concatenate([fixed, candidates])])
    low, high = 0, int(np.searchsorted(radii, radius))  # radii[high] is feasible
    while low < high:
        middle = (low + high) // 2
        found, known = _feasible_centers(
            distances <= radii[middle], candidates, fixed, len(start), n_outliers, node_limit
        )
        if found is not None:
            centers = found
            radius = _radius(distances, np.concatenate([fixed, found]), n_outliers)
            high = min(middle, int(np.searchsorted(radii, radius)))
        else:
            proven = proven and known
            low = middle + 1
    centers = _lowest_equals(distances, candidates, centers)
    all_centers = np.concatenate([fixed, centers])
    nearest = distances[:, all_centers].min(axis=1)
    outliers = np.flatnonzero(nearest > _radius(distances, all_centers, n_outliers))
    return Cover(centers, _radius(exact, all_centers, n_outliers), outliers, proven)


def _lowest_equals(
    distances: NDArray[np.float64], candidates: NDArray[np.int64], centers: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Each center replaced by the lowest unused candidate at distance 0 of it."""
    unused = np.ones(len(distances), dtype=bool)
    chosen = []
    for center in np.sort(centers):
        equals = candidates[(distances[center, candidates] == 0) & unused[candidates]]
        chosen.append(equals.min())
        unused[equals.min()] = False
    return np.array(chosen, dtype=np.int64)


def _radius(distances: NDArray[np.float64], centers: NDArray[np.int64], n_outliers: int) -> float:
    """Largest distance to the nearest center when the farthest n_outliers rows do not count."""
    nearest = np.sort(distances[:, centers].min(axis=1))
    return float(nearest[len(nearest) - 1 - n_outliers])


def _feasible_centers(
    within: NDArray[np.bool_],
    candidates: NDArray[np.int64],
    fixed: NDArray[np.int64],
    n_centers: int,
    n_outliers: int,
    node_limit: int,
) -> tuple[NDArray[np.int64] | None, bool]:
    """Centers that leave at most n_outliers rows uncovered; and whether None is a proof."""
    uncovered = np.flatnonzero(~within[:, fixed].any(axis=1))
    if len(uncovered) <= n_outliers:
        return candidates[:n_centers], True
    # Variables: u (one a candidate, binary), then o (one an uncovered row; it is 0 or 1 in any
    # solution with the fewest outliers, so it need not be declared integer).
    n, m = len(candidates), len(uncovered)
    cover = sparse.csr_array(within[np.ix_(uncovered, candidates)].astype(np.float64))
    count = np.concatenate([np.ones(n), np.zeros(m)])
    spare = np.concatenate([np.zeros(n), np.ones(m)])
    result = milp(
        c=spare,
        integrality=count,
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(sparse.hstack([cover, sparse.eye_array(m)], format="csr"), lb=1.0),
            LinearConstraint(count[None, :], lb=n_centers, ub=n_centers),
            LinearConstraint(spare[None, :], ub=n_outliers),
        ],
        options={"node_limit": node_limit, "mip_rel_gap": 1.0},
    )
    if result.x is None:
        return None, result.status == _INFEASIBLE
    return candidates[np.argsort(-result.x[:n], kind="stable")[:n_centers]], True
