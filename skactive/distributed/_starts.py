"""k-means++ on a pool in parts: the same draws as in memory.

Each part keeps the squared distance of its rows to the nearest center. It reports their sum, is
told which shares of that the driver has drawn, and answers with those rows; about 64 draws take
two calls. Only the drawn rows travel. Where rows are left without any distance, the driver draws a
permutation of all rows that may still be picked, of 8 bytes each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._kmeans_starts import Drawn, Nearest, Remaining, draw_all, draw_distant
from skactive._points import RowPoints
from skactive._rows import Rows
from skactive._weighted_rows import locate
from skactive.distributed._part import Part
from skactive.distributed._partitions import Partitions
from skactive.distributed._pool import PartitionedPool

_SENT_BYTES = 2**20  # of centers at a time


def k_means_plus_plus(
    pool: PartitionedPool,
    n_picks: int,
    *,
    unit_norm: bool,
    centers: NDArray[np.int64],
    random_state: np.random.RandomState,
    mean: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw rows by D²; compare `skactive._kmeans_starts.k_means_plus_plus`.

    Candidates are the available rows of the parts, under `unit_norm` those that have a direction.
    The states of the parts are left as they were.

    Parameters
    ----------
    pool : PartitionedPool
    n_picks : int
        At most as many as there are candidates.
    unit_norm : bool
        Whether distances are those of the rows divided by their norms.
    centers : ndarray of shape (n_centers,)
        Positions of the first centers; under `unit_norm` with a direction each.
    random_state : RandomState
    mean : ndarray of shape (n_features,), default=None
        Mean row of the pool (of the unit rows under `unit_norm`), where it is known.

    Returns
    -------
    indices, scores : ndarray of shape (n_picks,)
        The picks in order, and D² of each when it was picked; infinite for the first where there
        is no center.
    """
    if mean is None:
        mean = np.sum(pool.parts.map(sum_of_rows, unit_norm), axis=0) / pool.parts.n_samples
    remaining = PartsLeft(pool.parts, RowMeasure(unit_norm, mean), centers)
    found = draw_all(remaining, n_picks, has_centers=len(centers) > 0, random_state=random_state)
    remaining.close()
    return found


def draw_by_distance(
    pool: PartitionedPool,
    n_picks: int,
    *,
    measure: Measure,
    centers: NDArray[np.int64],
    random_state: np.random.RandomState,
) -> NDArray[np.int64]:
    """Rows drawn by D² of some kind of distance, as long as any is left; see `PartsLeft`."""
    remaining = PartsLeft(pool.parts, measure, centers)
    picks, _ = draw_distant(remaining, n_picks, random_state)
    remaining.close()
    return picks


def sum_of_rows(part: Part, message: bool, own: None) -> NDArray[np.float64]:
    """Sum of the rows of a part; of the unit rows if told so."""
    rows = part.rows.unit() if message else part.rows
    total: NDArray[np.float64] = (rows.mean() * rows.n_samples).cpu().numpy()
    return total


class Measure(ABC):
    """From rows as they are stored to points between which distances are measured."""

    unit_norm: bool
    """Whether only rows with a direction are drawn."""
    unknown_square: float

    @abstractmethod
    def points(self, rows: Rows) -> RowPoints:
        """The rows of a part, or some that have been sent."""


@final
class RowMeasure(Measure):
    """Euclidean distances, of unit rows or others.

    Parameters
    ----------
    unit_norm : bool
    mean : ndarray of shape (n_features,)
        Mean of all such rows.
    """

    unknown_square = RowPoints.unknown_square

    def __init__(self, unit_norm: bool, mean: NDArray[np.float64]) -> None:
        self.unit_norm = unit_norm
        self._mean = mean

    def points(self, rows: Rows) -> RowPoints:
        mean = torch.as_tensor(self._mean, device=rows.device)
        return RowPoints(rows.unit() if self.unit_norm else rows, mean)


class _Sum(NamedTuple):
    """The squared distances of the rows of a part that may be drawn."""

    total: float
    exponent: int  # of the unit of the total
    n_free: int


class _State:
    """What a part keeps while rows are drawn, and what it kept before."""

    def __init__(self, part: Part, measure: Measure) -> None:
        self.before = part.state
        self.measure = measure
        free = part.available.clone()
        if measure.unit_norm:
            free &= part.rows.squared_norms() > 0
        self.nearest = Nearest(free.cpu().numpy(), measure.unknown_square)

    def sum(self) -> _Sum:
        weighted = self.nearest.weighted
        return _Sum(weighted.total, weighted.exponent, int(self.nearest.free.sum()))


def _open(part: Part, message: Measure, own: None) -> _Sum:
    part.state = state = _State(part, message)
    return state.sum()


def _close(part: Part, message: None, own: None) -> None:
    part.state = part.state.before


class _Found(NamedTuple):
    rows: NDArray[np.int64]  # counted inside of the part
    squares: NDArray[np.float64]
    points: NDArray[Any]  # as they are stored


def _find(part: Part, message: None, own: NDArray[np.float64]) -> _Found:
    """The rows where sums are reached, in the unit of the part's total."""
    nearest = part.state.nearest
    rows = nearest.weighted.find(own)
    return _Found(rows, nearest.squares[rows], part.raw(rows))


def _add(part: Part, message: NDArray[Any], own: NDArray[np.int64]) -> _Sum:
    """Take rows for centers; those of the part's own are no longer drawn."""
    state: _State = part.state
    points = state.measure.points(part.rows)
    sent = state.measure.points(Rows(message, part.rows.device)).rows.dense()
    state.nearest.add(points.nearest_to(sent).cpu().numpy(), own)
    return state.sum()


def _at(part: Part, message: None, own: NDArray[np.int64]) -> tuple[Any, Any]:
    """The free rows of such ranks among these."""
    nearest = part.state.nearest
    rows = np.flatnonzero(nearest.free)[own]
    return rows, nearest.squares[rows]


class PartsLeft(Remaining):
    """Rows of the parts that may be drawn.

    Parameters
    ----------
    parts : Partitions
    measure : Measure
    centers : ndarray of shape (n_centers,)
    """

    def __init__(
        self,
        parts: Partitions,
        measure: Measure,
        centers: NDArray[np.int64],
    ) -> None:
        self._parts = parts
        self._measure = measure
        self._drawn: dict[int, NDArray[Any]] = {}
        self._take_sums(parts.map(_open, measure, reads=False))
        step = max(1, _SENT_BYTES // (8 * parts.n_features))
        for start in range(0, len(centers), step):
            self.pick(centers[start : start + step])

    @property
    def n_free(self) -> int:
        return int(self._n_free.sum())

    @property
    def is_used_up(self) -> bool:
        return bool(self._ends[-1] == 0)

    def draw(self, shares: NDArray[np.float64]) -> Drawn:
        parts, left = locate(self._ends, shares * self._ends[-1])
        left = np.ldexp(left, self._exponent - self._exponents[parts])
        own = [left[parts == p] for p in range(len(self._parts))]
        found = self._parts.map(_find, own=own)
        order = np.argsort(parts, kind="stable")
        squares, positions = np.empty(len(shares)), np.empty(len(shares), dtype=np.int64)
        squares[order] = np.concatenate([f.squares for f in found])
        offsets = self._parts.offsets.tolist()
        positions[order] = np.concatenate(
            [f.rows + offset for f, offset in zip(found, offsets, strict=True)]
        )
        stored = np.concatenate([f.points for f in found])
        points = np.empty_like(stored)
        points[order] = stored
        self._drawn = dict(zip(positions.tolist(), points, strict=True))
        sent = self._measure.points(Rows(points, torch.device("cpu")))
        among: Tensor = sent.between(sent.rows.dense())
        return Drawn(positions, squares, among.numpy())

    def pick(self, positions: NDArray[np.int64]) -> None:
        if all(row in self._drawn for row in positions.tolist()):
            points = np.stack([self._drawn[row] for row in positions.tolist()])
        else:
            points = self._parts.take(positions)
        self._take_sums(self._parts.map(_add, points, self._parts.split(positions)))

    def at(self, ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        ends = self._n_free.cumsum()
        parts = ends.searchsorted(ranks, side="right")
        inside = ranks - (ends - self._n_free)[parts]
        own = [inside[parts == p] for p in range(len(self._parts))]
        found = self._parts.map(_at, own=own, reads=False)
        order = np.argsort(parts, kind="stable")
        positions, squares = np.empty(len(ranks), dtype=np.int64), np.empty(len(ranks))
        offsets = self._parts.offsets
        positions[order] = np.concatenate([offsets[p] + rows for p, (rows, _) in enumerate(found)])
        squares[order] = np.concatenate([s for _, s in found])
        return positions, squares

    def close(self) -> None:
        """Give the parts their state back."""
        self._parts.map(_close, reads=False)

    def _take_sums(self, sums: list[_Sum]) -> None:
        self._n_free = np.array([s.n_free for s in sums])
        self._exponents = np.array([s.exponent for s in sums], dtype=np.int32)
        totals = np.array([s.total for s in sums])
        self._exponent = int(self._exponents[totals > 0].max(initial=-1100))
        self._ends = np.ldexp(totals, self._exponents - self._exponent).cumsum()
