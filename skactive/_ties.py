"""One rule for ties, so that rounding never decides between rows.

Scores are float64 sums over chunks of rows. Their last bits depend on the chunk size, the
thread count and the position of a row in its chunk, and so would the picks wherever rows tie
(duplicates, unit rows at the first pick). Scores closer than a tolerance far above rounding
and far below any meaningful difference count as equal, and the lowest row number wins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Between scores: after one pick, unit rows nearly orthogonal to it differ by their squared
# cosines, many of which lie below 1e-9.
SCORE_TOLERANCE = 1e-12
# Between the distances or similarities of one row, where nothing meaningful is that small.
RELATIVE_TOLERANCE = 1e-9


def best_row(scores: Tensor, available: Tensor, floor: float) -> tuple[int, float]:
    """Lowest row whose score ties with the best.

    Parameters
    ----------
    scores : tensor of shape (n_samples,)
        Acquisition scores, larger is better.
    available : boolean tensor of shape (n_samples,)
        Rows that may be picked; at least one.
    floor : float
        The tolerance is relative to the best score, and to this magnitude at least: scores that
        have shrunk towards 0 carry the rounding of the larger numbers they were computed from.

    Returns
    -------
    row, score : int, float
    """
    masked = torch.where(available, scores, -torch.inf)
    best = float(masked.max())
    limit = best - SCORE_TOLERANCE * max(abs(best), floor) if math.isfinite(best) else best
    ties = (masked >= limit) & available
    row = int(ties.to(torch.uint8).argmax())
    return row, float(scores[row])


def first_minimum(values: Tensor, scale: Tensor) -> Tensor:
    """Lowest column that ties with the minimum of each row, of shape (n_rows,).

    Parameters
    ----------
    values : tensor of shape (n_rows, n_columns)
    scale : tensor of shape (n_rows, 1) or (1, 1)
        Magnitude of the numbers the values were computed from.
    """
    limit = values.amin(1, keepdim=True) + RELATIVE_TOLERANCE * scale
    return (values <= limit).to(torch.uint8).argmax(1)
