"""Rows drawn by their weights, the same ones wherever the rows are summed up."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Running sums start anew after so many rows: rounding would grow with their number.
_BLOCK = 4096


class WeightedRows:
    """Rows, and the running sums of their weights.

    Parameters
    ----------
    weights : ndarray of shape (n_samples,)
        Finite and >= 0.

    Attributes
    ----------
    exponent : int
        Sums are given in units of ``2**exponent``, in which the largest weight is below 1:
        exactly, and without overflow.
    total : float
        The sum of all weights.
    """

    def __init__(self, weights: NDArray[np.float64]) -> None:
        largest = float(weights.max(initial=0.0))
        if not math.isfinite(largest):
            raise ValueError(
                f"the largest squared distance == {largest!r}, must be finite. Rescale the "
                "features to a moderate range, for instance with "
                "sklearn.preprocessing.StandardScaler."
            )
        self.exponent = math.frexp(largest)[1]
        self._weights = np.ldexp(weights, -self.exponent)
        self._ends = np.add.reduceat(self._weights, np.arange(0, len(weights), _BLOCK)).cumsum()
        self.total = float(self._ends[-1])

    def find(self, sums: NDArray[np.float64]) -> NDArray[np.int64]:
        """The first row up to which the weights exceed each of the given sums, or the last one."""
        blocks, left = locate(self._ends, sums)
        return np.array(
            [self._find(int(b), s) for b, s in zip(blocks, left, strict=True)], dtype=np.int64
        )

    def _find(self, block: int, left: float) -> int:
        first = block * _BLOCK
        weights = self._weights[first : first + _BLOCK]
        row = int(weights.cumsum().searchsorted(left, side="right"))
        last = int(weights.nonzero()[0][-1])  # where rounding leads beyond
        return first + min(row, last)


def locate(
    ends: NDArray[np.float64], sums: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """In which of some consecutive blocks the given sums are reached, and what is left there.

    Parameters
    ----------
    ends : ndarray of shape (n_blocks,)
        Running sums at the ends of the blocks; the last one > 0.
    sums : ndarray of shape (n_sums,)
    """
    sums = np.minimum(sums, np.nextafter(ends[-1], 0.0))
    blocks = ends.searchsorted(sums, side="right")
    return blocks, sums - np.append(0.0, ends)[blocks]
