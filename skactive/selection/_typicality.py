"""The most typical rows of a cluster: those with the nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from skactive._fast_squares import FastSquares
from skactive._ties import RELATIVE_TOLERANCE

# Rows compared with a block of their cluster at once, and bytes of their products.
_N_QUERIES = 1024
_N_EXACT = 64
_BLOCK_BYTES = 8 * 2**20
# Distances tie that differ by less than this share of the norms: the rounding of unit rows.
_ROUNDING = 1e-12


class TypicalRows:
    """Rows of one cluster in the order of their mean distance to their nearest neighbours.

    Fast products bound the mean distance of every row; of those that may be the smallest,
    distances are computed in float64.

    Parameters
    ----------
    fast : FastSquares
        The pool.
    members : int64 tensor of shape (n_members,)
        Positions of the rows of the cluster, at least two.
    available : boolean ndarray of shape (n_samples,)
        What may be taken.
    n_neighbors : int
        At most the number of the other members.
    """

    def __init__(
        self,
        fast: FastSquares,
        members: Tensor,
        available: NDArray[np.bool_],
        n_neighbors: int,
    ) -> None:
        self._fast, self._members, self._n_neighbors = fast, members, n_neighbors
        self._rows = members.cpu().numpy()
        self._open = available[self._rows].copy()
        self._is_exact = np.zeros(len(members), dtype=bool)
        self._lower, self._upper = self._bounds()
        self._floor = _ROUNDING * float(fast.own[members].max()) ** 0.5

    def take(self) -> tuple[int, float]:
        """The lowest row that ties as the most typical of those left, and its mean distance."""
        limit = self._limit(self._upper[self._open].min())
        while not (self._open & self._is_exact & (self._upper <= self._floor)).any():
            # Among copies the first will do, so that there the others need no distances.
            doubtful = np.flatnonzero(self._open & ~self._is_exact & (self._lower <= limit))
            if not len(doubtful):
                break
            batch = doubtful[:_N_EXACT]
            self._lower[batch] = self._upper[batch] = self._exact(batch)
            self._is_exact[batch] = True
            limit = self._limit(self._upper[self._open].min())
        limit = self._limit(self._upper[self._open & self._is_exact].min())
        at = int(np.flatnonzero(self._open & self._is_exact & (self._upper <= limit))[0])
        self._open[at] = False
        return int(self._rows[at]), float(self._upper[at])

    def _limit(self, best: float) -> float:
        return float(best * (1 + RELATIVE_TOLERANCE) + self._floor)

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of the mean distance of every member."""
        n = len(self._members)
        lower, upper = np.zeros(n), np.full(n, np.inf)
        fast, dtype = self._fast, self._fast.rows.product_dtype
        own = fast.own[self._members]
        largest = own.max()
        for start in range(0, n, _N_QUERIES):
            queries = self._members[start : start + _N_QUERIES]
            points = self._gather(queries, dtype)
            squares = own[start : start + _N_QUERIES]
            smallest = points.new_empty(len(points), 0)
            for block in self._blocks(len(points), dtype):
                others = self._gather(self._members[block], dtype)
                halves = (own[block] / 2).to(dtype)
                values = torch.addmm(halves, points, others.T, alpha=-1)
                self._hide_own(values, start, block)
                smallest = self._merged(smallest, values)
            found = squares[:, None] + 2 * smallest.double()
            slack = fast.slack(squares, largest)[:, None]
            part = slice(start, start + len(points))
            lower[part] = (found - slack).clamp_(min=0).sqrt_().mean(1).cpu().numpy()
            upper[part] = (found + slack).clamp_(min=0).sqrt_().mean(1).cpu().numpy()
        # The rounding of the sums.
        return lower * (1 - RELATIVE_TOLERANCE), upper * (1 + RELATIVE_TOLERANCE)

    def _exact(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean distance of some members to their nearest neighbours, by differences."""
        at = torch.as_tensor(positions, device=self._members.device)
        points = self._take(self._members[at])
        smallest = points.new_empty(len(points), 0)
        for block in self._blocks(len(points), torch.float64):
            others = self._take(self._members[block])
            values = torch.cdist(points, others, compute_mode=_DIRECT)
            mine = at[:, None] == torch.arange(block.start, block.stop, device=at.device)
            smallest = self._merged(smallest, values.masked_fill_(mine, torch.inf))
        means: NDArray[np.float64] = smallest.mean(1).cpu().numpy()
        return means

    def _merged(self, smallest: Tensor, values: Tensor) -> Tensor:
        values = torch.cat([smallest, values], 1)
        k = min(self._n_neighbors, values.shape[1])
        return values.topk(k, 1, largest=False).values

    def _hide_own(self, values: Tensor, start: int, block: slice) -> None:
        """No row is its own neighbour."""
        first, stop = max(start, block.start), min(start + len(values), block.stop)
        if first < stop:
            at = torch.arange(first, stop, device=values.device)
            values[at - start, at - block.start] = torch.inf

    def _blocks(self, n_queries: int, dtype: torch.dtype) -> list[slice]:
        limit = min(_BLOCK_BYTES, int(get_config()["working_memory"] * 2**20))
        step = max(1, limit // (dtype.itemsize * (n_queries + self._fast.rows.n_features)))
        n = len(self._members)
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def _gather(self, indices: Tensor, dtype: torch.dtype) -> Tensor:
        points = self._fast.rows.take(indices.cpu().numpy(), dtype)
        return points if self._fast.origin is None else points - self._fast.origin.to(dtype)

    def _take(self, indices: Tensor) -> Tensor:
        return self._fast.rows.take(indices.cpu().numpy())


_DIRECT = "donot_use_mm_for_euclid_dist"
