"""Distances of all rows to the nearest center while centers are added: bounds, and exact values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._fast_squares import FastSquares
from skactive._lagging import Follow, LaggingBounds
from skactive._rows import Rows
from skactive.selection._centers import Centers, RoundedCenters
from skactive.selection._local_cover import LocalCover, lower_by_pairs

_PIECE_ENTRIES = 2**22  # of a float64 matrix of centers, 32 MiB
_COMPARED = 4096  # centers with which rows are compared at a time
_ROUNDED_UP = 1 + 1e-6
_UNKNOWN = -1  # in the place of a center
_APART = 1 + 1e-12  # squares that differ by more do so without the rounding of the last digits


class Cover(LaggingBounds):
    """The pool and its centers.

    Fast products give an upper bound of every distance, the center it belongs to, and a lower
    bound of the distances from all other centers. A few rows at a time get their exact distance,
    by the differences of rows: from that single center, where the bounds prove that no other is
    nearer. It is kept with the number of centers it stands for, so that the next time only later
    centers are looked at.

    Parameters
    ----------
    rows : Rows
        The rows between which distances are measured.
    centers : Centers
        Without any yet.
    """

    def __init__(self, rows: Rows, centers: Centers) -> None:
        super().__init__(rows)
        self._centers = centers
        self._fast = FastSquares(rows)
        self._rounded = RoundedCenters(rows.n_features, rows.product_dtype, rows.device)
        self._upper = torch.full_like(self._fast.own, torch.inf)
        self._nearest = torch.full_like(self.followed, _UNKNOWN)
        self._others = torch.full_like(self._fast.own, torch.inf)  # squared
        self._exact = torch.full_like(self._fast.own, torch.inf)
        self._n_seen = torch.zeros_like(self.followed)  # centers the exact distance stands for
        self._local: LocalCover | None = None

    @property
    def n_changes(self) -> int:
        return self._centers.n_centers

    def upper_of(self, rows: slice | Tensor) -> Tensor:
        return self._upper[rows]

    def restrict(self, rows: NDArray[np.int64]) -> LocalCover:
        """The given rows, with their exact distances."""
        points, distances = self.exact(rows)
        self._local = LocalCover(points.cpu(), distances.cpu(), rows, self.rows.product_dtype)
        return self._local

    def exact(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The given rows as points, and their exact distances; these become their bounds."""
        positions = torch.as_tensor(rows, device=self.rows.device)
        self.catch_up(positions)
        points = self.rows.take(rows)
        distances = self._exact[positions]
        nearest = self._nearest[positions]
        is_sole = self._others[positions] > self._upper[positions].square() * _APART
        n_seen = self._n_seen[positions]
        sole = torch.nonzero(is_sole & (nearest >= n_seen))[:, 0]
        if len(sole):
            centers = self._centers.take(nearest[sole].cpu().numpy())
            distances[sole] = (points[sole] - centers).norm(dim=1)
        n_centers = self._centers.n_centers
        n_seen.masked_fill_(is_sole, n_centers)
        for first in sorted(set(n_seen[n_seen < n_centers].tolist())):
            some = torch.nonzero(n_seen == first)[:, 0]
            for start in range(first, n_centers, _COMPARED):
                piece = slice(start, min(start + _COMPARED, n_centers))
                found = self._compare(positions[some], points[some], piece)
                distances[some] = torch.minimum(distances[some], found)
            nearest[some] = _UNKNOWN
        self._set(positions, distances, nearest, n_centers)
        return points, distances

    def add(self, centers: NDArray[Any]) -> None:
        """Add centers; the bounds follow when they are sharpened."""
        local, self._local = self._local, None
        first = self._centers.n_centers
        if local is not None and local.added:
            # The first of the centers were added to the shortlist one by one.
            positions = torch.as_tensor(local.rows, device=self.rows.device)
            added = torch.as_tensor(local.closest).to(self._nearest)
            nearest = torch.where(added < 0, self._nearest[positions], first + added)
            self._set(positions, local.nearest, nearest, first + local.added)
        self._centers.append(centers)
        for points in self._centers_from(first):
            self._rounded.append(self._fast.shifted(points))

    def _compare(self, positions: Tensor, points: Tensor, centers: slice) -> Tensor:
        """Distance of some rows from the nearest of some centers, by differences of rows."""
        rounded, halves = self._rounded.take(centers)
        multiply = self.rows.product(rounded, self._fast.origin)
        nearest = torch.full_like(points[:, 0], torch.inf)

        def find(some: Tensor) -> None:
            values = multiply(positions[some]).sub_(halves)  # (|x|² - |x - p|²) / 2
            slack = self._fast.slack(self._fast.own[positions[some]], self._largest)
            limit = values.amax(1) - _ROUNDED_UP * slack.to(values)
            which, center = torch.nonzero(values >= limit[:, None], as_tuple=True)
            numbers = (centers.start + center).cpu().numpy()
            lower_by_pairs(
                nearest,
                points,
                some[which],
                lambda pair: self._centers.take(numbers[pair]),
                self._piece_rows,
            )

        self.rows.visit_positions(len(rounded), torch.arange(len(positions)).to(positions), find)
        return nearest

    @property
    def _piece_rows(self) -> int:
        return max(1, _PIECE_ENTRIES // int(self.rows.n_features))

    @property
    def _largest(self) -> Tensor:
        """Of the squared norms of the centers."""
        return self._fast.own.new_tensor(self._rounded.largest)

    def _centers_from(self, first: int) -> Iterator[Tensor]:
        n_centers = self._centers.n_centers
        for start in range(first, n_centers, self._piece_rows):
            yield self._centers.take(np.arange(start, min(start + self._piece_rows, n_centers)))

    def _set(self, positions: Tensor, distances: Tensor, nearest: Tensor, n_seen: int) -> None:
        distances = distances.to(self._exact)
        self._exact[positions] = distances
        self._upper[positions] = distances
        self._nearest[positions] = nearest
        self._others[positions] = torch.inf  # of those to come; the others are not nearer
        self._n_seen[positions] = n_seen
        self.followed[positions] = n_seen

    def _following(self, changes: slice) -> Follow:
        """|x - p|² = |x|² - 2 (x·p - |p|²/2), up to the rounding."""
        points, halves = self._rounded.take(changes)
        multiply = self.rows.product(points, self._fast.origin)
        own_squares, largest = self._fast.own, self._largest

        def follow(rows: slice | Tensor) -> None:
            center, first, second = _two_largest(multiply(rows).sub_(halves))
            own = own_squares[rows]
            slack = self._fast.slack(own, largest)
            nearest = own - 2 * first.to(own)
            known = self._upper[rows].square()
            bound = (nearest + slack).clamp_(min=0.0)
            is_nearer = bound < known
            # Of the two of which one is not the nearest; the second of these centers never is.
            others = torch.where(is_nearer, known - 2 * slack, nearest - slack)
            center = (center + changes.start).to(self._nearest)
            before = self._nearest[rows]
            others[center == before] = torch.inf  # a single one, looked at once more
            others = torch.minimum(others, own - 2 * second.to(own) - slack)
            self._others[rows] = torch.minimum(self._others[rows], others)
            self._nearest[rows] = torch.where(is_nearer, center, before)
            self._upper[rows] = torch.where(is_nearer, bound, known).sqrt_()

        return follow


def _two_largest(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where the largest value of each row is, and the two largest; overwrites the values."""
    if values.device.type == "cpu":  # NumPy compares many at once
        where = torch.from_numpy(values.numpy().argmax(1))
    else:
        where = values.argmax(1)
    first = values.gather(1, where[:, None])[:, 0]
    values.scatter_(1, where[:, None], -torch.inf)
    return where, first, values.amax(1)
