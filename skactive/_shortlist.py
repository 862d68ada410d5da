"""The rows among which the next picks are sought, and the proof that no other row is better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._ties import best_row, tolerance

State = TypeVar("State")

_PIECE = 1024  # rows scored exactly at a time


@dataclass(frozen=True)
class Rivals:
    """Rows outside a shortlist, and the scores they must not reach."""

    rows: Tensor
    """Boolean tensor of shape (n_samples,)."""
    limits: list[float]
    """Before each pick."""

    def beat(self, t: int, upper: Tensor) -> bool:
        """Whether one of them may be as good as pick t, given upper bounds of the scores."""
        return bool((self.rows & (upper >= self.limits[t])).any())


class Proposals(ABC):
    """Picks proposed among a few rows, and the proof that no other row is better.

    Parameters
    ----------
    floor : float
        As for `best_row`.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,)
        Positions, ascending.
    picks, scores : list
        What has been proposed.
    """

    rows: NDArray[np.int64]
    _free: NDArray[np.bool_]

    def __init__(self, floor: float) -> None:
        self._floor = floor
        self.picks: list[int] = []
        self.scores: list[float] = []

    @abstractmethod
    def _may_lose(self, row: int, score: float) -> bool:
        """Whether a row outside may be better, or as good and lower."""

    @property
    def limits(self) -> list[float]:
        """Scores that no row outside may reach, before each pick."""
        return [score - 2 * tolerance(score, self._floor) for score in self.scores]

    def propose(self, scores: Tensor, *, certify: bool) -> int | None:
        """Position among the rows of the next pick, given their exact scores.

        Parameters
        ----------
        scores : tensor of shape (n_rows,)
        certify : bool
            Whether the bounds of all other rows still hold: then None is returned unless they
            prove that the pick is the best of all. The first pick always is.
        """
        position, score = best_row(scores.cpu().numpy(), self._free, self._floor)
        row = int(self.rows[position])
        if certify and self.picks and self._may_lose(row, score):
            return None
        self._free[position] = False
        self.picks.append(row)
        self.scores.append(score)
        return position

    def propose_block(
        self,
        state: State,
        score: Callable[[State], Tensor],
        step: Callable[[State, int], State],
        limit: int,
        *,
        certify: bool,
    ) -> None:
        """Propose one pick after the other, at most `limit`.

        Parameters
        ----------
        state : object
            Of the rows.
        score, step : callable
            Scores of the rows in a state; the state after a row, by its position among them.
        """
        limit = min(limit, len(self.rows))
        position = self.propose(score(state), certify=certify)
        while position is not None and len(self.picks) < limit:
            state = step(state, position)
            position = self.propose(score(state), certify=certify)


class Shortlist(Proposals, Generic[State]):
    """The rows with the largest upper bounds, such that the best row is among them.

    Parameters
    ----------
    upper : tensor of shape (n_samples,)
        Upper bounds of all scores.
    choice : boolean tensor of shape (n_samples,)
        Rows that may be picked.
    floor : float
        As for `best_row`.
    restrict : callable
        From positions of rows to their state, from which their scores are exact.
    score : callable
        From such a state to the scores.
    size : int
        Number of rows, where so many may be picked.

    Attributes
    ----------
    state : object
        State of the rows.
    """

    def __init__(
        self,
        upper: Tensor,
        choice: Tensor,
        floor: float,
        restrict: Callable[[NDArray[np.int64]], State],
        score: Callable[[State], Tensor],
        size: int,
    ) -> None:
        super().__init__(floor)
        self._upper = torch.where(choice, upper, -torch.inf)
        self._size = min(size, int(choice.sum()))
        self._choose()
        self.state = restrict(self.rows)
        scores = score(self.state)
        position, best = best_row(scores.cpu().numpy(), self._free, floor)
        row = int(self.rows[position])
        if self._may_lose(row, best):
            # Bounds are too loose, or many rows tie: find out their scores.
            doubtful = doubtful_rows(self._upper, self.rows, row, best, floor)
            self._upper[torch.as_tensor(self.rows)] = scores.to(self._upper)
            score_pieces(self._upper, doubtful, lambda piece: score(restrict(piece)))
            self._choose()
            self.state = restrict(self.rows)

    def rivals(self) -> Rivals:
        """What has to be true for each of the picks."""
        outside = self._upper > -torch.inf
        outside[torch.as_tensor(self.rows)] = False
        return Rivals(outside, self.limits)

    def _choose(self) -> None:
        self.rows, self._ceiling = largest_bounds(self._upper, self._size, self._floor)
        self._free = np.ones(len(self.rows), dtype=bool)
        self._lowest_rival: int | None = None

    def _may_lose(self, row: int, score: float) -> bool:
        margin = tolerance(score, self._floor)
        if self._ceiling < score - 2 * margin:
            return False
        if self._ceiling > score + 1.5 * margin:
            return True
        if self._lowest_rival is None:
            self._lowest_rival = lowest_rival(self._upper, self.rows, self._ceiling - 4 * margin)
        return row > self._lowest_rival


def largest_bounds(upper: Tensor, size: int, floor: float) -> tuple[NDArray[np.int64], float]:
    """Rows with the largest bounds; of those that tie with the smallest of them, the lowest.

    Parameters
    ----------
    upper : tensor of shape (n_samples,)
        Upper bounds of the scores; -inf where a row may not be picked.
    size : int
        Number of rows, where so many may be picked.
    floor : float
        As for `best_row`.

    Returns
    -------
    rows, ceiling : ndarray of shape (n_rows,), float
        Ascending; what no other bound exceeds.
    """
    values = upper.topk(min(size + 1, len(upper))).values
    if len(values) <= size or float(values[-1]) == -torch.inf:
        rows = torch.nonzero(upper > -torch.inf)[:, 0]
        return rows.cpu().numpy(), -float("inf")
    ceiling = float(values[-1])
    margin = tolerance(ceiling, floor)
    above = torch.nonzero(upper > ceiling + margin)[:, 0]
    level = (upper >= ceiling - margin) & (upper <= ceiling + margin)
    level_rows = torch.nonzero(level)[: size - len(above), 0]
    rows = torch.cat([above, level_rows]).sort().values
    return rows.cpu().numpy(), ceiling + margin


def lowest_rival(upper: Tensor, rows: NDArray[np.int64], level: float) -> int:
    """Lowest of all other rows whose bound is that high; at least one is."""
    rivals = upper >= level
    rivals[torch.as_tensor(rows)] = False
    return int(rivals.to(torch.uint8).argmax())


def doubtful_rows(
    upper: Tensor, rows: NDArray[np.int64], row: int, score: float, floor: float
) -> NDArray[np.int64]:
    """Other rows that may be better than a row of this score, or as good and lower."""
    margin = tolerance(score, floor)
    doubtful = upper >= score - 2 * margin
    doubtful[torch.as_tensor(rows)] = False
    doubtful[row:] &= upper[row:] > score + 1.5 * margin
    return torch.nonzero(doubtful)[:, 0].cpu().numpy()


def score_pieces(
    upper: Tensor, rows: NDArray[np.int64], score: Callable[[NDArray[np.int64]], Tensor]
) -> None:
    """Put the exact scores of rows in the place of their bounds."""
    for start in range(0, len(rows), _PIECE):
        piece = rows[start : start + _PIECE]
        upper[torch.as_tensor(piece)] = score(piece).to(upper)
