"""One rule for ties, so that rounding never decides between rows.

Scores are float64 sums over chunks of rows. Their last bits depend on the chunk size, the
thread count and the position of a row in its chunk, and so would the picks wherever rows tie
(duplicates, unit rows at the first pick). Scores closer than a tolerance far above rounding
and far below any meaningful difference count as equal, and the lowest row number wins.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Between scores: after one pick, unit rows nearly orthogonal to it differ by their squared
# cosines, many of which lie below 1e-9.
SCORE_TOLERANCE = 1e-12
# Between the distances or similarities of one row, where nothing meaningful is that small.
RELATIVE_TOLERANCE = 1e-9

_GROUP_COLUMNS = 32
_MANY_COLUMNS = 256  # from here on groups of columns pay


def best_row(
    scores: NDArray[np.float64], available: NDArray[np.bool_], floor: float
) -> tuple[int, float]:
    """Lowest row whose score ties with the best.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Acquisition scores, larger is better.
    available : boolean ndarray of shape (n_samples,)
        Rows that may be picked; at least one.
    floor : float
        The tolerance is relative to the best score, and to this magnitude at least: scores that
        have shrunk towards 0 carry the rounding of the larger numbers they were computed from.

    Returns
    -------
    row, score : int, float
        A score of NaN if one of the scores is.
    """
    masked = np.where(available, scores, -np.inf)
    best = float(masked.max())
    if math.isnan(best):
        return 0, best
    row = int(((masked >= best - tolerance(best, floor)) & available).argmax())
    return row, float(scores[row])


def tolerance(score: float, floor: float) -> float:
    """By how much a score may differ from another one that counts as equal."""
    return SCORE_TOLERANCE * max(abs(score), floor) if math.isfinite(score) else 0.0


def first_minimum(values: Tensor, scale: Tensor | None = None) -> Tensor:
    """Lowest column that ties with the minimum of each row, of shape (n_rows,).

    Parameters
    ----------
    values : tensor of shape (n_rows, n_columns)
    scale : tensor of shape (n_rows, 1) or (1, 1), default=None
        Magnitude of the numbers the values were computed from; None means the minimum itself.
    """
    n_columns = values.shape[1]
    # Groups of columns are compared by their minima first, and only one group in detail: a
    # minimum is several times cheaper than the position of one.
    size = _GROUP_COLUMNS if n_columns >= _MANY_COLUMNS else 1
    minima = _group_minima(values, size)
    best = minima.amin(1, keepdim=True)
    limit = best + RELATIVE_TOLERANCE * (best if scale is None else scale)
    groups = _first_true(minima <= limit)
    if size == 1:
        return groups[:, 0]
    columns = groups * size + torch.arange(size, device=values.device)
    columns.clamp_(max=n_columns - 1)  # the last group may be smaller
    inside = _first_true(values.gather(1, columns) <= limit)
    return columns.gather(1, inside)[:, 0]


def _group_minima(values: Tensor, size: int) -> Tensor:
    """Minimum of every `size` columns in turn, of shape (n_rows, n_groups)."""
    if size == 1:
        return values
    whole = values.shape[1] // size * size
    minima: Tensor = values[:, :whole].reshape(len(values), -1, size).amin(2)
    if whole == values.shape[1]:
        return minima
    return torch.cat([minima, values[:, whole:].amin(1, keepdim=True)], dim=1)


def _first_true(mask: Tensor) -> Tensor:
    """First true column of each row, of shape (n_rows, 1)."""
    return mask.to(torch.uint8).argmax(1, keepdim=True)
