"""Distances of all rows to the nearest center while centers are added: bounds, and exact values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._fast_squares import FastSquares
from skactive._rows import Rows
from skactive._threads import for_each

_PIECE_ENTRIES = 2**22  # of a float64 matrix of centers or of distances, 32 MiB
_STRIPE = 256  # rows of a shortlist, for one thread


class Centers(ABC):
    """The centers in the order in which they were added."""

    n_centers = 0

    @abstractmethod
    def append(self, centers: NDArray[Any]) -> None:
        """Add some."""

    @abstractmethod
    def take(self, some: slice) -> Tensor:
        """Some of them, float64 of shape (k, n_features)."""


class PoolCenters(Centers):
    """Centers that are rows of the pool, by their positions."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._positions = np.empty(0, dtype=np.int64)

    def append(self, centers: NDArray[Any]) -> None:
        self._positions = np.append(self._positions, centers)
        self.n_centers = len(self._positions)

    def take(self, some: slice) -> Tensor:
        return self._rows.take(self._positions[some])


class Cover:
    """The pool and its centers.

    Fast products give an upper bound of every distance. A few rows at a time get their exact
    distance, by the differences of rows; it is kept with the number of centers it stands for,
    so that the next time only later centers are looked at.

    Parameters
    ----------
    rows : Rows
        The rows between which distances are measured.
    centers : Centers
        Without any yet.
    """

    def __init__(self, rows: Rows, centers: Centers) -> None:
        self.rows = rows
        self._centers = centers
        self._fast = FastSquares(rows)
        self.upper = torch.full_like(self._fast.own, torch.inf)
        self._exact = torch.full_like(self._fast.own, torch.inf)
        self._n_seen = torch.zeros_like(self._fast.own, dtype=torch.int32)
        self._local: LocalCover | None = None

    def restrict(self, rows: NDArray[np.int64]) -> LocalCover:
        """The given rows, with their exact distances."""
        points, nearest = self.exact(rows)
        self._local = LocalCover(points.cpu(), nearest.cpu(), rows, self.rows.product_dtype)
        return self._local

    def exact(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The given rows as points, and their exact distances; these become their bounds."""
        positions = torch.as_tensor(rows, device=self.rows.device)
        points = self.rows.take(rows)
        nearest, n_seen = self._exact[positions], self._n_seen[positions]
        for first in sorted(set(n_seen.tolist())):
            some = n_seen == first
            for centers in self._centers_from(first):
                found = nearest_distance(points[some], centers, self.rows.product_dtype)
                nearest[some] = torch.minimum(nearest[some], found)
        self._set(positions, nearest, self._centers.n_centers)
        return points, nearest

    def add(self, centers: NDArray[Any]) -> None:
        """Lower the bounds by further centers."""
        local, self._local = self._local, None
        first = self._centers.n_centers
        if local is not None and local.added:
            # The first of the centers were added to the shortlist one by one.
            positions = torch.as_tensor(local.rows, device=self.rows.device)
            self._set(positions, local.nearest, first + local.added)
        self._centers.append(centers)
        for points in self._centers_from(first):
            self._sweep(points)

    @property
    def _piece_rows(self) -> int:
        return max(1, _PIECE_ENTRIES // int(self.rows.n_features))

    def _centers_from(self, first: int) -> Iterator[Tensor]:
        for start in range(first, self._centers.n_centers, self._piece_rows):
            yield self._centers.take(slice(start, start + self._piece_rows))

    def _set(self, positions: Tensor, nearest: Tensor, n_seen: int) -> None:
        nearest = nearest.to(self._exact)
        self._exact[positions] = nearest
        self._n_seen[positions] = n_seen
        self.upper[positions] = nearest

    def _sweep(self, points: Tensor) -> None:
        """min_p |x - p| <= sqrt(|x|² + min_p (|p|² - 2 x·p) + rounding)."""
        points = self._fast.shifted(points)
        squares = points.square().sum(1)
        largest = squares.max()
        alike = bool(largest - squares.min() <= self.rows.product_error * largest)
        halves = (0.5 * squares).to(self.rows.product_dtype)[:, None]

        def visit(rows: slice, products: Tensor) -> None:
            if alike:  # no need to tell them apart: a pass less
                rest = largest - 2 * products.amax(0).to(squares)
            else:
                rest = -2 * products.sub_(halves).amax(0).to(squares)
            own = self._fast.own[rows]
            bound = (own + rest + self._fast.slack(own, largest)).clamp_(min=0.0).sqrt_()
            torch.minimum(self.upper[rows], bound, out=self.upper[rows])

        self.rows.visit_products(points, visit, self._fast.origin)


class LocalCover:
    """A few rows and their exact distances to the nearest center.

    Parameters
    ----------
    points : float64 tensor of shape (n_rows, n_features)
        On the CPU.
    nearest : tensor of shape (n_rows,)
    rows : ndarray of shape (n_rows,)
        Their positions in the pool.
    product_dtype : torch.dtype
        Type in which it is found out which distances may fall.
    """

    def __init__(
        self,
        points: Tensor,
        nearest: Tensor,
        rows: NDArray[np.int64],
        product_dtype: torch.dtype,
    ) -> None:
        self.rows = rows
        self.added = 0
        self._points = points.numpy()
        self._nearest = nearest.numpy()
        shifted = (points - points.mean(0)).to(product_dtype)
        squares = shifted.square().sum(1)
        error = _expansion_error(points.shape[1], product_dtype) * float(squares.max())
        between = torch.empty(len(points), len(points), dtype=product_dtype)

        def fill(part: slice) -> None:
            torch.addmm(
                squares - error, shifted[part], shifted.T, alpha=-2, out=between[part]
            ).add_(squares[part, None])

        for_each(gen_batches(len(points), _STRIPE), fill)
        # Lower bounds of the squared distances between the rows.
        self._between = between.numpy()

    @property
    def nearest(self) -> Tensor:
        """Distance of each row to the nearest center."""
        return torch.from_numpy(self._nearest)

    def add(self, i: int) -> None:
        """Make the i-th row a center."""
        closer = np.flatnonzero(self._between[i] < np.square(self._nearest))
        differences = self._points[closer] - self._points[i]
        distances = np.sqrt(np.einsum("ij,ij->i", differences, differences))
        self._nearest[closer] = np.minimum(self._nearest[closer], distances)
        self.added += 1


def nearest_distance(
    points: Tensor, centers: Tensor, product_dtype: torch.dtype = torch.float64
) -> Tensor:
    """Distance of every point to the nearest center, by the differences of rows.

    Parameters
    ----------
    points : float64 tensor of shape (n_points, n_features)
    centers : float64 tensor of shape (n_centers, n_features)
        At least one.
    product_dtype : torch.dtype
        Type in which it is found out which centers may be the nearest.

    Returns
    -------
    distances : tensor of shape (n_points,)
    """
    origin = centers.mean(0)
    a, b = (points - origin).to(product_dtype), (centers - origin).to(product_dtype)
    a_squares, b_squares = a.square().sum(1), b.square().sum(1)
    error = _expansion_error(points.shape[1], product_dtype)
    largest = b_squares.max()
    nearest = torch.empty_like(points[:, 0])

    def find(part: slice) -> None:
        rest = torch.addmm(b_squares[None, :], a[part], b.T, alpha=-2)  # all but |a|²
        limit = rest.amin(1) + error * torch.maximum(a_squares[part], largest)
        which, center = torch.nonzero(rest <= limit[:, None], as_tuple=True)
        found = torch.full_like(nearest[part], torch.inf)
        for pair in gen_batches(len(which), step):
            difference = points[part][which[pair]] - centers[center[pair]]
            found.scatter_reduce_(0, which[pair], difference.norm(dim=1), "amin")
        nearest[part] = found

    step = max(1, min(_STRIPE, _PIECE_ENTRIES // len(centers)))
    for_each(gen_batches(len(points), step), find)
    return nearest


def _expansion_error(n_features: int, dtype: torch.dtype) -> float:
    """Bound for |a|² + |b|² - 2 a·b in units of the larger square, twice over."""
    return 4 * (n_features + 8) * torch.finfo(dtype).eps
