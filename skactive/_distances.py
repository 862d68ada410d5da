"""Squared distances between many rows and many points, by products of matrices."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skactive._rows import Rows

# |x|² + |p|² - 2⟨x, p⟩ loses the digits by which the distance is smaller than the norms; below
# this share of |x|² + |p|² it is replaced by the squared difference.
_CLOSE = 1e-3
# As few points gain nothing from a product of matrices.
_FEW_POINTS = 8
# A single pair costs about as much as this many in a sweep over all.
_PAIR_COST = 16
_ORIGIN_ROWS = 1024  # whose mean is as good an origin as that of all
_PAIR_ENTRIES = 2**18  # entries of the differences of as many pairs as are taken at once


def squared_distances(rows: Rows, points: Tensor, origin: Tensor) -> Tensor:
    """Squared distances with a relative error of about 1e-12, exactly 0 between duplicates.

    Parameters
    ----------
    rows : Rows
    points : float64 tensor of shape (k, n_features)
    origin : float64 tensor of shape (n_features,)
        A place amid the data. Distances do not depend on it, but what they are computed from
        is as large as the distances from here. Sparse rows, which a shift would fill, go
        without.

    Returns
    -------
    squares : tensor of shape (n_samples, k)
    """
    if rows.is_sparse or len(points) <= _FEW_POINTS:
        return rows.distances(points).square_()
    shifted = points - origin
    norms = (shifted * shifted).sum(1)
    squares = points.new_empty(rows.n_samples, len(points))
    for block, part in rows.parts(len(points)):
        for inner, chunk in part.chunks():
            values = squares[block][inner]
            centred = chunk - origin
            own = (centred * centred).sum(1)
            torch.addmm(norms, centred, shifted.T, alpha=-2, out=values)
            values += own[:, None]
            _correct(values, chunk, points, own, norms)
    return squares


def _correct(values: Tensor, chunk: Tensor, points: Tensor, own: Tensor, norms: Tensor) -> None:
    """Replace the squares that are small beside the norms they were computed from."""
    # "Not larger", so that the NaN of overflowing norms is replaced as well.
    some = (~(values.amin(1) > _CLOSE * (own + norms.max()))).nonzero()[:, 0]
    if len(some) == 0:
        return
    close = ~(values[some] > _CLOSE * (own[some, None] + norms))
    first, second = close.nonzero(as_tuple=True)
    if len(first) * _PAIR_COST > values.numel():
        values.copy_(torch.cdist(chunk, points, compute_mode=_DIRECT).square_())
        return
    step = max(1, _PAIR_ENTRIES // chunk.shape[1])
    pairs = torch.stack([some[first], second])
    for start in range(0, pairs.shape[1], step):
        i, j = pairs[:, start : start + step]
        difference = chunk[i] - points[j]
        values[i, j] = (difference * difference).sum(1)


def amid(rows: Rows) -> Tensor | None:
    """A point in the middle of the pool, where the pool lies far from 0 for its spread.

    A shift changes no distance, but the rounding of the products.
    """
    if rows.is_scaled or rows.is_sparse:
        return None
    some = np.linspace(0, rows.n_samples - 1, _ORIGIN_ROWS).astype(np.int64)
    origin = rows.take(np.unique(some)).mean(0)
    far = float(origin.square().sum()) > 0.5 * float(rows.squared_norms().mean())
    # One that products hold exactly, so that rows and points are shifted alike.
    return origin.to(rows.product_dtype).to(torch.float64) if far else None


_DIRECT = "donot_use_mm_for_euclid_dist"
