"""The nearest center of every row while centers are added, exact at every moment."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from skactive._fast_squares import FastSquares
from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE

# Rows whose products with the pool are computed at once: much cheaper than one by one.
_N_COLUMNS = 64
# Of rows that may become centers; more pay where more of the last ones became centers.
_MIN_COLUMNS = 8
_COLUMNS_FOR_EACH = 4
_COLUMNS_BYTES = 64 * 2**20
_GATHERED_BYTES = 4 * 2**20
# Squared distances between unit rows that are less are the rounding of the units.
_UNIT_ROUNDING = 1e-24


class NearestCenter:
    """Squared distance of every row to the nearest center, and which that is.

    Fast products tell which rows may be nearer to a new center than to all before; for these
    alone the difference is computed in float64.

    Parameters
    ----------
    rows : Rows

    Attributes
    ----------
    squares : float64 tensor of shape (n_samples,)
        Squared distance to the nearest center; infinite without one.
    nearest : int64 tensor of shape (n_samples,)
        The earliest of the centers that tie as the nearest, in the order they were added.
    n_centers : int
    max_prepared : int
        Most rows to prepare at once.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._fast = FastSquares(rows)
        self.squares = torch.full_like(self._fast.own, torch.inf)
        self.nearest = torch.zeros(rows.n_samples, dtype=torch.int64, device=rows.device)
        self.n_centers = 0
        limit = min(_COLUMNS_BYTES, int(get_config()["working_memory"] * 2**20))
        itemsize = rows.product_dtype.itemsize
        self.max_prepared = max(1, min(_N_COLUMNS, int(limit // (itemsize * rows.n_samples))))
        self._n_used = 0
        self._columns: dict[int, int] = {}
        self._products = torch.empty(0, rows.n_samples, dtype=rows.product_dtype)

    @property
    def n_worthwhile(self) -> int:
        """How many rows to prepare, by how many of the last ones became centers."""
        return min(self.max_prepared, max(_MIN_COLUMNS, _COLUMNS_FOR_EACH * self._n_used))

    def is_prepared(self, row: int) -> bool:
        return row in self._columns

    def prepare(self, centers: NDArray[np.int64]) -> None:
        """Compute the products with rows that may become centers soon, in place of others."""
        points = self._fast.shifted(self._rows.take(centers))
        shape = len(centers), self._rows.n_samples
        self._products = self._products.new_empty(shape, device=self._rows.device)

        def visit(part: slice, products: Tensor) -> None:
            self._products[:, part] = products

        self._rows.visit_products(points, visit, self._fast.origin)
        self._columns = {int(row): at for at, row in enumerate(centers)}
        self._n_used = 0

    def add(self, center: int) -> None:
        """Add a row to the centers."""
        if not self.is_prepared(center):
            self.prepare(np.array([center]))
        point = self._rows.take([center])
        square = self._fast.shifted(point).square().sum()
        own = self._fast.own
        slack = self._fast.slack(own, square)
        least = own - 2 * self._products[self._columns[center]].double() + (square - slack)
        # "Not larger", so that NaN is computed again, too.
        near = (~(least > self.squares)).nonzero()[:, 0]
        found = self._exact(near, point)
        closer = found < self.squares[near] * (1 - RELATIVE_TOLERANCE)
        self.squares[near[closer]] = found[closer]
        self.nearest[near[closer]] = self.n_centers
        self.n_centers += 1
        self._n_used += 1

    def _exact(self, indices: Tensor, point: Tensor) -> Tensor:
        """Squared distances of the given rows to a point, by differences."""
        rows = self._rows
        if len(indices) == rows.n_samples:
            squares = rows.squared_distances_from(point[0])
        else:
            squares = torch.empty(len(indices), dtype=torch.float64, device=rows.device)
            limit = min(_GATHERED_BYTES, int(get_config()["working_memory"] * 2**20))
            step = max(1, limit // (8 * rows.n_features))
            for start in range(0, len(indices), step):
                piece = slice(start, start + step)
                points = rows.take(indices[piece].cpu().numpy())
                squares[piece] = points.sub_(point).square_().sum(1)
        if rows.is_scaled:
            squares[squares < _UNIT_ROUNDING] = 0.0
        return squares
