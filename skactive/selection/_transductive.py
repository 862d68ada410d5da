"""What selectors that learn about targets have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._shortlist import Rivals
from skactive._targeted import TargetedSelector
from skactive._validation import check_choice
from skactive.posterior import GaussianPosterior, LocalPosterior, Proposal, SweptPosterior
from skactive.posterior._proposal import KEPT_ENTRIES
from skactive.selection._kernel_selector import KernelPool, KernelSelector

# Picks that are proposed at once; see `Rows.product_error` for the largest number.
_FIRST_BLOCK = 32
_SMALLEST_BLOCK = 8
_LARGEST_BLOCK = 64
_USUAL_BLOCK = 16  # where another sweep is needed to take some of them back
_ROUNDED_UP = 1 + 1e-5  # of scores compared in float32


class TransductiveState(NamedTuple):
    """What one block of picks hands to the next."""

    # The posterior given the data; for directed ITL also the one given the targets as well.
    posteriors: Sequence[GaussianPosterior]
    # The same of a few rows, in the state of a shortlist.
    local: Sequence[LocalPosterior]
    frozen_scores: Tensor | None  # (n_rows,) scores of the first pick, for strategy="top"
    gains: list[float]  # information of each pick, nats
    target_variances: list[float]  # mean over the targets after each pick
    prior_scale: float  # mean prior variance
    block_size: int  # of picks that have to be verified


class TransductiveSelector(TargetedSelector, KernelSelector[TransductiveState]):
    """Base of ITL and VTL: two scores on the same posteriors."""

    strategy: str

    # Whether scores need the summed squared covariance of each row with the targets.
    _tracks_reduction = False

    @abstractmethod
    def _make_posteriors(self, view: KernelPool, pool: Pool) -> list[GaussianPosterior]:
        """Posteriors given the labeled rows."""

    @abstractmethod
    def _local_scores(self, posteriors: Sequence[LocalPosterior]) -> Tensor:
        """Scores of a few rows."""

    @abstractmethod
    def _upper_scores(self, posteriors: Sequence[SweptPosterior]) -> Tensor:
        """Upper bounds of the scores of all rows."""

    @staticmethod
    @abstractmethod
    def _largest_rivals(
        posteriors: Sequence[SweptPosterior], proposal: Proposal, rivals: Tensor
    ) -> Tensor:
        """Upper bound of the scores of rivals before each pick, float64 of shape (n_picks,).

        The sweep of the proposal is part of it. `rivals` is a mask of the rows. Scores may be
        replaced by others of the same order; see `_limits`. Without rivals they are -inf, or what
        no limit is below.
        """

    @staticmethod
    @abstractmethod
    def _limits(scores: Sequence[float]) -> Tensor:
        """The scores that rivals must not reach, as `_largest_rivals` measures them."""

    def _count_confirmed(
        self, posteriors: Sequence[GaussianPosterior], proposal: Proposal, rivals: Rivals
    ) -> int:
        """How many of the proposed picks no rival beats."""
        largest = self._largest_rivals(posteriors, proposal, rivals.rows)
        return count_below([largest], self._limits(rivals.limits))

    def _partitioned(self) -> Callable[[Any, Any], Selection]:
        from skactive.distributed._transductive import select_transductive

        return select_transductive

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.strategy, "strategy", ("greedy", "top", "two_round"))

    def _has_prefix_property(self) -> bool:
        return self.strategy != "two_round"

    def _start(self, pool: Pool) -> TransductiveState:
        view = self._kernel_pool(pool)
        self.noise_variance_ = view.noise_variance
        posteriors = self._make_posteriors(view, pool)
        frozen = self._upper_scores(posteriors) if self.strategy == "top" else None
        block_size = min(_FIRST_BLOCK, _longest_block(posteriors))
        return TransductiveState(posteriors, [], frozen, [], [], view.prior_scale, block_size)

    def _condition(self, state: TransductiveState, labeled: NDArray[np.int64]) -> TransductiveState:
        return state  # `_make_posteriors` has conditioned on all labeled rows at once

    def _restrict(self, state: TransductiveState, rows: NDArray[np.int64]) -> TransductiveState:
        if state.frozen_scores is not None:
            return state._replace(frozen_scores=state.frozen_scores[torch.as_tensor(rows)].cpu())
        posteriors = state.posteriors
        return state._replace(local=type(posteriors[0]).restrict(posteriors, rows))

    def _score(self, state: TransductiveState) -> Tensor:
        if state.frozen_scores is not None:
            return state.frozen_scores
        return self._local_scores(state.local)

    def _step(self, state: TransductiveState, row: int) -> TransductiveState:
        for posterior in state.local:
            posterior.condition_on(row)
        return state

    def _upper(self, state: TransductiveState) -> Tensor:
        if state.frozen_scores is not None:
            return state.frozen_scores
        return self._upper_scores(state.posteriors)

    def _scores_only_fall(self) -> bool:
        return self.strategy == "top"

    def _shortlist_size(self, state: TransductiveState) -> int:
        return 1024 if self._scores_only_fall() else 512  # where blocks may be long, more

    def _block_size(self, state: TransductiveState) -> int:
        # What is certified need not be given up.
        return _LARGEST_BLOCK if self._scores_only_fall() else state.block_size

    def _advance(
        self, state: TransductiveState, picks: NDArray[np.int64], rivals: Rivals | None
    ) -> tuple[TransductiveState, int]:
        posteriors = state.posteriors
        proposal = type(posteriors[0]).propose(posteriors, picks)
        before = posteriors[0].target_variance
        count = len(picks)
        if rivals is not None:
            count = self._count_confirmed(posteriors, proposal, rivals)
        proposal.accept(count)
        after = before - proposal.target_falls().cumsum(0)
        state.target_variances.extend(after.clamp(min=0.0).tolist())
        pivots = [batch.pivots for batch in proposal.batches]
        reference = self.noise_variance_ if len(pivots) == 1 else pivots[1]
        state.gains.extend((0.5 * torch.log(pivots[0] / reference)).tolist())
        # As many as stood this time, or more, where it may have been more.
        size = max(_SMALLEST_BLOCK, 2 * count if count == len(picks) else count)
        return state._replace(block_size=min(size, _longest_block(posteriors))), count

    def _finish(self, state: TransductiveState, selection: Selection) -> Selection:
        self.information_gain_ = np.cumsum(state.gains)
        self.target_variance_ = np.array(state.target_variances)
        return selection


def _longest_block(posteriors: Sequence[GaussianPosterior]) -> int:
    """As many picks as a proposal keeps the columns of, so that some can be taken back."""
    n_kept = KEPT_ENTRIES // (len(posteriors) * len(posteriors[0].running.variance))
    return max(_USUAL_BLOCK, min(_LARGEST_BLOCK, n_kept))


def before_each(start: Tensor, steps: Tensor) -> Tensor:
    """Values before each of several steps down, of shape (n_steps, n_rows), in their place."""
    return steps.sub_(steps.cumsum(0)).add_(start.to(steps))


def largest_before_each(largest: Sequence[Tensor], n_picks: int) -> Tensor:
    """Maximum over parts of the rows, float64 on the CPU of shape (n_picks,)."""
    if not largest:
        return torch.full((n_picks,), -torch.inf, dtype=torch.float64)
    return torch.stack(list(largest)).amax(0).to(device="cpu", dtype=torch.float64)


def count_below(largest: Sequence[Tensor], limits: Tensor) -> int:
    """How many picks stand, the first of them in any case.

    Parameters
    ----------
    largest : sequence of tensors of shape (n_picks,)
        The largest scores of rivals before each pick, from different parts of the pool.
    limits : tensor of shape (n_picks,)
        Scores they must not reach.
    """
    values = torch.stack(list(largest)).amax(0).to(limits)
    reached = values[1:] * _ROUNDED_UP >= limits[1:]
    return int(reached.to(torch.uint8).argmax()) + 1 if bool(reached.any()) else len(values)
