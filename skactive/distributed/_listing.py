"""The best rows of every part, merged into the rows among which picks are proposed."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._shortlist import (
    Proposals,
    doubtful_rows,
    largest_bounds,
    lowest_rival,
    score_pieces,
)
from skactive._ties import tolerance
from skactive.distributed._part import Part

# Of a part's bounds, in tolerances: so close to its ceiling a row may tie with what exceeds it.
_LEVEL = 8.0
_FEWEST = 4  # rows of a part, which may become the best one


class PartState(ABC):
    """What a part keeps for a greedy method: bounds of the scores of its rows."""

    listed: NDArray[np.int64]
    """Rows in the latest list, counted inside of the part."""

    def sharpen(self, part: Part, choice: Tensor, size: int) -> None:  # noqa: B027  # few have to
        """Improve the bounds of rows that may be listed; see `GreedySelector._sharpen`."""

    @abstractmethod
    def upper(self, part: Part) -> Tensor:
        """Upper bounds of the scores of all rows."""

    @abstractmethod
    def exact(self, part: Part, rows: NDArray[np.int64], context: Any) -> Tensor:
        """Exact scores of some rows, with what the driver has sent for that."""

    @abstractmethod
    def details(self, part: Part, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What the driver needs to know of listed rows beside their features."""

    @abstractmethod
    def apply(self, part: Part, command: Any, own: Any) -> Any:
        """Take over what the driver has decided; what it wants to know of that."""


class Choice(NamedTuple):
    """Which rows may be picked, and when scores tie."""

    floor: float
    directed_only: bool = False
    every: bool = False  # whether those that may not be picked are wanted, too


class Listed(NamedTuple):
    """The best rows of a part."""

    rows: NDArray[np.int64]  # positions in the pool, ascending
    points: NDArray[Any]  # as they are stored
    details: dict[str, NDArray[Any]]
    upper: NDArray[np.float64]
    ceiling: float  # no other bound of the part exceeds it; NaN where one of them is
    rival: int  # lowest position of another row near the ceiling
    applied: Any = None  # what `PartState.apply` has returned


def list_rows(part: Part, choice: Choice, size: int, upper: Tensor | None = None) -> Listed:
    """The rows of a part with the largest bounds."""
    state = part.state
    bounds = _choosable_bounds(part, choice, size) if upper is None else upper
    rows, ceiling = largest_bounds(bounds, size, choice.floor)
    if bool(bounds.isnan().any()):
        ceiling = math.nan
    state.listed = rows
    rival = 0
    if ceiling > -np.inf:
        level = ceiling - _LEVEL * tolerance(ceiling, choice.floor)
        rival = part.offset + lowest_rival(bounds, rows, level)
    return Listed(
        rows=part.offset + rows,
        points=part.raw(rows),
        details=state.details(part, rows),
        upper=bounds[torch.as_tensor(rows)].cpu().numpy(),
        ceiling=ceiling,
        rival=rival,
    )


class Doubt(NamedTuple):
    """The best of the listed rows, which others may exceed."""

    row: int
    score: float
    choice: Choice
    context: Any


class Settled(NamedTuple):
    """For one part of those: the exact scores of what it has listed, and how many to list."""

    scores: NDArray[np.float64]
    size: int


def settle(part: Part, message: Doubt, own: Settled) -> Listed:
    """List rows again, by the exact scores of all that may be the best one."""
    state, choice = part.state, message.choice
    upper = torch.where(choosable(part, choice), state.upper(part), -torch.inf)
    row = message.row - part.offset
    # A row before all of the part's own, or after them.
    first = min(max(row, 0), part.n_samples)
    doubtful = doubtful_rows(upper, state.listed, first, message.score, choice.floor)
    upper[torch.as_tensor(state.listed)] = torch.as_tensor(own.scores).to(upper)
    score_pieces(upper, doubtful, lambda piece: state.exact(part, piece, message.context))
    return list_rows(part, choice, own.size, upper)


def choosable(part: Part, choice: Choice) -> Tensor:
    """Rows of a part that may be picked, as a mask of its own."""
    may = torch.ones_like(part.available) if choice.every else part.available.clone()
    if choice.directed_only:
        may &= part.rows.squared_norms() > 0
    return may


def _choosable_bounds(part: Part, choice: Choice, size: int) -> Tensor:
    """Bounds of the rows that may be picked, sharp for so many of the largest."""
    may = choosable(part, choice)
    part.state.sharpen(part, may, size)
    return torch.where(may, part.state.upper(part), -torch.inf)


class Merged(Proposals):
    """The best rows of all parts, in the order of the pool.

    Parameters
    ----------
    lists : sequence of Listed
    floor : float
        As for `best_row`.

    Attributes
    ----------
    points : ndarray of shape (n_rows, n_features)
        As they are stored.
    details : dict of ndarray
        What the parts have said of them.
    counts : list of int
        How many rows come from each part.
    useful : list of int
        How many of those lie above what the parts did not list.
    """

    def __init__(self, lists: Sequence[Listed], floor: float) -> None:
        super().__init__(floor)
        self._lists = lists
        self.rows = np.concatenate([listed.rows for listed in lists])
        self.points = np.concatenate([listed.points for listed in lists])
        self.details = {
            name: np.concatenate([listed.details[name] for listed in lists])
            for name in lists[0].details
        }
        self.counts = [len(listed.rows) for listed in lists]
        self._free = np.ones(len(self.rows), dtype=bool)
        self._ceiling = max(listed.ceiling for listed in lists)
        self.useful = [int((listed.upper > self._ceiling).sum()) for listed in lists]

    def may_lose(self, row: int, score: float) -> bool:
        """Whether a row that is not listed may be better, or as good and lower."""
        return self._may_lose(row, score)

    def _may_lose(self, row: int, score: float) -> bool:
        margin = tolerance(score, self._floor)
        if self._ceiling < score - 2 * margin:
            return False
        if self._ceiling > score + 1.5 * margin:
            return True
        near = self._ceiling - _LEVEL * margin
        return row > min(listed.rival for listed in self._lists if listed.ceiling >= near)

    def by_part(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Values of the rows, for each part those of its own."""
        return np.split(values, np.cumsum(self.counts)[:-1])


def shares(size: int, useful: Sequence[int], limits: NDArray[np.int64]) -> list[int]:
    """How many rows each part lists next, about `size` in all.

    Where many rows of a part were among the best, more may follow.

    Parameters
    ----------
    size : int
    useful : sequence of int
        For each part, what counted in the latest list.
    limits : ndarray of int
        Rows of each part.
    """
    weights = np.asarray(useful, dtype=np.float64) + 1
    # With thousands of parts the driver would have too many rows to compare with each other.
    fewest = min(_FEWEST, max(1, size // len(weights)))
    wanted = np.ceil(size * weights / weights.sum()).astype(np.int64)
    return [int(n) for n in np.minimum(np.maximum(wanted, fewest), limits)]
