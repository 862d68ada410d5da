"""What selectors share that ask how a label would change the model."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._ties import SCORE_TOLERANCE
from skactive._validation import check_choice, check_number
from skactive.selection._kernel_selector import KernelPool, KernelSelector
from skactive.selection._lookahead_models import LookAheadModel

_CRITERIA = ("output_change", "expected_output_change", "expected_error")


class LookAheadState(NamedTuple):
    """What one pick hands to the next."""

    model: LookAheadModel  # has learned the labeled rows and, if sequential, the picks
    candidates: NDArray[np.int64]
    reference: NDArray[np.int64]  # unlabeled rows; the first `n_reference` are summed over
    not_scored: Tensor  # (n_samples,) scores before any row is scored
    frozen_scores: Tensor | None = None  # (n_samples,) unless sequential


class LookAheadSelector(KernelSelector[LookAheadState]):
    """Base of selectors that score rows by what their labels would do to a model.

    The subclass says which model; candidates, reference rows and what follows a pick are dealt
    with here.
    """

    criterion: str
    sequential: bool
    n_candidates: int | None
    n_reference: int | None
    random_state: Any

    _needs_labels = True

    @abstractmethod
    def _make_model(self, pool: Pool, view: KernelPool, rows: NDArray[np.int64]) -> LookAheadModel:
        """The model of the labeled rows; it will be asked about the given unlabeled ones."""

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.criterion, "criterion", _CRITERIA)
        for name in ("n_candidates", "n_reference"):
            value = getattr(self, name)
            if value is not None:
                hint = "None takes all unlabeled rows."
                check_number(value, name, minimum=1, strict=False, integer=True, hint=hint)

    def _select(self, pool: Pool) -> Selection:
        return super()._select(self._drawn(pool))

    def _pool_scores(self, pool: Pool) -> tuple[Tensor, float]:
        return super()._pool_scores(self._drawn(pool))

    def _drawn(self, pool: Pool) -> Pool:
        """The pool in which `n_candidates` rows may be picked."""
        if self.n_candidates is None:
            return pool
        if self.n_candidates < pool.n_picks:
            raise ValueError(
                f"n_candidates == {self.n_candidates}, must be at least the {pool.n_picks} rows "
                "to pick. Raise it, lower budget, or pass None to score all unlabeled rows."
            )
        # The draw does not depend on the budget: the picks for a smaller one are the first ones.
        unlabeled = np.flatnonzero(pool.candidates.cpu().numpy())
        drawn = pool.random_state.permutation(unlabeled)[: self.n_candidates]
        candidates = torch.zeros_like(pool.candidates)
        candidates[torch.as_tensor(drawn)] = True
        return replace(pool, candidates=candidates)

    def _start(self, pool: Pool) -> LookAheadState:
        view = self._kernel_pool(pool)
        reference = np.setdiff1d(np.arange(pool.rows.n_samples), pool.labeled)
        used = reference
        if self.n_reference is not None:
            reference = pool.random_state.permutation(reference)
            # Reference rows that are picked make room for the next ones.
            used = reference[: self.n_reference + pool.n_picks]
        candidates = np.flatnonzero(pool.candidates.cpu().numpy())
        state = LookAheadState(
            model=self._make_model(pool, view, np.union1d(candidates, used)),
            candidates=candidates,
            reference=reference,
            not_scored=torch.full_like(view.prior_variance, -torch.inf),
        )
        self.noise_variance_ = state.model.noise_variance
        if state.model.classes is not None:
            self.classes_ = state.model.classes
        if self.sequential:
            return state
        return state._replace(frozen_scores=self._current_scores(state))

    def _condition(self, state: LookAheadState, labeled: NDArray[np.int64]) -> LookAheadState:
        return state  # the model has learned all labeled rows at once

    def _score(self, state: LookAheadState) -> Tensor:
        if state.frozen_scores is not None:
            return state.frozen_scores
        return self._current_scores(state)

    def _current_scores(self, state: LookAheadState) -> Tensor:
        reference = np.sort(state.reference[: self.n_reference])
        values = state.model.scores(self.criterion, state.candidates, reference)
        scores = state.not_scored.clone()
        scores[state.candidates] = values.to(scores.device)
        return scores

    def _score_floor(self, state: LookAheadState, first_score: float) -> float:
        return max(abs(first_score), state.model.score_error / SCORE_TOLERANCE)

    def _step(self, state: LookAheadState, row: int) -> LookAheadState:
        if not self.sequential:
            return state
        state.model.learn(row)
        return state._replace(
            candidates=state.candidates[state.candidates != row],
            reference=state.reference[state.reference != row],
        )

    def _reported(self, state: LookAheadState, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        # Ties are judged on accuracies, which do not vanish as errors do.
        is_accuracy = self.criterion == "expected_error" and state.model.counts_accuracy
        return scores - 1.0 if is_accuracy else scores

    def _draws_at_random(self) -> bool:
        return self.n_candidates is not None or self.n_reference is not None
