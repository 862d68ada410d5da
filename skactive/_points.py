"""Points between which squared distances are known, whatever holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._distances import squared_distances
from skactive._rows import Rows

# Distances from so many points at a time, at most; within working_memory, too.
_BLOCK_BYTES = 64 * 2**20
# Squared distances that are a smaller share of the squares they are computed from lose digits.
_CLOSE = 1e-3
_REFINED_ENTRIES = 2**18  # of sparse rows that are made dense at a time
# Between unit rows: what is less is the rounding of the units.
_UNIT_ROUNDING = 1e-24


class Points(ABC):
    """Points of a pool.

    Attributes
    ----------
    n_samples : int
    device : torch.device
    unknown_square : float
        What counts as squared distance where there is nothing to measure it from.
    """

    n_samples: int
    device: torch.device
    unknown_square = 1.0

    @abstractmethod
    def squares_from(self, indices: NDArray[np.int64]) -> Tensor:
        """Squared distances of all points to the given ones, of shape (n_samples, k).

        They are float64, with a relative error of about 1e-12, and exactly 0 between identical
        rows.
        """

    def squares_among(self, indices: NDArray[np.int64]) -> Tensor:
        """Squared distances between the given points alone, of shape (k, k)."""
        return self.squares_from(indices)[torch.as_tensor(indices, device=self.device)]

    def nearest_squares(self, indices: NDArray[np.int64]) -> Tensor:
        """Squared distance of all points to the nearest of the given ones, (n_samples,)."""
        nearest = torch.full((self.n_samples,), torch.inf, dtype=torch.float64, device=self.device)
        limit = min(_BLOCK_BYTES, int(get_config()["working_memory"] * 2**20))
        step = max(1, limit // (8 * self.n_samples))
        for start in range(0, len(indices), step):
            squares = self.squares_from(indices[start : start + step])
            torch.minimum(nearest, squares.amin(1), out=nearest)
        return nearest


class RowPoints(Points):
    """The rows of a feature matrix.

    Parameters
    ----------
    rows : Rows
    mean : tensor of shape (n_features,), default=None
        Mean row, where it is known.
    """

    def __init__(self, rows: Rows, mean: Tensor | None = None) -> None:
        self.rows = rows
        self.n_samples = rows.n_samples
        self.device = rows.device
        self._origin = rows.mean() if mean is None else mean

    def squares_from(self, indices: NDArray[np.int64]) -> Tensor:
        return self._between(self.rows, self.rows.take(indices))

    def squares_among(self, indices: NDArray[np.int64]) -> Tensor:
        return self.between(self.rows.take(indices))

    def nearest_squares(self, indices: NDArray[np.int64]) -> Tensor:
        return self.nearest_to(self.rows.take(indices))

    def between(self, points: Tensor) -> Tensor:
        """Squared distances between points of shape (k, n_features) that may be no rows."""
        return self._between(Rows(points, self.device), points)

    def nearest_to(self, points: Tensor) -> Tensor:
        """Squared distance of all rows to the nearest of such points."""
        nearest = torch.full((self.n_samples,), torch.inf, dtype=torch.float64, device=self.device)
        if len(points):
            for part, piece in self.rows.parts(len(points)):
                nearest[part] = self._between(piece, points).amin(1)
        return nearest

    def _between(self, rows: Rows, points: Tensor) -> Tensor:
        squares = squared_distances(rows, points, self._origin)
        if rows.is_sparse:
            _refine(squares, rows, points)
        if self.rows.is_scaled:
            squares[squares < _UNIT_ROUNDING] = 0
        return squares


def _refine(squares: Tensor, rows: Rows, points: Tensor) -> None:
    """Replace what products of sparse rows, which are not shifted, leave without digits."""
    largest = points.square().sum(1).max()
    # "Not larger", so that NaN is replaced, too.
    close = ~(squares.amin(1) > _CLOSE * (rows.squared_norms() + largest))
    indices = close.nonzero()[:, 0]
    if not len(indices):
        return
    for batch in gen_batches(len(indices), max(1, _REFINED_ENTRIES // rows.n_features)):
        some = indices[batch]
        dense = Rows(rows.take(some.cpu().numpy()), rows.device)
        squares[some] = dense.distances(points).square_()
