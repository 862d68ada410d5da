"""Observations worked out for all rows before they are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from typing import Any, Self

import torch
from torch import Tensor

from skactive.posterior._running import Columns, Magnitudes, Running, Steps

# Of columns that are kept until it is known how many of them count, 32 MiB in float32.
KEPT_ENTRIES = 2**23

Visit = Callable[[slice, list[Steps]], None]


class Batch(ABC):
    """A sequence of observations, as one posterior sees it.

    Attributes
    ----------
    pivots : tensor of shape (b,)
        Variance of each observation, noise included, given those before it.
    pool_is_target : bool
        Whether the variance of the targets has to be summed over the rows.
    """

    pivots: Tensor
    pool_is_target: bool

    @property
    @abstractmethod
    def magnitudes(self) -> Magnitudes:
        """Of what is multiplied with the rows, over the whole batch."""

    @abstractmethod
    def first(self, count: int) -> Self:
        """The batch without its last observations."""

    @classmethod
    @abstractmethod
    def visit(cls, batches: Sequence[Batch], visit: Callable[[slice, list[Columns]], None]) -> None:
        """Say what the observations do to the rows, a slice of rows at a time, in any order."""

    @abstractmethod
    def target_falls(self) -> Tensor:
        """Fall of the mean target variance by each; not asked for where the pool is the target."""

    @abstractmethod
    def commit(self) -> None:
        """Make the observations, but for the running values of the rows."""


class Proposal:
    """The same observations in several posteriors; none of them changes before `accept`.

    Parameters
    ----------
    running : list of Running
        The values per row of each posterior.
    batches : list of Batch
        The observations, as each posterior sees them.
    kept_entries : int
        How many numbers `sweep` may keep, so that `accept` of some need not sweep again.

    Attributes
    ----------
    pool_falls : tensor of shape (b,)
        Fall of the summed variance of the rows of the first posterior by each observation, since
        they were swept; only where the pool is the target.
    """

    def __init__(
        self,
        running: Sequence[Running],
        batches: Sequence[Batch],
        kept_entries: int = KEPT_ENTRIES,
    ) -> None:
        self.running = running
        self.batches = batches
        self._kept_entries = kept_entries
        self._swept = 0  # observations in the running values to be committed
        self._kept: list[tuple[slice, list[Columns]]] = []  # of the last sweep, if not large
        self.pool_falls = torch.zeros_like(batches[0].pivots)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A proposal to be accepted on its own; what has been worked out is shared."""
        copied = memo[id(self)] = copy(self)
        copied.running = deepcopy(self.running, memo)
        copied.batches = deepcopy(self.batches, memo)
        return copied

    def sweep(self, visit: Visit | None = None) -> None:
        """Work out the values of all rows, a slice at a time.

        Parameters
        ----------
        visit : callable or None
            Called with a slice of rows and their `Steps` in each posterior, which it may
            overwrite; from several threads.
        """
        entries = len(self.batches) * len(self.batches[0].pivots) * len(self.running[0].variance)
        keeps = visit is not None and entries <= self._kept_entries
        kept: list[tuple[slice, list[Columns]]] = []
        falls: dict[int, Tensor] = {}
        pool_is_target = self.batches[0].pool_is_target

        def put(rows: slice, columns: list[Columns]) -> None:
            steps = [
                running.put(rows, own) for running, own in zip(self.running, columns, strict=True)
            ]
            if pool_is_target:
                falls[rows.start] = steps[0].variance.sum(1)
            if visit is not None:
                visit(rows, steps)
            if keeps:
                kept.append((rows, columns))

        for running in self.running:
            running.begin()
        if self._kept:
            for rows, columns in self._kept:
                put(rows, [own.first(len(self.batches[0].pivots)) for own in columns])
        else:
            type(self.batches[0]).visit(self.batches, put)
        if pool_is_target:
            # In the order of the rows: sums must not depend on which thread was first.
            ordered = [falls[start] for start in sorted(falls)]
            self.pool_falls = torch.stack(ordered).sum(0, dtype=torch.float64).cpu()
        self._swept = len(self.batches[0].pivots)
        self._kept = kept

    def accept(self, count: int | None = None) -> None:
        """Make the first `count` observations (all by default)."""
        if count is not None and count < len(self.batches[0].pivots):
            self.batches = [batch.first(count) for batch in self.batches]
        if self._swept != len(self.batches[0].pivots):
            self.sweep()
        for running, batch in zip(self.running, self.batches, strict=True):
            running.commit(batch.magnitudes)
            batch.commit()

    def forget(self) -> None:
        """Let go of what a sweep has found, where there is no memory for it; `accept` sweeps."""
        if not self._kept:
            self._swept = 0
            for running in self.running:
                running.forget()

    def target_falls(self) -> Tensor:
        """Fall of the mean target variance of the first posterior by each observation."""
        if self.batches[0].pool_is_target:
            return self.pool_falls / len(self.running[0].variance)
        return self.batches[0].target_falls()
