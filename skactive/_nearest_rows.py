"""For each of many centers in turn the nearest row that is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

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
# Rows noted where all distances are known, and centers for which these are found out together: at
# most so many as have rows left after that, and fewer at first.
_N_EXACT = 64
_FEW_EXACT = 8
# Squared distances are equal but for rounding that differ by so little, and so much of the floor.
_EQUAL, _EQUAL_FLOOR = 1e-12, 1e-3
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
    notes = _NotesInMemory(rows, centers, available)
    return notes.take_all()


class Noted(NamedTuple):
    """Available rows near to some centers, as one part of the pool has noted them."""

    rows: NDArray[np.int64]
    """Of shape (n_centers, n_noted)."""
    squares: NDArray[np.float64]
    """Their squared distances; infinite where there is no such row."""
    others: NDArray[np.float64]
    """Of shape (n_centers,): no other row is nearer than that, ..."""
    tied: NDArray[np.float64]
    """... but for rows that tie with the nearest: more than are noted, none nearer than that. Those
    noted are the lowest ones."""
    is_equal: NDArray[np.bool_]
    """Whether these differ by rounding alone."""


class Notes(ABC):
    """The nearest available rows of some centers, and how far all others are at least.

    Parameters
    ----------
    n_centers : int
    largest : float
        Largest squared norm of all rows.
    """

    def __init__(self, n_centers: int, largest: float) -> None:
        self._n_centers = n_centers
        self.floor = _ROUNDING * largest
        self._first = self._end = 0  # of the centers with notes
        self._noted: list[Noted] = []
        self.n_exact = _FEW_EXACT  # centers for which all distances are found out together

    @abstractmethod
    def _note(self, centers: slice) -> list[Noted]:
        """Note rows for some centers, each part of the pool for itself."""

    @abstractmethod
    def _are_left(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of noted rows no center before has taken."""

    @abstractmethod
    def _take(self, row: int) -> None:
        """Give the row to a center."""

    def take_all(self) -> NDArray[np.int64]:
        """For each center in turn its nearest row."""
        taken = [self._take_nearest(j) for j in range(self._n_centers)]
        return np.array(taken, dtype=np.int64)

    def _take_nearest(self, center: int) -> int:
        row = self._nearest_noted(center)
        if row is None:
            if self._end:  # as many as have been of use, and as many again
                self.n_exact = min(2 * (center - self._first), _N_EXACT)
            self._first, self._end = center, min(center + _N_CENTERS, self._n_centers)
            self._noted = self._note(slice(self._first, self._end))
            row = self._nearest_noted(center)
        assert row is not None  # fresh notes of the first center leave nothing open
        self._take(row)
        return row

    def _nearest_noted(self, center: int) -> int | None:
        """Lowest of the noted rows that tie as the nearest, if no other may be as near."""
        if not self._first <= center < self._end:
            return None
        at = center - self._first
        rows = np.concatenate([noted.rows[at] for noted in self._noted])
        squares = np.concatenate([noted.squares[at] for noted in self._noted])
        left = self._are_left(rows)
        limit = tie_limit(float(squares.min(where=left, initial=np.inf)), self.floor)
        start = 0
        for noted in self._noted:
            end = start + noted.rows.shape[1]
            if not limit < noted.others[at]:
                return None
            if limit >= noted.tied[at]:
                known = left[start:end][np.isfinite(noted.squares[at])]
                if not (known.any() if noted.is_equal[at] else known.all()):
                    return None
            start = end
        return int(rows[left & (squares <= limit)].min())


def tie_limit(smallest: float, floor: float) -> float:
    """Squared distances up to here tie with the smallest."""
    return (1 + RELATIVE_TOLERANCE) * smallest + floor


class _NotesInMemory(Notes):
    def __init__(self, rows: Rows, centers: Tensor, available: Tensor) -> None:
        super().__init__(len(centers), float(rows.squared_norms().max()))
        self._centers = centers
        self._available = available.clone()
        self._fast = FastSquares(rows)

    def _note(self, centers: slice) -> list[Noted]:
        some = self._centers[centers]
        return [note_rows(self._fast, some, self._available, self.floor, self.n_exact)]

    def _are_left(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        left: NDArray[np.bool_] = self._available[torch.as_tensor(rows)].cpu().numpy()
        return left

    def _take(self, row: int) -> None:
        self._available[row] = False


def note_rows(
    fast: FastSquares, centers: Tensor, available: Tensor, floor: float, n_exact: int
) -> Noted:
    """Note a few available rows for each of some centers, by one sweep.

    Where more rows may tie than are noted, they are sought by float64 products, and at last by
    float64 distances.

    Parameters
    ----------
    fast : FastSquares
        Of the rows.
    centers : float64 tensor of shape (n_centers, n_features)
    available : boolean tensor of shape (n_samples,)
    floor : float
        Of the limit within which squared distances tie.
    n_exact : int
        For how many centers, the first ones, float64 distances may be found out.
    """
    noted = _note(fast, centers, available)
    doubtful = _doubtful(noted, floor)
    if len(doubtful) and fast.rows.product_dtype != torch.float64:
        some = torch.from_numpy(doubtful).to(centers.device)
        precise = _note(FastSquares(fast.rows.precise()), centers[some], available)
        for values, better in zip(noted, precise, strict=True):
            values[doubtful] = better
        doubtful = _doubtful(noted, floor)
    for center in doubtful[:n_exact].tolist():
        squares = fast.rows.squared_distances_from(centers[center]).cpu().numpy()
        left = np.flatnonzero(available.cpu().numpy())
        noted = _note_exactly(noted, center, left, squares[left], floor)
    return noted


def _doubtful(noted: Noted, floor: float) -> NDArray[np.int64]:
    """Centers to which other rows than those noted may be as near."""
    nearest = noted.squares.min(1)
    limits = (1 + RELATIVE_TOLERANCE) * nearest + floor
    # Not ">=": what is not a number proves nothing.
    return np.flatnonzero(np.isfinite(nearest) & ~(limits < noted.others))


def _note_exactly(
    noted: Noted,
    center: int,
    left: NDArray[np.int64],
    squares: NDArray[np.float64],
    floor: float,
) -> Noted:
    """Note rows of a center given the squared distances of all that are left."""
    smallest = float(squares.min())
    ties = squares <= tie_limit(smallest, floor)
    noted.tied[center] = np.inf
    if ties.sum() <= _N_EXACT:
        order = np.argsort(squares, kind="stable")
        rows, noted.others[center] = order[:_N_EXACT], squares[order[_N_EXACT:]].min(initial=np.inf)
    else:
        tied = np.flatnonzero(ties)
        noted.others[center] = squares[~ties].min(initial=np.inf)
        noted.tied[center] = smallest
        largest = float(squares[tied].max())
        noted.is_equal[center] = largest <= (1 + _EQUAL) * smallest + _EQUAL_FLOOR * floor
        # Wherever the limit lies, the lowest row below is one that is nearer than all before.
        before = np.minimum.accumulate(squares[tied])
        nearer = tied[np.concatenate([[True], before[1:] < before[:-1]])]
        rows = np.union1d(tied[:_N_EXACT], nearer)
    return _with_notes(noted, center, left[rows], squares[rows])


def _with_notes(
    noted: Noted, center: int, rows: NDArray[np.int64], squares: NDArray[np.float64]
) -> Noted:
    missing = len(rows) - noted.rows.shape[1]
    if missing > 0:
        noted = noted._replace(
            rows=np.pad(noted.rows, ((0, 0), (0, missing))),
            squares=np.pad(noted.squares, ((0, 0), (0, missing)), constant_values=np.inf),
        )
    noted.squares[center] = np.inf
    noted.rows[center, : len(rows)] = rows
    noted.squares[center, : len(rows)] = squares
    return noted


def _note(fast: FastSquares, centers: Tensor, available: Tensor) -> Noted:
    rows, points = fast.rows, fast.shifted(centers)
    dtype, n_noted = rows.product_dtype, min(_N_NOTED, rows.n_samples)
    halves = (fast.own / 2).to(dtype)
    values = points[:, :0].to(dtype)
    noted = values.long()
    for part, products in rows.products(points, fast.origin):
        products.sub_(halves[part]).masked_fill_(~available[part], -torch.inf)
        best, at = products.topk(min(n_noted, products.shape[1]), 1)
        values = torch.cat([values, best], 1)
        noted = torch.cat([noted, at + part.start], 1)
        values, order = values.topk(min(n_noted, values.shape[1]), 1)
        noted = noted.gather(1, order)
    near = torch.where(available[noted], _exact(rows, centers, noted), torch.inf)
    others = np.full(len(centers), np.inf)
    if n_noted < rows.n_samples:
        squares, largest = points.square().sum(1), fast.own.max()
        least = squares - 2 * values[:, -1].double() - fast.slack(largest, squares)
        others = least.cpu().numpy()
    return Noted(
        rows=noted.cpu().numpy(),
        squares=near.cpu().numpy(),
        others=others,
        tied=np.full(len(centers), np.inf),
        is_equal=np.zeros(len(centers), dtype=bool),
    )


def _exact(rows: Rows, centers: Tensor, noted: Tensor) -> Tensor:
    """Squared distances of each center to its noted rows, by differences."""
    squares = torch.empty(noted.shape, dtype=torch.float64, device=noted.device)
    limit = min(_GATHERED_BYTES, int(get_config()["working_memory"] * 2**20))
    step = max(1, limit // (8 * noted.shape[1] * rows.n_features))
    for start in range(0, len(centers), step):
        batch = slice(start, start + step)
        points = rows.take(noted[batch].flatten().cpu().numpy())
        points = points.view(-1, noted.shape[1], rows.n_features)
        squares[batch] = (points - centers[batch, None]).square_().sum(2)
    return squares
