"""How far the rows of a pool are from their nearest center, after each pick."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Selection
from skactive._rows import Rows
from skactive.selection._local_cover import nearest_distance


def radius_curve(rows: Rows, labeled: Tensor, picks: Tensor) -> NDArray[np.float64]:
    """Largest distance of any row to the nearest of the labeled points and the picks so far.

    Parameters
    ----------
    rows : Rows
    labeled, picks : tensor of shape (k, n_features)
    """
    radii = picks.new_zeros(len(picks))
    for _, piece in rows.parts(len(picks)):
        nearest = piece.distances(picks).cummin(1).values
        if len(labeled):
            known = nearest_distance(piece.dense(), labeled, rows.product_dtype)
            nearest = torch.minimum(nearest, known[:, None])
        radii = torch.maximum(radii, nearest.amax(0))
    return radii.cpu().numpy()


def curve_of_scores(
    selection: Selection,
    farthest: float,
    labeled: NDArray[np.int64],
    zeros: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The radii where all rows but the labeled ones could be picked.

    Parameters
    ----------
    selection : Selection
    farthest : float
        Largest distance of a row to its nearest center in the end.
    labeled, zeros : ndarray of int
        Labeled rows, and rows without direction where directions are compared.
    """
    # The radius is the score of the next pick.
    scores = np.append(selection.scores[1:], farthest)
    curve = np.maximum.accumulate(scores[::-1])[::-1]
    if len(zeros) and not np.isin(labeled, zeros).any():
        # Rows without direction are picked last, and are as far from all others as 1.
        uncovered = np.cumsum(np.isin(selection.indices, zeros)) == 0
        curve[uncovered] = np.maximum(curve[uncovered], 1.0)
    return curve
