"""Selectors that pick one row after the other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from skactive._base import BaseSelector, Pool, Selection
from skactive._shortlist import Rivals, Shortlist
from skactive._threads import one_thread
from skactive._ties import best_row, tolerance

State = TypeVar("State")

_PIECE = 1024  # rows scored at a time where `_restrict` gives their scores

# From a state, rows that may be picked, how many are left to pick, and the score of the first pick
# to the state after one or more picks, these, and their scores.
PickMethod = Callable[[State, Tensor, int, float], tuple[State, Sequence[int], Sequence[float]]]


class GreedySelector(BaseSelector, Generic[State]):
    """Base of selectors that pick one row at a time.

    A subclass writes three methods and nothing else:

    - ``_start(pool)``: the state before any row is known;
    - ``_score(state)``: a float64 tensor of shape (n_samples,), larger is better;
    - ``_step(state, row)``: the state after `row` has been picked or was labeled already.

    Labeled rows go through ``_step`` before the first pick. Masking, ties, budget, input
    checks, fitted attributes and ``transform`` are done here.

    A pool is swept once for a whole block of picks, not for every pick, where a subclass also
    writes

    - ``_restrict(state, rows)``: the exact state of a few rows, on which ``_score`` and
      ``_step`` work as on that of the pool; `row` then counts among these.

    The picks are then proposed by the greedy method on a shortlist of the best rows, and are
    those of the greedy method on all rows. Where no score can rise when a row is picked
    (``_scores_only_fall``), the present score of the best row outside the shortlist certifies
    them, and ``_sharpen`` may bring up to date only the bounds that matter for that; else
    ``_advance`` verifies them one by one. It may take a block of picks at once, and then
    ``_upper`` may give upper bounds of the scores in place of the scores themselves.
    """

    @abstractmethod
    def _start(self, pool: Pool) -> State:
        """State before any row is known."""

    @abstractmethod
    def _score(self, state: State) -> Tensor:
        """Acquisition score of every row."""

    @abstractmethod
    def _step(self, state: State, row: int) -> State:
        """State after `row` is known."""

    def _condition(self, state: State, labeled: NDArray[np.int64]) -> State:
        """State after the labeled rows are known; override where blocks are cheaper."""
        for row in labeled:
            state = self._step(state, int(row))
        return state

    def _score_floor(self, state: State, first_score: float) -> float:
        """Magnitude of the numbers scores are computed from, where it may exceed the scores.

        Scores within 1e-12 of it tie. By default the score of the first pick.
        """
        return abs(first_score)

    def _reported(self, state: State, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """What ``scores_`` says of rows, from the scores they are picked by."""
        return scores

    def _finish(self, state: State, selection: Selection) -> Selection:
        """Set method-specific fitted attributes; may amend the selection."""
        return selection

    # What makes blocks of picks possible

    def _restrict(self, state: State, rows: NDArray[np.int64]) -> State:
        """State of the given rows alone, from which their scores are exact.

        It must not change with the state of the pool, nor that with it.
        """
        # Asked for only where a subclass has written it.
        raise TypeError(f"{type(self).__name__} has no state of a few rows.")

    def _scores_only_fall(self) -> bool:
        """Whether a pick never raises the score of another row."""
        return False

    def _sharpen(self, state: State, choice: Tensor) -> None:  # noqa: B027  # few have to
        """Improve the bounds of those rows of a choice that may come into the shortlist.

        Where scores only fall, and bounds need not be up to date for all rows.
        """

    def _upper(self, state: State) -> Tensor:
        """Upper bounds of the scores of all rows; the scores themselves by default."""
        return self._score(state)

    def _block_size(self, state: State) -> int:
        """Most picks to propose before the pool is swept."""
        return 64

    def _shortlist_size(self, state: State) -> int:
        """Rows among which picks are proposed."""
        return 512

    def _advance(
        self, state: State, picks: NDArray[np.int64], rivals: Rivals | None
    ) -> tuple[State, int]:
        """State after the first of the picks that can be confirmed, and how many these are.

        Parameters
        ----------
        state : State
        picks : ndarray of shape (b,)
            The first one is confirmed already.
        rivals : Rivals or None
            Tells which rows must stay below which scores; None: all picks are confirmed.
        """
        for t, row in enumerate(picks):
            if t > 0 and rivals is not None and rivals.beat(t, self._upper(state)):
                return state, t
            state = self._step(state, int(row))
        return state, len(picks)

    def _has_prefix_property(self) -> bool:
        return True

    # Scores of single rows, for selectors that draw by them

    def _pool_scores(self, pool: Pool) -> tuple[Tensor, float]:
        """Scores before any pick, as reported, and by how much equal ones may differ.

        The scores are of shape (n_samples,), those of rows that may not be picked -inf.
        """
        if not self._has_prefix_property():
            raise TypeError(
                f"{self!r} does not pick by scores of single rows, so there are none to draw from. "
                "Use a selector that does, for instance UncertaintySelector() or "
                "CoreSetSelector()."
            )
        in_pieces = self._takes_blocks()
        with one_thread() if in_pieces else nullcontext():
            state = self._condition(self._start(pool), pool.labeled)
            if in_pieces:
                scores = self._scores_in_pieces(state, pool.candidates)
            else:
                scores = torch.where(pool.candidates, self._score_all(state), -torch.inf)
        best = float(self._checked(scores).max())
        reported = torch.as_tensor(self._reported(state, scores.cpu().numpy())).to(scores)
        scores = torch.where(pool.candidates, reported, -torch.inf)
        return scores, tolerance(best, self._score_floor(state, best))

    def _score_all(self, state: State) -> Tensor:
        """Exact scores of all rows, where those of ``_score`` are but of the best ones."""
        return self._score(state)

    def _scores_in_pieces(self, state: State, choice: Tensor) -> Tensor:
        """Exact scores of the rows that may be picked."""
        scores = torch.full_like(choice, -torch.inf, dtype=torch.float64)
        rows = torch.nonzero(choice)[:, 0].cpu().numpy()
        size = max(1, min(_PIECE, self._shortlist_size(state)))
        for start in range(0, len(rows), size):
            piece = rows[start : start + size]
            scores[torch.as_tensor(piece)] = self._score(self._restrict(state, piece)).to(scores)
        return scores

    def _takes_blocks(self) -> bool:
        return type(self)._restrict is not GreedySelector._restrict

    def _select(self, pool: Pool) -> Selection:
        if not self._takes_blocks():
            return self._select_by(self._pick_one, pool)
        with one_thread():  # sweeps of the pool have threads of their own
            return self._select_by(self._pick_block, pool)

    def _select_by(self, pick: PickMethod[State], pool: Pool) -> Selection:
        state = self._condition(self._start(pool), pool.labeled)
        available = pool.candidates.clone()
        last = torch.zeros_like(available)
        if self._uses_unit_norm():
            last = pool.rows.squared_norms() == 0
        indices: list[int] = []
        scores: list[float] = []
        with tqdm(
            total=pool.n_picks,
            desc=type(self).__name__,
            unit="pick",
            disable=not getattr(self, "verbose", False),
        ) as bar:
            while len(indices) < pool.n_picks:
                preferred = available & ~last
                choice = preferred if bool(preferred.any()) else available
                n_left = pool.n_picks - len(indices)
                state, rows, values = pick(state, choice, n_left, scores[0] if scores else 0.0)
                available[torch.as_tensor(rows)] = False
                indices.extend(rows)
                scores.extend(values)
                bar.update(len(rows))
        reported = self._reported(state, np.array(scores))
        return self._finish(state, Selection(np.array(indices, dtype=np.int64), reported))

    def _pick_one(
        self, state: State, choice: Tensor, n_left: int, first_score: float
    ) -> tuple[State, Sequence[int], Sequence[float]]:
        """The best of all rows that may be chosen."""
        scores = self._checked(self._score(state))
        row, score = best_row(
            scores.cpu().numpy(), choice.cpu().numpy(), self._score_floor(state, first_score)
        )
        return self._step(state, row), [row], [score]

    def _pick_block(
        self, state: State, choice: Tensor, n_left: int, first_score: float
    ) -> tuple[State, Sequence[int], Sequence[float]]:
        """As many picks as can be proposed from a shortlist, and confirmed."""
        self._sharpen(state, choice)
        shortlist = Shortlist(
            self._checked(self._upper(state)),
            choice,
            self._score_floor(state, first_score),
            lambda rows: self._restrict(state, rows),
            lambda local: self._checked(self._score(local)),
            self._shortlist_size(state),
        )
        falling = self._scores_only_fall()
        shortlist.propose_block(
            shortlist.state,
            self._score,
            self._step,
            min(n_left, self._block_size(state)),
            certify=falling,
        )
        self._checked(torch.tensor(shortlist.scores))
        picks = np.array(shortlist.picks, dtype=np.int64)
        state, count = self._advance(state, picks, None if falling else shortlist.rivals())
        return state, shortlist.picks[:count], shortlist.scores[:count]

    def _checked(self, scores: Tensor) -> Tensor:
        if bool(scores.isnan().any()):
            raise ValueError(
                f"{type(self).__name__} computed NaN scores. Rescale the features to a moderate "
                "range, for instance with sklearn.preprocessing.StandardScaler."
            )
        return scores
