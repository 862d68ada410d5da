"""Observations worked out for all rows before they are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Self

import torch
from torch import Tensor

from skactive.posterior._running import Columns, Magnitudes, Running


class Batch(ABC):
    """A sequence of observations, as one posterior sees it.

    Attributes
    ----------
    pivots : tensor of shape (b,)
        Variance of each observation, noise included, given those before it.
    """

    pivots: Tensor

    @property
    @abstractmethod
    def magnitudes(self) -> Magnitudes:
        """Of what is multiplied with the rows, over the whole batch."""

    @abstractmethod
    def first(self, count: int) -> Self:
        """The batch without its last observations."""

    @classmethod
    @abstractmethod
    def columns(cls, batches: Sequence[Batch]) -> Iterator[tuple[slice, list[Columns]]]:
        """What the observations do to the rows, a slice of rows at a time."""

    @abstractmethod
    def target_falls(self) -> Tensor | None:
        """Fall of the mean target variance by each; None where the pool is the target."""

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
    """

    def __init__(self, running: Sequence[Running], batches: Sequence[Batch]) -> None:
        self.running = running
        self.batches = batches
        self._swept = 0  # observations in the running values to be committed
        self._pool_falls = torch.zeros_like(batches[0].pivots)

    def sweep(self) -> Iterator[tuple[slice, list[Columns], list[Tensor]]]:
        """Work out the values of all rows, a slice at a time.

        Yields
        ------
        rows, columns, steps : slice, list of Columns, list of tensors of shape (b, n_rows)
            One of each for every posterior; the steps are those of the variances.
        """
        for running in self.running:
            running.begin()
        self._pool_falls = torch.zeros_like(self.batches[0].pivots)
        for rows, columns in type(self.batches[0]).columns(self.batches):
            steps = [
                running.put(rows, own) for running, own in zip(self.running, columns, strict=True)
            ]
            self._pool_falls += steps[0].sum(1).to(self._pool_falls)
            yield rows, columns, steps
        self._swept = len(self.batches[0].pivots)

    def accept(self, count: int | None = None) -> None:
        """Make the first `count` observations (all by default)."""
        if count is not None and count < len(self.batches[0].pivots):
            self.batches = [batch.first(count) for batch in self.batches]
        if self._swept != len(self.batches[0].pivots):
            for _ in self.sweep():
                pass
        for running, batch in zip(self.running, self.batches, strict=True):
            running.commit(batch.magnitudes)
            batch.commit()

    def target_falls(self) -> Tensor:
        """Fall of the mean target variance of the first posterior by each observation."""
        falls = self.batches[0].target_falls()
        return self._pool_falls / len(self.running[0].variance) if falls is None else falls
