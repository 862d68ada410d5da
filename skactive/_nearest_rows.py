"""For each of many centers in turn the nearest row that is left."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from skactive._fast_squares import FastSquares
from skactive._rows import Rows
from skactive._ties import RELATIVE_TOLERANCE

# Rows noted for each center: those taken by centers before it are passed over.
_N_NOTED = 8
# Centers whose notes are made together, by one sweep.
_N_CENTERS = 256
_GATHERED_BYTES = 4 * 2**20
# Of squared distances, as a share of the largest square.
_ROUNDING = 1e-24


def nearest_rows(rows: Rows, centers: Tensor, available: Tensor) -> NDArray[np.int64]:
    """For each center in turn its nearest available row, the lowest one where several tie.

    A sweep by fast products notes a few rows for each of some centers, among which float64
    distances decide; where they may not include the nearest row that is left, a further sweep
    makes the notes anew.

    Parameters
    ----------
    rows : Rows
    centers : float64 tensor of shape (n_centers, n_features)
    available : boolean tensor of shape (n_samples,)
        As many rows as centers, at least.

    Returns
    -------
    indices : ndarray of shape (n_centers,)
        All different.
    """
    notes = _Notes(rows, centers, available)
    return np.array([notes.take_nearest(j) for j in range(len(centers))], dtype=np.int64)


class _Notes:
    """The nearest available rows of some centers, and how far all others are at least."""

    def __init__(self, rows: Rows, centers: Tensor, available: Tensor) -> None:
        self._rows, self._centers = rows, centers
        self._available = available.cpu().numpy().copy()
        self._fast = FastSquares(rows)
        self._floor = _ROUNDING * float(rows.squared_norms().max())
        self._first = self._end = 0  # of the centers with notes

    def take_nearest(self, center: int) -> int:
        row = self._nearest_noted(center) if center < self._end else None
        if row is None:
            self._renew(center)
            row = self._nearest_noted(center)
        if row is None:  # more ties than notes
            squares = self._rows.squared_distances_from(self._centers[center]).cpu().numpy()
            row = self._lowest(np.arange(len(squares)), squares, np.inf)
        assert row is not None  # so many rows are available as there are centers
        self._available[row] = False
        return row

    def _nearest_noted(self, center: int) -> int | None:
        at = center - self._first
        return self._lowest(self._noted[at], self._squares[at], float(self._others[at]))

    def _lowest(
        self, indices: NDArray[np.int64], squares: NDArray[np.float64], others: float
    ) -> int | None:
        """Lowest of the available rows that tie as the nearest, if no other may be as near."""
        squares = np.where(self._available[indices], squares, np.inf)
        limit = (1 + RELATIVE_TOLERANCE) * float(squares.min()) + self._floor
        return int(indices[squares <= limit].min()) if limit < others else None

    def _renew(self, first: int) -> None:
        """Note rows for the centers from the first one on."""
        rows, centers = self._rows, self._centers[first : first + _N_CENTERS]
        self._first, self._end = first, first + len(centers)
        points = self._fast.shifted(centers)
        dtype, n_noted = rows.product_dtype, min(_N_NOTED, rows.n_samples)
        halves = (self._fast.own / 2).to(dtype)
        taken = ~torch.from_numpy(self._available).to(centers.device)
        values = points[:, :0].to(dtype)
        noted = values.long()
        for part, products in rows.products(points, self._fast.origin):
            products.sub_(halves[part]).masked_fill_(taken[part], -torch.inf)
            best, at = products.topk(min(n_noted, products.shape[1]), 1)
            values = torch.cat([values, best], 1)
            noted = torch.cat([noted, at + part.start], 1)
            values, order = values.topk(min(n_noted, values.shape[1]), 1)
            noted = noted.gather(1, order)
        self._noted = noted.cpu().numpy()
        self._squares = self._exact(centers, noted)
        self._others = np.full(len(centers), np.inf)
        if n_noted < rows.n_samples:
            squares, largest = points.square().sum(1), self._fast.own.max()
            least = squares - 2 * values[:, -1].double() - self._fast.slack(largest, squares)
            self._others = least.cpu().numpy()

    def _exact(self, centers: Tensor, noted: Tensor) -> NDArray[np.float64]:
        """Squared distances of each center to its noted rows, by differences."""
        squares = torch.empty(noted.shape, dtype=torch.float64, device=noted.device)
        limit = min(_GATHERED_BYTES, int(get_config()["working_memory"] * 2**20))
        step = max(1, limit // (8 * noted.shape[1] * self._rows.n_features))
        for start in range(0, len(centers), step):
            batch = slice(start, start + step)
            points = self._rows.take(noted[batch].flatten().cpu().numpy())
            points = points.view(-1, noted.shape[1], self._rows.n_features)
            squares[batch] = (points - centers[batch, None]).square_().sum(2)
        return squares.cpu().numpy()
