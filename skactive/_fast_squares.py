"""Squared distances by fast products, and bounds of their rounding."""

from __future__ import annotations

import torch
from torch import Tensor

from skactive._rows import Rows


class FastSquares:
    """|x - o|² + |p - o|² - 2 ⟨x - o, p - o⟩, the products as fast as the rows allow.

    Parameters
    ----------
    rows : Rows
        The rows x.
    mean : float64 tensor of shape (n_features,), default=None
        Their mean, where it is known.

    Attributes
    ----------
    origin : tensor of shape (n_features,) or None
        Products around the mean o lose fewer digits. A shift would fill sparse rows, and rows
        with a multiplier are not shifted either: None means 0.
    own : float64 tensor of shape (n_samples,)
        |x - o|².
    """

    def __init__(self, rows: Rows, mean: Tensor | None = None) -> None:
        self.rows = rows
        self.origin: Tensor | None = None
        self.own = rows.squared_norms()
        self._shift = 0.0
        if not (rows.is_scaled or rows.is_sparse):
            self.origin = rows.mean() if mean is None else mean
            self.own = rows.squared_distances_from(self.origin)
            # Shifted rows carry the rounding of what they were shifted from.
            self._shift = float(rows.squared_norms().max().sqrt() + self.origin.norm())
        self.largest = float(self.own.max())

    def shifted(self, points: Tensor) -> Tensor:
        """p - o."""
        return points if self.origin is None else points - self.origin

    def slack(self, own: Tensor, squares: Tensor) -> Tensor:
        """Bound of the rounding, from |x - o|² and |p - o|² or bounds of these."""
        rounding = torch.finfo(self.rows.product_dtype).eps
        error = self.rows.product_error * own.sqrt() + rounding * self._shift
        return 2 * squares.sqrt() * error + 4 * rounding * (own + squares)
