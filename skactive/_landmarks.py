"""What the picks are good for after selection: features for every row, and representatives."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from skactive._distances import squared_distances
from skactive._rows import Rows
from skactive._ties import first_minimum
from skactive.kernels import Kernel


class Landmarks(ABC):
    """Relation of any row to the selected samples."""

    @abstractmethod
    def transform(self, rows: Rows, components: Rows) -> Tensor:
        """Similarity or distance to each component, of shape (n_samples, n_components)."""

    @abstractmethod
    def nearest(self, rows: Rows, components: Rows) -> Tensor:
        """Position of the nearest component, of shape (n_samples,)."""


class DistanceLandmarks(Landmarks):
    """Euclidean distances, between unit rows if `unit_norm`."""

    def __init__(self, *, unit_norm: bool = False) -> None:
        self.unit_norm = unit_norm

    def transform(self, rows: Rows, components: Rows) -> Tensor:
        if self.unit_norm:
            rows, components = rows.unit(), components.unit()
        return _distances(rows, components.dense())

    def nearest(self, rows: Rows, components: Rows) -> Tensor:
        return first_minimum(self.transform(rows, components))


class KernelLandmarks(Landmarks):
    """Kernel values; nearest in the kernel distance k(x, x) - 2 k(x, s) + k(s, s)."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def transform(self, rows: Rows, components: Rows) -> Tensor:
        points = self.kernel.prepare(components).dense()
        return self.kernel.cross(self.kernel.prepare(rows), points)

    def nearest(self, rows: Rows, components: Rows) -> Tensor:
        if self.kernel.is_linear:  # the distance between rows, free of cancellation
            points = self.kernel.prepare(components).dense()
            return first_minimum(_distances(self.kernel.prepare(rows), points))
        diagonal = self.kernel.diagonal(self.kernel.prepare(components))
        return _nearest_by_kernel(self.transform(rows, components), diagonal)


class GramLandmarks(Landmarks):
    """Columns of a precomputed kernel between any rows and the pool.

    Parameters
    ----------
    positions : list of int
        Where the picks stand among the columns.
    diagonal : list of float
        k(s, s) of the picks.
    """

    def __init__(self, positions: list[int], diagonal: list[float]) -> None:
        self.positions = positions
        self.diagonal = diagonal

    def transform(self, rows: Rows, components: Rows) -> Tensor:
        return torch.stack([rows.column(j) for j in self.positions], dim=1)

    def nearest(self, rows: Rows, components: Rows) -> Tensor:
        similarity = self.transform(rows, components)
        return _nearest_by_kernel(similarity, similarity.new_tensor(self.diagonal))


def _distances(rows: Rows, points: Tensor) -> Tensor:
    return squared_distances(rows, points, origin=points.mean(0)).sqrt_()


def _nearest_by_kernel(similarity: Tensor, diagonal: Tensor) -> Tensor:
    """Smallest k(s, s) - 2 k(x, s); k(x, x) decides nothing."""
    distances = diagonal - 2 * similarity
    return first_minimum(distances, 1e-3 * diagonal.abs().amax().expand(1, 1))
