"""Rows of the pool at which the centers of ActiveFT start."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._kmeans_starts import PointsLeft, draw_distant
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE
from skactive.selection._activeft_rows import batches, take


def random_starts(
    rows: Rows,
    candidates: NDArray[np.int64],
    labeled: NDArray[np.int64],
    n_starts: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """Candidates of different directions, which no labeled row has."""

    def products(positions: NDArray[np.int64], probe: NDArray[np.float64]) -> NDArray[np.float64]:
        column = torch.from_numpy(probe).to(rows.device)
        found = [
            take(rows, torch.as_tensor(positions[batch])) @ column
            for batch in batches(len(positions), rows.n_features, torch.float64)
        ]
        return torch.cat(found).cpu().numpy()

    order = random_state.permutation(candidates)
    return draw_directions(products, order, labeled, n_starts, rows.n_features, random_state)


def draw_directions(
    products: Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]],
    order: NDArray[np.int64],
    labeled: NDArray[np.int64],
    n_starts: int,
    n_features: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """As `random_starts`, wherever the rows are.

    Rows of the same direction have the same product with a random vector, others do not.

    Parameters
    ----------
    products : callable
        Of the unit rows at given positions with a given vector.
    order : ndarray of shape (n_candidates,)
        The candidates in random order. Only as many of them are looked at as it takes.
    """
    probe = random_state.standard_normal(n_features)
    seen = np.sort(products(labeled, probe)).tolist() if len(labeled) else []
    starts: list[int] = []
    first, size = 0, 2 * n_starts
    while len(starts) < n_starts and first < len(order):
        positions = order[first : first + size]
        first, size = first + size, 2 * size
        values = products(positions, probe)
        for i in np.flatnonzero(_differs(values, np.array(seen))).tolist():
            at = bisect_left(seen, values[i] - RELATIVE_TOLERANCE)
            if len(starts) < n_starts and not (
                at < len(seen) and seen[at] <= values[i] + RELATIVE_TOLERANCE
            ):
                insort(seen, float(values[i]))
                starts.append(int(positions[i]))
    return np.array(starts, dtype=np.int64)


def _differs(values: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the values are none of those seen, which are in ascending order."""
    at = seen.searchsorted(values - RELATIVE_TOLERANCE)
    differs: NDArray[np.bool_] = np.append(seen, np.inf)[at] > values + RELATIVE_TOLERANCE
    return differs


def distant_starts(
    rows: Rows,
    candidates: NDArray[np.int64],
    labeled: NDArray[np.int64],
    n_starts: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """k-means++: candidates drawn by their squared distance from the nearest start so far."""
    free = torch.zeros(rows.n_samples, dtype=torch.bool, device=rows.device)
    free[torch.as_tensor(candidates)] = True
    starts, _ = draw_distant(PointsLeft(Directions(rows), labeled, free), n_starts, random_state)
    return starts


STARTS = {"random": random_starts, "k-means++": distant_starts}


class Directions(RowPoints):
    """Unit rows, whose squared distances follow from their similarities; 0 between copies."""

    unknown_square = 4.0  # of opposite rows

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows, rows.squared_norms().new_zeros(rows.n_features))

    def _between(self, rows: Rows, points: Tensor) -> Tensor:
        squares = 2 - 2 * rows.matmul(points.T)
        squares[squares < RELATIVE_TOLERANCE] = 0
        return squares
