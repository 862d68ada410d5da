"""Rows of the pool at which the centers of ActiveFT start."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE

# Rows drawn by the same distances. One pass over the pool then serves all that are kept.
_N_DRAWS = 64


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
    """k-means++: candidates drawn by their squared distance from the nearest start so far.

    Some are drawn at once, by their distances from the starts before, and each is kept with
    the probability that is left of its own after those kept just before it.
    """
    nearest = largest_similarity(rows, rows.take(labeled))
    starts = np.empty(0, dtype=np.int64)
    while len(starts) < n_starts:
        squares = _squared_distance(nearest.cpu().numpy()[candidates])
        if not squares.any():
            break
        shares = squares.cumsum()
        shares /= shares[-1]
        drawn = shares.searchsorted(random_state.random_sample(_N_DRAWS), side="right")
        limits = random_state.random_sample(_N_DRAWS) * squares[drawn]
        points = rows.take(candidates[drawn])
        distances = _squared_distance((points @ points.T).cpu().numpy())
        kept: list[int] = []
        for i, limit in enumerate(limits):
            if distances[i, kept].min(initial=np.inf) > limit:
                kept.append(i)
        kept = kept[: n_starts - len(starts)]
        starts = np.append(starts, candidates[drawn[kept]])
        nearest = torch.maximum(nearest, largest_similarity(rows, points[kept]))
    return starts


STARTS = {"random": random_starts, "k-means++": distant_starts}


def largest_similarity(rows: Rows, points: Tensor) -> Tensor:
    """Similarity of each row to the nearest of `points`, -1 where there are none."""
    largest = torch.full_like(rows.squared_norms(), -1.0)
    if len(points):
        for part, piece in rows.parts(len(points)):
            largest[part] = (piece.dense() @ points.T).amax(1)
    return largest


def _squared_distance(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Between unit vectors; 0 between copies."""
    squares = 2 - 2 * similarity
    squares[squares < RELATIVE_TOLERANCE] = 0
    return squares
