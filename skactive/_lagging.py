"""Bounds that follow what is picked only where they have to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from skactive._rows import Rows

_FIRST_CHANGES = 256  # that tell for most rows that they do not matter
_MOST_CHANGES = 4096  # at a time: with more, too few rows would fit the caches
_SAMPLE = 8192  # bounds from which it is told how many others are as large
_SHARE = 1 / 256  # of the rows: so few are not worth to be told apart
# In changes of a row: what it takes to read it, to read it among others, and to call a function.
_READ, _GATHER, _CALL = 16, 40, 100_000

Follow = Callable[[Any], None]


class LaggingBounds(ABC):
    """Upper bounds of scores that fall, if anything, with every change.

    A bound stays true while changes are made, it only becomes loose. A row whose bound is not
    among the largest can wait: it may never be needed, or make up for many changes by a single
    product, which takes hardly longer than one for a few.

    Parameters
    ----------
    rows : Rows

    Attributes
    ----------
    followed : int32 tensor of shape (n_samples,)
        How many changes each bound stands for.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.followed = torch.zeros(rows.n_samples, dtype=torch.int32, device=rows.device)
        self._width = 0  # how many rows had to follow, the last time

    @property
    @abstractmethod
    def n_changes(self) -> int:
        """How many changes there have been."""

    @abstractmethod
    def upper_of(self, rows: slice | Tensor) -> Tensor:
        """The bounds of a slice of rows, or of some positions, float64."""

    @abstractmethod
    def _following(self, changes: slice) -> Follow:
        """A function of a slice of rows, or of some positions, whose bounds shall follow.

        Among the rows there may be some that stand for some of the changes already, and some that
        do not stand for all before them, see `followed`: the bounds of these need not become
        better. The function is called on several threads, with different rows.
        """

    @property
    def upper(self) -> Tensor:
        """The bounds, of shape (n_samples,)."""
        return self.upper_of(slice(None))

    def sharpen(self, choice: Tensor, size: int) -> None:
        """Let the largest bounds stand for all changes.

        Parameters
        ----------
        choice : boolean tensor of shape (n_samples,)
            Rows that matter.
        size : int
            How many of their bounds; the largest of the others stands for all changes, too.
        """
        n_rows = self.rows.n_samples
        self._begin()
        bounds = torch.where(choice, self.upper, -torch.inf)
        width = max(2 * size, int(_SHARE * n_rows), self._width // 2)
        while True:
            # More rows than have to: their bounds will fall, and others take their places.
            level = _level(bounds, width)
            some = torch.nonzero(bounds >= level)[:, 0]
            late = some[self.followed[some] < self.n_changes]
            self.catch_up(late)
            bounds[late] = self.upper_of(late)
            if width >= n_rows or int((bounds[some] >= level).sum()) > size:
                self._width = width
                return
            width *= 2

    def catch_up(self, positions: Tensor) -> None:
        """Let the bounds of some rows stand for all changes."""
        late = positions[self.followed[positions] < self.n_changes]
        while len(late):
            missed = self.n_changes - self.followed[late]
            most = int(missed.max())
            # Rows that have missed about as much follow together, or all that are left.
            alike = 2 * missed > most
            if most * len(late) - int(missed.sum()) < _CALL:
                alike[:] = True
            first = self.n_changes - most
            self._follow(late[alike], slice(first, min(first + _MOST_CHANGES, self.n_changes)))
            late = late[self.followed[late] < self.n_changes]

    def _begin(self) -> None:
        """Let rows that stand for no change follow a few, after which not all matter."""
        if self.n_changes > _FIRST_CHANGES and int(self.followed.min()) == 0:
            unknown = torch.nonzero(self.followed == 0)[:, 0]
            self._follow(unknown, slice(0, _FIRST_CHANGES))

    def _follow(self, positions: Tensor, changes: slice) -> None:
        """Let the bounds of some rows, which stand for all before these changes, follow them."""
        n_changes, n_rows = changes.stop - changes.start, self.rows.n_samples
        follow = self._following(changes)
        if len(positions) * (_GATHER + n_changes) < n_rows * (_READ + n_changes):
            self.rows.visit_positions(n_changes, positions, follow)
            self.followed[positions] = self.followed[positions].clamp_(min=changes.stop)
        else:
            self.rows.visit_slices(n_changes, follow)
            reached = (self.followed >= changes.start) & (self.followed < changes.stop)
            self.followed[reached] = changes.stop


def _level(bounds: Tensor, width: int) -> float:
    """What about so many of the bounds reach, and none that is -inf."""
    lowest = torch.finfo(bounds.dtype).min
    if width >= len(bounds):
        return lowest
    sample = bounds[:: 1 + len(bounds) // _SAMPLE]
    n_above = 1 + width * len(sample) // len(bounds)
    return max(lowest, float(sample.topk(min(n_above, len(sample))).values[-1]))
