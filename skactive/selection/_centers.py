"""The centers of a cover, in the order in which they were added."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive.posterior._linalg import GrowingMatrix


class Centers(ABC):
    """The centers in the order in which they were added."""

    n_centers = 0

    @abstractmethod
    def append(self, centers: NDArray[Any]) -> None:
        """Add some."""

    @abstractmethod
    def take(self, some: NDArray[np.int64]) -> Tensor:
        """Some of them, by their numbers, float64 of shape (k, n_features)."""


class PoolCenters(Centers):
    """Centers that are rows of the pool, by their positions."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._positions = np.empty(0, dtype=np.int64)

    def append(self, centers: NDArray[Any]) -> None:
        self._positions = np.append(self._positions, centers)
        self.n_centers = len(self._positions)

    def take(self, some: NDArray[np.int64]) -> Tensor:
        return self._rows.take(self._positions[some])


class RoundedCenters:
    """The centers as fast products need them.

    Parameters
    ----------
    n_features : int
    dtype : torch.dtype
        Of the products.
    device : torch.device

    Attributes
    ----------
    largest : float
        Largest of the squared norms.
    """

    def __init__(self, n_features: int, dtype: torch.dtype, device: torch.device) -> None:
        self._points = GrowingMatrix(n_features, device=device, dtype=dtype)
        self._halves = GrowingMatrix(1, device=device, dtype=dtype)
        self.largest = 0.0

    def append(self, points: Tensor) -> None:
        """Add some, float64 of shape (k, n_features), shifted as the rows are."""
        squares = points.square().sum(1)
        self._points.append(points)
        self._halves.append(0.5 * squares)
        self.largest = max(self.largest, float(squares.max()))

    def take(self, some: slice) -> tuple[Tensor, Tensor]:
        """Some of them, and the halves of their squared norms, both rounded."""
        return self._points.rows[some], self._halves.rows[some, 0]
