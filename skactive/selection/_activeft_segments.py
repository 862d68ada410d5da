"""The rows of the pool by the components of ActiveFT they belong to, and sums over them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor

from skactive._rows import Rows
from skactive.selection._activeft_assignment import Assignment, Turns
from skactive.selection._activeft_rows import batches, take

_MANTISSA = 52


class Pull(NamedTuple):
    """How strongly rows are drawn to their components, and not to the rivals of these."""

    costs: Tensor
    """Sum of the losses of the rows."""
    slopes: Tensor
    """Of shape (n_components,): by how much these fall per unit of similarity / temperature."""
    sums: Tensor
    """Of shape (n_components, n_features): rows, times their share in the slopes."""


class Segments(ABC):
    """The rows, wherever they are; each belongs to its most similar component.

    The methods first follow the components to where these are now, the fixed ones first.

    Attributes
    ----------
    n_samples : int
    """

    n_samples: int

    @abstractmethod
    def sums(self, components: Tensor) -> Tensor:
        """Sum of the rows of each component, of shape (n_components, n_features)."""

    @abstractmethod
    def pull(self, components: Tensor, log_rivals: Tensor, temperature: float) -> Pull:
        """Cross-entropy of each row between its component and the rivals of that."""

    @abstractmethod
    def sizes(self, components: Tensor) -> Tensor:
        """Rows of each component, int64 of shape (n_components,)."""


class Change(NamedTuple):
    """What is to be added to the sums of some components."""

    components: Tensor  # (k,)
    high: Tensor  # (k, n_features)
    low: Tensor


class RowSums:
    """Sums of unit rows that are the same for any order of their additions.

    Each entry is the sum of a multiple of one power of 2 and of another one, chosen such that
    as many rows as there are sum up without rounding. So nothing depends on chunks, on parts of
    the pool or on the rows that have come and gone: where a pool is symmetric, Adam magnifies
    rounding until it decides.

    Parameters
    ----------
    like : tensor of shape (n_components, n_features)
    """

    def __init__(self, like: Tensor) -> None:
        self._high, self._low = torch.zeros_like(like), torch.zeros_like(like)

    def add(self, change: Change) -> None:
        self._high.index_add_(0, change.components, change.high)
        self._low.index_add_(0, change.components, change.low)

    def total(self) -> Tensor:
        return self._high + self._low


class LocalSegments:
    """Some rows of the pool with their components.

    Parameters
    ----------
    rows : Rows
        Unit rows.
    components : tensor of shape (n_components, n_features)
        Where they are at first; not kept.
    n_samples : int
        Rows of all the pool.
    """

    def __init__(self, rows: Rows, components: Tensor, n_samples: int) -> None:
        self._rows = rows
        self.assignment = Assignment(rows, components)
        self._is_summed = False
        largest = 2.0 ** (math.frexp(n_samples)[1] + 1)  # no sum exceeds the half of it
        high = largest * 2.0**-_MANTISSA
        # In a sum with them the last digit of another number is worth `high`, and `low`.
        self._rounders = 1.5 * largest, 1.5 * largest * high

    def change(self, components: Tensor, turns: Tensor) -> Change:
        """Follow the components; the first time all rows are added to the sums."""
        moved, before = self.assignment.update(components, turns)
        nearest = self.assignment.nearest
        if not self._is_summed:
            self._is_summed = True
            change, slots = _no_change(nearest, components)
            for part, chunk in self._rows.chunks():
                self._add(change, slots[nearest[part]], chunk)
            return change
        change, slots = _no_change(torch.cat([before, nearest[moved]]), components)
        for batch in batches(len(moved), self._rows.n_features, torch.float64):
            points = take(self._rows, moved[batch])
            self._add(change, slots[nearest[moved[batch]]], points)
            self._add(change, slots[before[batch]], points.neg_())
        return change

    def _add(self, change: Change, slots: Tensor, points: Tensor) -> None:
        high = (points + self._rounders[0]).sub_(self._rounders[0])
        low = (points - high).add_(self._rounders[1]).sub_(self._rounders[1])
        change.high.index_add_(0, slots, high)
        change.low.index_add_(0, slots, low)

    def pull(
        self, components: Tensor, turns: Tensor, log_rivals: Tensor, temperature: float
    ) -> Pull:
        """Follow the components; as `Segments.pull`."""
        self.assignment.update(components, turns)
        costs = torch.zeros_like(log_rivals[0])
        slopes = torch.zeros_like(log_rivals)
        sums = torch.zeros_like(components)
        for part, chunk in self._rows.chunks():
            nearest = self.assignment.nearest[part]
            logits = (chunk * components[nearest]).sum(1).div_(temperature)
            rivals = log_rivals[nearest]
            total = torch.logaddexp(logits, rivals)
            costs += (total - logits).sum()
            weights = rivals.sub_(total).exp_()
            # On the CPU index_add_ takes row after row: no chunk size changes a bit of the sums.
            slopes.index_add_(0, nearest, weights)
            sums.index_add_(0, nearest, chunk * weights[:, None])
        return Pull(costs, slopes, sums)

    def sizes(self, components: Tensor, turns: Tensor) -> Tensor:
        """Follow the components; as `Segments.sizes`."""
        self.assignment.update(components, turns)
        return self.assignment.nearest.bincount(minlength=len(components))


def _no_change(of: Tensor, components: Tensor) -> tuple[Change, Tensor]:
    """A change by 0 of some components, and where each component is in it."""
    some: Tensor = torch.unique(of)
    slots = torch.zeros_like(components[:, 0], dtype=torch.int64)
    slots[some] = torch.arange(len(some), device=some.device)
    high, low = components.new_zeros(2, len(some), components.shape[1])
    return Change(some, high, low), slots


@final
class RowSegments(Segments):
    """All rows of a pool in memory.

    Parameters
    ----------
    rows : Rows
        Unit rows.
    components : tensor of shape (n_components, n_features)
        Where they are at first.
    """

    def __init__(self, rows: Rows, components: Tensor) -> None:
        self.n_samples = rows.n_samples
        self._local = LocalSegments(rows, components, rows.n_samples)
        self._turns = Turns(components)
        self._sums = RowSums(components)

    @property
    def assignment(self) -> Assignment:
        return self._local.assignment

    def sums(self, components: Tensor) -> Tensor:
        self._sums.add(self._local.change(components, self._turns.follow(components)))
        return self._sums.total()

    def pull(self, components: Tensor, log_rivals: Tensor, temperature: float) -> Pull:
        turns = self._turns.follow(components)
        return self._local.pull(components, turns, log_rivals, temperature)

    def sizes(self, components: Tensor) -> Tensor:
        return self._local.sizes(components, self._turns.follow(components))
