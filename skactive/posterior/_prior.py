"""Prior covariances among the points of interest: the pool rows, then the targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive.kernels import Kernel


class Prior(ABC):
    """Prior covariances among the points of interest: the pool rows, then the targets."""

    n_samples: int
    n_targets: int

    @property
    def n_points(self) -> int:
        return self.n_samples + self.n_targets

    @abstractmethod
    def diagonal(self) -> Tensor:
        """Prior variance of every point, of shape (n_points,)."""

    @abstractmethod
    def columns(self, points: NDArray[np.int64]) -> Tensor:
        """Covariances of all points with the given ones, of shape (n_points, n_given)."""

    @abstractmethod
    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Covariances of some points with others, of shape (n_rows, n_columns)."""

    @abstractmethod
    def among(self, rows: NDArray[np.int64]) -> Callable[[int], Tensor]:
        """A function of i: covariances of all the given rows with the i-th, on the CPU."""


class FeaturePrior(Prior):
    """Covariances evaluated by a kernel on rows of features."""

    def __init__(self, kernel: Kernel, rows: Rows, targets: Rows | None) -> None:
        self._kernel = kernel
        self._groups = [rows] if targets is None else [rows, targets]
        self.n_samples = rows.n_samples
        self.n_targets = 0 if targets is None else targets.n_samples

    def diagonal(self) -> Tensor:
        return torch.cat([self._kernel.diagonal(group) for group in self._groups])

    def columns(self, points: NDArray[np.int64]) -> Tensor:
        features = self._features(points)
        return torch.cat([self._kernel.cross(group, features) for group in self._groups])

    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        some = Rows(self._features(rows), self._groups[0].device)
        return self._kernel.cross(some, self._features(columns))

    def among(self, rows: NDArray[np.int64]) -> Callable[[int], Tensor]:
        features = self._features(rows).cpu()
        some = Rows(features, features.device)
        return lambda i: self._kernel.cross(some, features[i : i + 1])[:, 0]

    def _features(self, points: NDArray[np.int64]) -> Tensor:
        in_pool = points < self.n_samples
        features = torch.empty(len(points), self._groups[0].n_features, dtype=torch.float64)
        features = features.to(self._groups[0].device)
        features[in_pool] = self._groups[0].take(points[in_pool])
        if not in_pool.all():
            features[~in_pool] = self._groups[1].take(points[~in_pool] - self.n_samples)
        return features


class PrecomputedPrior(Prior):
    """Covariances read from the Gram matrix of the pool; targets are rows of the pool."""

    def __init__(self, kernel: Kernel, gram: Rows, targets: NDArray[np.int64] | None) -> None:
        self._kernel = kernel
        self._gram = gram
        self.n_samples = gram.n_samples
        self.n_targets = 0 if targets is None else len(targets)
        targets = np.empty(0, dtype=np.int64) if targets is None else targets
        self._positions = np.concatenate([np.arange(self.n_samples), targets])

    def diagonal(self) -> Tensor:
        return self._kernel.diagonal(self._gram)[self._positions]

    def columns(self, points: NDArray[np.int64]) -> Tensor:
        positions = torch.as_tensor(self._positions[points])
        return self._kernel.cross(self._gram, positions)[self._positions]

    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        return self._gram.take(self._positions[rows])[:, self._positions[columns]]

    def among(self, rows: NDArray[np.int64]) -> Callable[[int], Tensor]:
        return lambda i: self._gram.column(int(rows[i]))[torch.as_tensor(rows)].cpu()
