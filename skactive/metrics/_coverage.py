"""How far the rows of a pool are from the picks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._distances import squared_distances
from skactive._rows import Rows
from skactive._validation import check_choice, check_number
from skactive.metrics._inputs import as_rows

__all__ = ["coverage_radius"]

_BLOCK = 1024  # picks whose features are held at a time


def coverage_radius(
    X: Any, picks: Any, *, metric: str = "euclidean", quantile: float = 1.0
) -> float:
    r"""Radius within which picks cover a share of the pool.

    With :math:`d(x) = \min_{s \in S} \|x - s\|` the distance of a row to its nearest pick, the
    smallest :math:`r` for which at least ``quantile`` of the rows have :math:`d(x) \le r`. At 1
    it is the objective of k-center, :math:`\max_x d(x)`, which a single outlier decides; at 0.9
    a tenth of the rows may lie outside.

    Time is O(n b d) for b picks from n rows of d features, memory beside the pool O(n).

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n_samples, n_features)
        The pool.
    picks : array-like of shape (n_picks,) or (n_samples,)
        Positions of the picks, for instance ``indices_`` of a selector, or a boolean mask.
        Picks are rows of the pool, too, at distance 0.
    metric : {"euclidean", "cosine"}, default="euclidean"
        "cosine" is the Euclidean distance between rows of unit norm, as in
        :class:`~skactive.CoreSetSelector`; rows of zeros then are at distance 1 of all others.
    quantile : float in (0, 1], default=1.0
        Share of the rows to cover.

    Returns
    -------
    radius : float
        In the units of the features.

    References
    ----------
    O. Sener, S. Savarese: Active Learning for Convolutional Neural Networks: A Core-Set
    Approach. ICLR 2018.

    Examples
    --------
    >>> from skactive.metrics import coverage_radius
    >>> X = [[0.0], [1.0], [2.0], [10.0]]
    >>> coverage_radius(X, [1])
    9.0
    >>> coverage_radius(X, [1], quantile=0.75)
    1.0
    """
    check_choice(metric, "metric", ("euclidean", "cosine"))
    check_number(quantile, "quantile")
    if quantile > 1:
        raise ValueError(f"quantile == {quantile!r}, must be <= 1. It is a share of the rows.")
    rows = as_rows(X, "X")
    positions = _check_picks(picks, rows.n_samples)
    nearest = _nearest(rows.unit() if metric == "cosine" else rows, positions)
    # The first place by which the share is reached: 7 of 100 rows are 0.07, though 100 · 0.07
    # is more than 7 in floats.
    shares = np.arange(1, rows.n_samples + 1) / rows.n_samples
    place = np.searchsorted(shares, quantile)
    return float(np.partition(nearest.cpu().numpy(), place)[place])


def _nearest(rows: Rows, picks: NDArray[np.int64]) -> Tensor:
    """Distance of every row to its nearest pick, of shape (n_samples,)."""
    squares = torch.full((rows.n_samples,), torch.inf, dtype=torch.float64, device=rows.device)
    origin = rows.mean()
    for start in range(0, len(picks), _BLOCK):
        points = rows.take(picks[start : start + _BLOCK])
        for block, part in rows.parts(len(points)):
            found = squared_distances(part, points, origin).amin(1)
            squares[block] = torch.minimum(squares[block], found)
    squares[torch.as_tensor(picks)] = 0.0
    return squares.sqrt_()


def _check_picks(picks: Any, n_samples: int) -> NDArray[np.int64]:
    """Positions of the picks, from a boolean mask or from positions."""
    values = np.asarray(picks)
    allowed = f"positions in [0, {n_samples}) or a boolean mask of length {n_samples}"
    if values.ndim != 1:
        raise ValueError(
            f"picks must be {allowed}; got an array of {values.ndim} dimensions. Pass the row "
            "numbers of the picks, not their features."
        )
    if values.dtype == bool:
        if len(values) != n_samples:
            raise ValueError(
                f"picks must be {allowed}; got a mask of length {len(values)}. Make it as long "
                "as X."
            )
        values = np.flatnonzero(values)
    if len(values) == 0:
        raise ValueError(f"picks must be {allowed}; got none. Pass at least one pick.")
    if values.dtype.kind not in "iu":
        raise ValueError(
            f"picks must be {allowed}; got values of type {values.dtype}. Convert them with "
            ".astype(int)."
        )
    outside = values[(values < 0) | (values >= n_samples)]
    if len(outside):
        raise ValueError(
            f"picks must be {allowed}; got {outside[0]}. Positions count from 0 and are those of "
            "the same X."
        )
    return values.astype(np.int64)
