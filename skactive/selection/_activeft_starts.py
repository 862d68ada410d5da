"""Rows of the pool at which the centers of ActiveFT start."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._kmeans_starts import PointsLeft, draw_distant
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE


def random_starts(
    rows: Rows,
    candidates: NDArray[np.int64],
    labeled: NDArray[np.int64],
    n_starts: int,
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """Candidates of different directions, which no labeled row has."""
    order = np.append(labeled, random_state.permutation(candidates))
    probe = torch.from_numpy(random_state.standard_normal((rows.n_features, 1))).to(rows.device)
    # Rows of the same direction have the same product with a random vector, others do not.
    products = rows.matmul(probe)[:, 0].cpu().numpy()[order]
    ascending = products.argsort()
    gaps = np.diff(products[ascending], prepend=-np.inf)
    direction = np.empty_like(order)
    direction[ascending] = np.cumsum(gaps > RELATIVE_TOLERANCE)
    first = np.sort(np.unique(direction, return_index=True)[1])
    return order[first[first >= len(labeled)][:n_starts]]


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
