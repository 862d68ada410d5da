"""Greedy selection from a pool in parts: blocks of picks, proposed here and proven there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from skactive._base import Selection
from skactive._ties import best_row
from skactive.distributed._listing import (
    Choice,
    Doubt,
    Listed,
    Merged,
    Settled,
    list_rows,
    settle,
    shares,
)
from skactive.distributed._part import Part, alone
from skactive.distributed._pool import PartitionedPool


class GreedyMethod(ABC):
    """What the driver knows and decides; the parts keep bounds for their rows (`PartState`).

    Each block of picks is proposed among the best rows of all parts, whose scores are exact, and
    is then told to the parts, which answer with the best rows for the next block.

    Parameters
    ----------
    selector : GreedySelector
    pool : PartitionedPool
    """

    scores_only_fall = True

    def __init__(self, selector: Any, pool: PartitionedPool) -> None:
        self.selector = selector
        self.pool = pool

    @abstractmethod
    def start(self) -> None:
        """Make the states of the parts, given the labeled rows."""

    @abstractmethod
    def restrict(self, listed: Merged) -> Any:
        """Exact state of the listed rows."""

    @abstractmethod
    def score(self, local: Any) -> Tensor:
        """Exact scores in such a state."""

    @abstractmethod
    def step(self, local: Any, position: int) -> Any:
        """The state after one of the rows has been picked."""

    @abstractmethod
    def floor(self, first_score: float) -> float:
        """As `GreedySelector._score_floor`."""

    @abstractmethod
    def block_size(self) -> int:
        """Most picks to propose at once."""

    @abstractmethod
    def list_size(self) -> int:
        """Rows among which picks are proposed."""

    def confirm(self, listed: Merged, choice: Choice) -> int:
        """How many of the proposed picks stand; all, where scores only fall."""
        return len(listed.picks)

    @abstractmethod
    def commit(self, listed: Merged, count: int) -> tuple[Any, list[Any] | None]:
        """Make the first picks; what is to be told to all parts, and to each."""

    def applied(self, replies: list[Any]) -> None:  # noqa: B027  # few want to know
        """Hear what the parts have returned from `PartState.apply` for these picks."""

    def context(self) -> Any:
        """What parts need to score rows exactly; asked for where many rows tie."""
        return None

    def finish(self, selection: Selection, lister: Lister) -> Selection:
        """Set the attributes of the selector; may amend the selection."""
        return selection


class Step(NamedTuple):
    """What all parts are told."""

    command: Any  # of the method, or None
    picked: NDArray[np.int64]  # no longer to be listed
    choice: Choice


class Own(NamedTuple):
    """What one part is told."""

    command: Any
    size: int  # rows to list


def advance(part: Part, message: Step, own: Own) -> Listed:
    """Take over picks, and list the best rows."""
    applied = apply(part, message, own)
    return list_rows(part, message.choice, own.size)._replace(applied=applied)


def apply(part: Part, message: Step, own: Own) -> Any:
    """Take over picks."""
    part.available[torch.as_tensor(part.local(message.picked))] = False
    if message.command is None:
        return None
    return part.state.apply(part, message.command, own.command)


class Lister:
    """Tells the parts what has been picked, and gets the best rows for that.

    Parameters
    ----------
    method : GreedyMethod
    """

    def __init__(self, method: GreedyMethod) -> None:
        self._method = method
        self._parts = method.pool.parts
        self._useful = [int(n) for n in self._parts.lengths]
        self._command: Any = None
        self._own: list[Any] = [None] * len(self._parts)
        self._picked = np.empty(0, dtype=np.int64)

    def commit(self, listed: Merged, count: int) -> None:
        """Make the first of the proposed picks; the parts hear of it with the next request."""
        self._command, own = self._method.commit(listed, count)
        self._own = own or [None] * len(self._parts)
        self._picked = np.array(listed.picks[:count], dtype=np.int64)

    def best(self, choice: Choice, size: int) -> tuple[Merged, Any]:
        """About so many rows, the best one among them, and their exact state."""
        method = self._method
        sizes = shares(size, self._useful, self._parts.lengths)
        own = [Own(command, n) for command, n in zip(self._own, sizes, strict=True)]
        lists = self._parts.map(advance, Step(self._command, self._picked, choice), own)
        self._applied([part.applied for part in lists])
        listed = self._merged(lists, choice)
        self._useful = listed.useful
        local = method.restrict(listed)
        scores = method.selector._checked(method.score(local)).cpu().numpy()
        position, score = best_row(scores, np.ones(len(scores), dtype=bool), choice.floor)
        row = int(listed.rows[position])
        if not listed.may_lose(row, score):
            return listed, local
        # Bounds are too loose, or many rows tie: the parts find out their scores.
        known = zip(listed.by_part(scores), sizes, strict=True)
        doubt = Doubt(row, score, choice, method.context())
        lists = self._parts.map(settle, doubt, [Settled(part, n) for part, n in known])
        listed = self._merged(lists, choice)
        return listed, method.restrict(listed)

    def _merged(self, lists: list[Listed], choice: Choice) -> Merged:
        self._method.selector._checked(torch.tensor([part.ceiling for part in lists]))
        return Merged(lists, choice.floor)

    def flush(self) -> None:
        """Let the parts hear of the latest picks, without a list."""
        own = [Own(command, 0) for command in self._own]
        message = Step(self._command, self._picked, Choice(0.0))
        self._applied(self._parts.map(apply, message, own))

    def _applied(self, replies: list[Any]) -> None:
        if self._command is not None:
            self._method.applied(replies)
        self._command, self._own = None, [None] * len(self._parts)


def select_greedily(method: GreedyMethod) -> Selection:
    """The picks of the greedy method on all rows."""
    with alone():  # small operations, which threads would only hold up
        return _select(method)


def _select(method: GreedyMethod) -> Selection:
    pool, selector = method.pool, method.selector
    method.start()
    lister = Lister(method)
    indices: list[int] = []
    scores: list[float] = []
    directed = pool.n_directed_candidates if selector._uses_unit_norm() else 0
    with tqdm(
        total=pool.n_picks,
        desc=type(selector).__name__,
        unit="pick",
        disable=not getattr(selector, "verbose", False),
    ) as bar:
        while len(indices) < pool.n_picks:
            choice = Choice(method.floor(scores[0] if scores else 0.0), directed > 0)
            listed, local = lister.best(choice, method.list_size())
            listed.propose_block(
                local,
                lambda state: selector._checked(method.score(state)),
                method.step,
                min(method.block_size(), pool.n_picks - len(indices)),
                certify=method.scores_only_fall,
            )
            count = method.confirm(listed, choice)
            lister.commit(listed, count)
            indices.extend(listed.picks[:count])
            scores.extend(listed.scores[:count])
            directed -= count if directed > 0 else 0
            bar.update(count)
    selection = Selection(np.array(indices, dtype=np.int64), np.array(scores))
    return method.finish(selection, lister)
