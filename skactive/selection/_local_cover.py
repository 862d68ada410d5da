"""Exact distances of a few rows to the nearest center while centers are added."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from torch import Tensor

from skactive._threads import all_threads, for_each

_PIECE_ENTRIES = 2**22  # of a float64 matrix of differences, 32 MiB
_STRIPE = 256  # points, for one thread


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
        self.closest = np.full(len(rows), -1)  # which of the added centers is the nearest, if one
        self._points = points.numpy()
        self._nearest = nearest.numpy()
        shifted = (points - points.mean(0)).to(product_dtype)
        squares = shifted.square().sum(1)
        error = _expansion_error(points.shape[1], product_dtype) * float(squares.max())
        with all_threads():
            between = torch.addmm(squares - error, shifted, shifted.T, alpha=-2)
        between += squares[:, None]
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
        is_closer = distances < self._nearest[closer]
        closer = closer[is_closer]
        self._nearest[closer] = distances[is_closer]
        self.closest[closer] = self.added
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
        lower_by_pairs(found, points[part], which, lambda pair: centers[center[pair]], step)
        nearest[part] = found

    step = max(1, min(_STRIPE, _PIECE_ENTRIES // len(centers)))
    for_each(gen_batches(len(points), step), find)
    return nearest


def lower_by_pairs(
    distances: Tensor, points: Tensor, which: Tensor, take: Callable[[slice], Tensor], size: int
) -> None:
    """Lower distances of points by those from single centers, by the differences of rows.

    Parameters
    ----------
    distances : tensor of shape (n_points,)
    points : tensor of shape (n_points, n_features)
    which : tensor of shape (n_pairs,)
        The point of each pair.
    take : callable
        From a slice of the pairs to their centers.
    size : int
        Most pairs at a time.
    """
    for pair in gen_batches(len(which), size):
        point = which[pair]
        distances.scatter_reduce_(0, point, (points[point] - take(pair)).norm(dim=1), "amin")


def _expansion_error(n_features: int, dtype: torch.dtype) -> float:
    """Bound for |a|² + |b|² - 2 a·b in units of the larger square, twice over."""
    return 4 * (n_features + 8) * torch.finfo(dtype).eps
