"""Which rows lie in the ball around each row."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._memory import check_memory
from skactive._ties import RELATIVE_TOLERANCE
from skactive.selection._pair_sweep import BLOCK_ROWS, PairSweep

_SAMPLED_ROWS = 256  # whose balls tell how large the graph will be
_WORKING_BYTES = 40  # per neighbour of the rows at work


class BallGraph:
    """The neighbours of every row: rows strictly closer than the radius, and the row itself.

    Distances within 1e-9 of the radius count as equal to it. Fast products find the pairs;
    those too near the radius for them are decided by the differences of the rows. Memory is 4
    bytes a neighbour.

    Parameters
    ----------
    sweep : PairSweep
    radius : float
        May be infinite.
    """

    def __init__(self, sweep: PairSweep, radius: float) -> None:
        self._sweep = sweep
        self._limit = (radius * (1 - RELATIVE_TOLERANCE)) ** 2
        self.n_samples = sweep.rows.n_samples
        self._check_size(radius)
        self._starts: list[NDArray[np.int64]] = []
        self._neighbours: list[NDArray[np.int32]] = []
        for positions in sweep.blocks(np.arange(self.n_samples)):
            owners, neighbours = self._pairs(positions)
            counts = np.bincount(owners, minlength=len(positions))
            self._starts.append(np.append(0, np.cumsum(counts)))
            self._neighbours.append(neighbours[np.argsort(owners, kind="stable")])

    def neighbours(self, row: int) -> NDArray[np.int32]:
        """Rows in the ball around a row, ascending."""
        block, inside = divmod(row, BLOCK_ROWS)
        first, last = self._starts[block][inside : inside + 2]
        return self._neighbours[block][first:last]

    def degrees(self) -> NDArray[np.int64]:
        """Number of rows in each ball, of shape (n_samples,)."""
        return np.concatenate([np.diff(starts) for starts in self._starts])

    def count(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of the given rows in each ball, of shape (n_samples,)."""
        if 2 * len(rows) > self.n_samples:
            others = np.ones(self.n_samples, dtype=bool)
            others[rows] = False
            return self.degrees() - self.count(np.flatnonzero(others))
        counts = np.zeros(self.n_samples, dtype=np.int64)
        for start in range(0, len(rows), BLOCK_ROWS):
            # Balls are those of a distance: a row lies in the balls of its neighbours.
            part = [self.neighbours(row) for row in rows[start : start + BLOCK_ROWS]]
            counts += np.bincount(np.concatenate(part), minlength=self.n_samples)
        return counts

    def _check_size(self, radius: float) -> None:
        some = np.unique(np.linspace(0, self.n_samples - 1, _SAMPLED_ROWS).astype(np.int64))
        if len(some) == self.n_samples:
            return
        share = len(self._pairs(some)[0]) / len(some)
        check_memory(
            share * (4.0 * self.n_samples + _WORKING_BYTES * BLOCK_ROWS),
            torch.device("cpu"),
            f"The graph of balls of radius {radius:g}, in which {self.n_samples} rows have about "
            f"{share:.0f} neighbours each,",
            "Set a smaller radius, raise purity, or select from a part of the pool.",
        )

    def _pairs(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
        """Neighbours of the given rows, ascending, and which of the rows each belongs to."""
        sweep = self._sweep
        points = torch.as_tensor(positions, device=sweep.halves.device)
        slacks = sweep.slacks[points]
        levels = sweep.halves[points] - 0.5 * self._limit  # values above are near
        found: dict[int, tuple[Tensor, Tensor]] = {}

        def use(rows: slice, values: Tensor) -> None:
            values += sweep.slacks[rows].to(values.dtype)
            possible = values >= (levels - slacks).to(values.dtype)[:, None]
            flat = possible.flatten().nonzero()[:, 0]
            owner, column = flat // values.shape[1], flat % values.shape[1]
            near = values.flatten()[flat].to(levels)
            near -= 2 * sweep.slacks[rows][column]
            inside = near > (levels + slacks)[owner]
            doubtful = (~inside).nonzero()[:, 0]
            first, second = points[owner[doubtful]], column[doubtful] + rows.start
            decided = (sweep.exact(first, second) < self._limit) | (first == second)
            inside[doubtful] = decided
            found[rows.start] = (
                owner[inside].to(torch.int16).cpu(),
                (column[inside] + rows.start).to(torch.int32).cpu(),
            )

        sweep.visit(positions, use)
        parts = [found[start] for start in sorted(found)]
        owners = torch.cat([part[0] for part in parts]).numpy().astype(np.uint16)
        return owners, torch.cat([part[1] for part in parts]).numpy()
