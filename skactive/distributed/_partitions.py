"""A pool in parts, wherever these are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.distributed._part import Part, Summary


class Partitions(ABC):
    """The parts of a pool, and calls that each of them answers where it lives.

    Parts without rows are left out.

    Attributes
    ----------
    n_samples, n_features : int
        Shape of the pool.
    lengths, offsets : ndarray of shape (n_parts,)
        Number of rows of each part, and position of its first row.
    rows_stay : bool
        Whether the rows are held in memory, not read again for every call.
    """

    n_features: int
    rows_stay: bool

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self.offsets = np.cumsum(self.lengths) - self.lengths
        self.n_samples = int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.lengths)

    @abstractmethod
    def open(self, device: Any) -> list[Summary]:
        """Read all rows for the first time; needed before any call."""

    @abstractmethod
    def map(
        self,
        function: Callable[[Part, Any, Any], Any],
        message: Any = None,
        own: Sequence[Any] | None = None,
        *,
        reads: bool = True,
    ) -> list[Any]:
        """Call ``function(part, message, own[p])`` for every part; one round trip.

        The function may change the part. What it does must depend on its arguments alone: where a
        worker is lost, its calls are made again elsewhere.

        Parameters
        ----------
        function : callable
            Of a module, so that it can be sent.
        message : object
            For all parts, sent to each worker once.
        own : sequence or None
            For each part alone: something small.
        reads : bool
            Whether the function reads the rows.

        Returns
        -------
        replies : list
            In the order of the parts.
        """

    @abstractmethod
    def close(self) -> None:
        """Forget the parts."""

    def split(self, positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The positions that lie in each part, counted inside of it."""
        part = np.searchsorted(self.offsets, positions, side="right") - 1
        return [positions[part == p] - self.offsets[p] for p in range(len(self))]

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Rows as they are stored, in the given order."""
        positions = np.asarray(positions, dtype=np.int64)
        rows = np.concatenate(self.map(_take, own=self.split(positions)))
        part = np.searchsorted(self.offsets, positions, side="right") - 1
        order = np.argsort(part, kind="stable")
        taken = np.empty_like(rows)
        taken[order] = rows
        return taken


def _take(part: Part, message: None, own: NDArray[np.int64]) -> NDArray[Any]:
    return part.raw(own)
