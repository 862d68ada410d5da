"""Squared distances between the rows of a pool: fast ones with bounds, exact ones of few pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._fast_squares import FastSquares
from skactive._rows import Rows

BLOCK_ROWS = 256  # compared with all rows at once
_PIECE_ENTRIES = 2**18  # of the differences of as many pairs as are taken at once


class PairSweep:
    """Compares some rows with all rows.

    Half the squared distance of rows p and x is ``half(p) - (p . x - half(x))``, with half
    squared norms. The bracket, a product and a subtraction, has an error of at most
    ``slack(p) + slack(x)``.

    Parameters
    ----------
    rows : Rows
        The rows between which distances are measured.

    Attributes
    ----------
    halves, slacks : float64 tensors of shape (n_samples,)
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._fast = FastSquares(rows)
        self.halves = 0.5 * self._fast.own
        # |p||x| <= half(p) + half(x); some roundings more for sums and comparisons.
        rounding = torch.finfo(rows.product_dtype).eps
        self.slacks = (rows.product_error + 8 * rounding) * self.halves
        self.slacks += rounding * self._fast.shifted_from * self._fast.own.sqrt()

    def blocks(self, positions: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """The positions in pieces, for `visit`."""
        for start in range(0, len(positions), BLOCK_ROWS):
            yield positions[start : start + BLOCK_ROWS]

    def visit(self, positions: NDArray[np.int64], use: Callable[[slice, Tensor], None]) -> None:
        """Call ``use(rows, values)`` for slices of all rows, on several threads.

        `values`, of shape (n_positions, n_rows), are the brackets of the formula above: the
        larger, the nearer. They may be overwritten.
        """
        points = self._fast.shifted(self.rows.take(positions))

        def shifted(rows: slice, products: Tensor) -> None:
            use(rows, products.sub_(self.halves[rows].to(products.dtype)))

        self.rows.visit_products(points, shifted, self._fast.origin)

    def exact(self, first: Tensor, second: Tensor) -> Tensor:
        """Squared distances of pairs of rows, by their differences, float64 of shape (n_pairs,)."""
        squares = self.halves.new_empty(len(first))
        step = max(1, _PIECE_ENTRIES // int(self.rows.n_features))
        for start in range(0, len(first), step):
            pair = slice(start, start + step)
            a = self.rows.take(first[pair].cpu().numpy())
            b = self.rows.take(second[pair].cpu().numpy())
            squares[pair] = (a - b).square_().sum(1)
        return squares
