"""The rows among which the next picks are sought, and the proof that no other row is better."""

from __future__ import annotations

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


class Shortlist(Generic[State]):
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
    rows : ndarray of shape (n_rows,)
        Ascending.
    picks, scores : list
        What has been proposed.
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
        self._upper = torch.where(choice, upper, -torch.inf)
        self._floor = floor
        self._size = min(size, int(choice.sum()))
        self.picks: list[int] = []
        self.scores: list[float] = []
        self._choose()
        self.state = restrict(self.rows)
        scores = score(self.state)
        self._free = np.ones(len(self.rows), dtype=bool)
        position, best = best_row(scores.cpu().numpy(), self._free, floor)
        doubtful = self._doubtful(int(self.rows[position]), best)
        if len(doubtful):
            # Bounds are too loose, or many rows tie: find out their scores.
            self._upper[torch.as_tensor(self.rows)] = scores.to(self._upper)
            for start in range(0, len(doubtful), _PIECE):
                piece = doubtful[start : start + _PIECE]
                self._upper[torch.as_tensor(piece)] = score(restrict(piece)).to(self._upper)
            self._choose()
            self.state = restrict(self.rows)
            self._free = np.ones(len(self.rows), dtype=bool)

    def propose(self, scores: Tensor, *, certify: bool) -> int | None:
        """Position in the shortlist of the next pick, given the exact scores of its rows.

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

    def rivals(self) -> Rivals:
        """What has to be true for each of the picks."""
        outside = self._upper > -torch.inf
        outside[torch.as_tensor(self.rows)] = False
        limits = [score - 2 * tolerance(score, self._floor) for score in self.scores]
        return Rivals(outside, limits)

    def _choose(self) -> None:
        """Take the largest bounds; of those that tie with the smallest of them, the lowest rows."""
        values = self._upper.topk(min(self._size + 1, len(self._upper))).values
        if len(values) == self._size or float(values[-1]) == -torch.inf:
            rows = torch.nonzero(self._upper > -torch.inf)[:, 0]
            self._ceiling = -float("inf")
        else:
            ceiling = float(values[-1])
            margin = tolerance(ceiling, self._floor)
            above = torch.nonzero(self._upper > ceiling + margin)[:, 0]
            level = (self._upper >= ceiling - margin) & (self._upper <= ceiling + margin)
            level_rows = torch.nonzero(level)[: self._size - len(above), 0]
            rows = torch.cat([above, level_rows]).sort().values
            self._ceiling = ceiling + margin
        self.rows: NDArray[np.int64] = rows.cpu().numpy()
        self._lowest_rival: int | None = None

    def _may_lose(self, row: int, score: float) -> bool:
        """Whether a row outside may be better, or as good and lower."""
        margin = tolerance(score, self._floor)
        if self._ceiling < score - 2 * margin:
            return False
        if self._ceiling > score + 1.5 * margin:
            return True
        if self._lowest_rival is None:
            rivals = self._upper >= self._ceiling - 4 * margin
            rivals[torch.as_tensor(self.rows)] = False
            self._lowest_rival = int(rivals.to(torch.uint8).argmax())
        return row > self._lowest_rival

    def _doubtful(self, row: int, score: float) -> NDArray[np.int64]:
        """Rows outside that may be better, or as good and lower."""
        if not self._may_lose(row, score):
            return np.empty(0, dtype=np.int64)
        margin = tolerance(score, self._floor)
        doubtful = self._upper >= score - 2 * margin
        doubtful[torch.as_tensor(self.rows)] = False
        doubtful[row:] &= self._upper[row:] > score + 1.5 * margin
        return torch.nonzero(doubtful)[:, 0].cpu().numpy()
