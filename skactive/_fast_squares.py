"""Squared distances by fast products, and bounds of their rounding."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import torch
from torch import Tensor

from skactive._distances import amid
from skactive._rows import Rows


class FastSquares:
    """|x - o|² + |p - o|² - 2 ⟨x - o, p - o⟩, the products as fast as the rows allow.

    Parameters
    ----------
    rows : Rows
        The rows x.

    Attributes
    ----------
    origin : tensor of shape (n_features,) or None
        Far from 0, products around a point o amid the rows lose fewer digits. A shift would fill
        sparse rows, and rows with a multiplier are not shifted either: None means 0.
    own : float64 tensor of shape (n_samples,)
        |x - o|².
    shifted_from : float
        Largest |x| where there is an origin, else 0: rows are rounded before they are shifted.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.origin = amid(rows)
        self.own = rows.squared_norms()
        self.shifted_from = 0.0
        if self.origin is not None:
            self.own = rows.squared_distances_from(self.origin)
            self.shifted_from = float(rows.squared_norms().max().sqrt())

    def __deepcopy__(self, memo: dict[int, Any]) -> FastSquares:
        """For rows that are attached on their own; what never changes is shared."""
        copied = memo[id(self)] = copy(self)
        copied.rows = deepcopy(self.rows, memo)
        return copied

    def shifted(self, points: Tensor) -> Tensor:
        """p - o, for `Rows.products` with the origin."""
        return points if self.origin is None else points - self.origin

    def slack(self, own: Tensor, squares: Tensor) -> Tensor:
        """Bound of the rounding, from |x - o|² and |p - o|² or bounds of these."""
        rounding = torch.finfo(self.rows.product_dtype).eps
        error = self.rows.product_error * own.sqrt() + rounding * self.shifted_from
        return 2 * squares.sqrt() * error + 4 * rounding * (own + squares)
