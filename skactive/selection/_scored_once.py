"""Selectors that score every row once and take the best."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool
from skactive._greedy import GreedySelector
from skactive._ties import SCORE_TOLERANCE


class OnceScored(NamedTuple):
    """The scores of all rows, which no pick changes."""

    scores: Tensor  # (n_samples,) float64
    rounding: float  # by how much a score may be off
    drawn: bool  # whether the scores are but a random order

    @classmethod
    def at_random(cls, pool: Pool) -> OnceScored:
        """A random order, where nothing is known about the rows."""
        order = pool.random_state.permutation(pool.rows.n_samples)
        scores = torch.as_tensor(order, dtype=torch.float64, device=pool.rows.device)
        return cls(scores, 0.0, drawn=True)

    @property
    def upper_scores(self) -> Tensor:
        """The scores themselves."""
        return self.scores

    def add(self, row: int) -> OnceScored:
        """The same after a pick."""
        return self

    def restrict(self, rows: NDArray[np.int64]) -> OnceScored:
        """The scores of a few rows."""
        return self._replace(scores=self.scores[torch.as_tensor(rows)].cpu())

    def reported(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zeros where rows are drawn at random: every row is as good as any other."""
        return np.zeros_like(scores) if self.drawn else scores


class ScoredOnceSelector(GreedySelector[OnceScored]):
    """Base of selectors that give every row a score of its own and take the best.

    The subclass writes ``_scores_of_pool``, and has the parameter `random_state` where that may
    return None.
    """

    @abstractmethod
    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float] | None:
        """Score of every row, float64 of shape (n_samples,), and by how much it may be off.

        Scores closer than that tie. None: nothing is known about the rows, which are then drawn
        at random.
        """

    def _start(self, pool: Pool) -> OnceScored:
        scored = self._scores_of_pool(pool)
        return OnceScored.at_random(pool) if scored is None else OnceScored(*scored, drawn=False)

    def _condition(self, state: OnceScored, labeled: NDArray[np.int64]) -> OnceScored:
        return state

    def _score(self, state: OnceScored) -> Tensor:
        return state.scores

    def _score_floor(self, state: OnceScored, first_score: float) -> float:
        return max(abs(first_score), state.rounding / SCORE_TOLERANCE)

    def _step(self, state: OnceScored, row: int) -> OnceScored:
        return state

    # Picks by the hundred, from shortlists

    def _restrict(self, state: OnceScored, rows: NDArray[np.int64]) -> OnceScored:
        return state.restrict(rows)

    def _scores_only_fall(self) -> bool:
        return True

    def _block_size(self, state: OnceScored) -> int:
        return self._shortlist_size(state)

    def _advance(self, state: OnceScored, picks: NDArray[np.int64], rivals: Any) -> Any:
        return state, len(picks)

    def _reported(self, state: OnceScored, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return state.reported(scores)

    def _draws_at_random(self) -> bool:
        return True
