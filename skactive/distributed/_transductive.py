"""ITL and VTL on a pool in parts: each part keeps variances, the driver the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from torch import Tensor

from skactive._base import Selection
from skactive._rows import Rows
from skactive.distributed._greedy import GreedyMethod, Lister, select_greedily
from skactive.distributed._listing import Choice, Merged, PartState, choosable
from skactive.distributed._part import Part
from skactive.distributed._partitions import Partitions
from skactive.distributed._pool import PartitionedPool
from skactive.distributed._two_round import Noise, pick_in_two_rounds
from skactive.kernels import Kernel, resolve_kernel
from skactive.posterior import (
    Observations,
    PartPosterior,
    Proposal,
    Weights,
    WeightsProposal,
)
from skactive.posterior._choice import check_weights_memory
from skactive.posterior._proposal import KEPT_ENTRIES
from skactive.selection._transductive import TransductiveState, count_below

# Fewer than in memory: they travel, and where blocks are short, more would save no round trip.
_LISTED_FALLING = 512
_LISTED = 256
_BLOCK = 16  # picks that are verified at once


def select_transductive(selector: Any, pool: PartitionedPool) -> Selection:
    """The picks of `ITLSelector` and `VTLSelector`."""
    if selector.kernel not in ("linear", "cosine"):
        raise ValueError(
            f"kernel == {selector.kernel!r}, must be 'linear' or 'cosine' for a dask pool, whose "
            "parts know nothing of each other. Pass a sample of the pool in memory, or features "
            "of the kernel (sklearn.kernel_approximation) with kernel='linear'."
        )
    if selector.strategy != "two_round" or len(pool.parts) == 1:
        return select_greedily(PartitionedTransductive(selector, pool))
    picks = pick_in_two_rounds(selector, pool, _noise(selector, pool))
    return PartitionedTransductive(selector, pool).describe(picks.rows, picks.points)


def _noise(selector: Any, pool: PartitionedPool) -> Noise:
    kernel = resolve_kernel(selector.kernel)
    scale = _prior_scale(pool, kernel)
    targets = None
    if pool.targets is not None and not selector._tracks_reduction:
        d = float(pool.parts.n_features)
        targets = selector._target_noise_ratio(pool.targets.n_samples, lambda: d)
    return Noise(kernel, scale, float(selector.noise_ratio), targets)


def _prior_scale(pool: PartitionedPool, kernel: Kernel) -> float:
    """Mean prior variance of the pool."""
    scale = float(sum(pool.parts.map(_prior_sum, kernel, reads=False))) / pool.parts.n_samples
    return scale if scale > 0 else 1.0  # nothing but zeros: every pick is a tie


class Start(NamedTuple):
    """What a part has to know from the beginning."""

    selector: Any  # for its scores
    kernel: Kernel
    noise_variance: float
    n_posteriors: int
    n_targets: int
    has_targets: bool
    # Of VTL, what the reductions follow from: G, or the targets where these are few.
    target_gram: NDArray[np.float64] | None
    targets: NDArray[np.float64] | None
    kept_share: float  # of a proposal, numbers to keep for each one of the rows
    rows_stay: bool


class Exact(NamedTuple):
    """Exact values of the rows that a part has listed."""

    variances: list[NDArray[np.float64]]  # for each posterior
    reduction: NDArray[np.float64] | None


class Follow(NamedTuple):
    """Observations for the posteriors of a part; None: those it has worked out before."""

    observations: list[Observations] | None
    n_picks: int


class TransductivePart(PartState):
    """Running variances of the rows of a part."""

    def __init__(self, part: Part, start: Start) -> None:
        self.selector = start.selector
        rows = start.kernel.prepare(part.rows)
        rows = rows.precise() if self.selector.strategy == "top" else rows
        self.rows = rows
        reduction = None
        if start.target_gram is not None:
            reduction = rows.quadratic_form(torch.tensor(start.target_gram, device=rows.device))
        elif start.targets is not None:
            reduction = rows.image_squares(torch.tensor(start.targets, device=rows.device))
        self.posteriors = [
            PartPosterior(
                rows,
                start.kernel.diagonal(rows),
                start.noise_variance,
                n_targets=start.n_targets,
                has_targets=start.has_targets,
                reduction=reduction,
            )
            for _ in range(start.n_posteriors)
        ]
        self.frozen: Tensor | None = None  # scores of the first pick, for strategy="top"
        self._keeps = start.rows_stay
        self._kept_entries = int(start.kept_share * part.n_samples * part.rows.n_features)
        self._proposal: Proposal | None = None

    def upper(self, part: Part) -> Tensor:
        if self.frozen is not None:
            return self.frozen
        scores: Tensor = self.selector._upper_scores(self.posteriors)
        return scores

    def exact(self, part: Part, rows: NDArray[np.int64], context: Sequence[Weights]) -> Tensor:
        positions = torch.as_tensor(rows, device=self.rows.device)
        if self.frozen is not None:
            return self.frozen[positions]
        points = self.rows.take(rows).cpu()
        prior = self.posteriors[0].running.variance[positions].cpu()
        local = [weights.restrict(points, prior) for weights in context]
        for posterior, exact in zip(self.posteriors, local, strict=True):
            posterior.running.set_exactly(positions, exact.variance, exact.reduction)
        scores: Tensor = self.selector._local_scores(local)
        return scores

    def details(self, part: Part, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        positions = torch.as_tensor(rows, device=self.rows.device)
        details = {"variance": self.posteriors[0].running.variance[positions].cpu().numpy()}
        if self.frozen is not None:
            details["score"] = self.frozen[positions].cpu().numpy()
        return details

    def apply(self, part: Part, command: Follow, own: Exact | None) -> NDArray[np.float64]:
        """Make observations; the sums of the variances before them, and of their falls."""
        self.set_exactly(own)
        before = float(self.posteriors[0].variance.sum())
        proposal, self._proposal = self._proposal, None
        if command.observations is not None:
            proposal = PartPosterior.propose(self.posteriors, command.observations)
        assert proposal is not None  # worked out by `rival`
        proposal.accept(command.n_picks)
        return np.append(before, proposal.pool_falls.cpu().numpy())

    def set_exactly(self, own: Exact | None) -> None:
        if own is not None:
            for posterior, variance in zip(self.posteriors, own.variances, strict=True):
                posterior.set_exactly(self.listed, variance, own.reduction)

    def rival(
        self, part: Part, observations: list[Observations], choice: Choice
    ) -> NDArray[np.float64]:
        """Largest scores of rows that are not listed before each of the proposed picks."""
        self._proposal = PartPosterior.propose(self.posteriors, observations, self._kept_entries)
        rivals = choosable(part, choice)
        rivals[torch.as_tensor(self.listed)] = False
        largest: Tensor = self.selector._largest_rivals(self.posteriors, self._proposal, rivals)
        if not self._keeps:
            self._proposal.forget()
        return largest.cpu().numpy()


class PartitionedTransductive(GreedyMethod):
    """The posterior of the weights, and its consequences for the listed rows."""

    def start(self) -> None:
        selector, pool = self.selector, self.pool
        parts, d = pool.parts, pool.parts.n_features
        check_weights_memory(d)
        kernel = selector._kernel = resolve_kernel(selector.kernel)
        scale = _prior_scale(pool, kernel)
        noise = selector.noise_variance_ = float(selector.noise_ratio) * scale
        targets = None if pool.targets is None else kernel.prepare(pool.targets)
        has_targets = targets is not None
        tracks = selector._tracks_reduction
        n_posteriors = 2 if has_targets and not tracks else 1
        n_targets = targets.n_samples if targets is not None else parts.n_samples

        def target_gram() -> Tensor:
            if targets is not None:
                return targets.gram()
            return torch.from_numpy(np.sum(parts.map(_gram, kernel), axis=0))

        self._weights = [
            Weights(
                d,
                noise,
                target_gram,
                n_targets=n_targets,
                has_targets=has_targets,
                tracks_reduction=tracks,
            )
            for _ in range(n_posteriors)
        ]
        by_gram = tracks and (targets is None or n_targets >= d)
        sent = clone(selector)
        sent.noise_variance_ = noise
        start = Start(
            selector=sent,
            kernel=kernel,
            noise_variance=noise,
            n_posteriors=n_posteriors,
            n_targets=n_targets,
            has_targets=has_targets,
            target_gram=self._weights[0].target_gram.numpy() if by_gram else None,
            targets=targets.dense().numpy()
            if tracks and targets is not None and not by_gram
            else None,
            kept_share=_kept_share(parts),
            rows_stay=parts.rows_stay,
        )
        parts.map(_open, start)
        self._condition(kernel, targets, scale)
        weights: Any = self._weights  # in the place of posteriors
        self._state = TransductiveState(weights, [], None, [], [], scale, _BLOCK)

    def _condition(self, kernel: Kernel, targets: Rows | None, scale: float) -> None:
        """Observe the labeled rows and, in the second posterior, the targets."""
        selector, parts = self.selector, self.pool.parts
        if len(self.pool.labeled):
            raw = Rows(parts.take(self.pool.labeled), torch.device("cpu"))
            points = kernel.prepare(raw).dense()
            for i, weights in enumerate(self._weights):
                parts.map(_follow, (i, weights.condition_on(points)))
        if not selector._tracks_reduction:
            selector.target_noise_variance_ = None
        if targets is not None and not selector._tracks_reduction:
            d = float(parts.n_features)
            ratio = selector._target_noise_ratio(targets.n_samples, lambda: d)
            selector.target_noise_variance_ = ratio * scale
            update = self._weights[1].condition_on_targets(targets, ratio * scale)
            parts.map(_follow, (1, update))
        self.scores_only_fall = selector._scores_only_fall()
        if selector.strategy == "top":
            parts.map(_freeze, reads=False)

    def restrict(self, listed: Merged) -> Any:
        rows = Rows(listed.points, torch.device("cpu"))
        self._points = self.selector._kernel.prepare(rows).dense()
        self._exact: list[Exact] | None = None
        if "score" in listed.details:
            return torch.from_numpy(listed.details["score"])
        prior = torch.from_numpy(listed.details["variance"])
        local = [weights.restrict(self._points, prior) for weights in self._weights]
        variances = [listed.by_part(posterior.variance.numpy()) for posterior in local]
        reductions: list[Any] = [None] * len(listed.counts)
        if local[0].reduction is not None:
            reductions = listed.by_part(local[0].reduction.numpy())
        self._exact = [
            Exact([own[p] for own in variances], reductions[p]) for p in range(len(reductions))
        ]
        return local

    def score(self, local: Any) -> Tensor:
        if isinstance(local, Tensor):
            return local
        scores: Tensor = self.selector._local_scores(local)
        return scores

    def step(self, local: Any, position: int) -> Any:
        if not isinstance(local, Tensor):
            for posterior in local:
                posterior.condition_on(position)
        return local

    def floor(self, first_score: float) -> float:
        return float(self.selector._score_floor(self._state, first_score))

    def block_size(self) -> int:
        return int(self.selector._block_size(self._state))

    def list_size(self) -> int:
        return _LISTED_FALLING if self.scores_only_fall else _LISTED

    def confirm(self, listed: Merged, choice: Choice) -> int:
        self._proposal = WeightsProposal(self._weights, self._picked_points(listed))
        if self.scores_only_fall or len(listed.picks) == 1:
            return len(listed.picks)
        message = (self._proposal.observations, choice)
        largest = self.pool.parts.map(_rival, message, self._exact)
        self._exact = None  # the parts know by now
        limits = self.selector._limits(listed.limits)
        return count_below([torch.from_numpy(values) for values in largest], limits)

    def commit(self, listed: Merged, count: int) -> tuple[Follow, list[Exact] | None]:
        is_known = self._exact is None and "score" not in listed.details
        self._accept(count)
        return Follow(None if is_known else self._proposal.observations, count), self._exact

    def _accept(self, count: int) -> None:
        """Make the first of the proposed observations, and note what they are worth."""
        proposal, state = self._proposal, self._state
        before = self._weights[0].target_variance if self._weights[0].has_targets else 0.0
        proposal.accept(count)
        pivots = proposal.pivots
        reference = self.selector.noise_variance_ if len(pivots) == 1 else pivots[1]
        state.gains.extend((0.5 * torch.log(pivots[0] / reference)).tolist())
        if self._weights[0].has_targets:
            falls = proposal.target_falls(torch.zeros(count, dtype=torch.float64))
            self._note(before - falls.cumsum(0))

    def describe(self, rows: NDArray[np.int64], raw: NDArray[Any]) -> Selection:
        """What picks that have been made in another way are worth, one after the other."""
        self.start()
        prepared = self.selector._kernel.prepare(Rows(raw, torch.device("cpu")))
        points, prior = prepared.dense(), self.selector._kernel.diagonal(prepared)
        local: Any = [weights.restrict(points, prior) for weights in self._weights]
        scores = []
        for position in range(len(rows)):
            scores.append(float(self.score(local)[position]))
            local = self.step(local, position)
        self._proposal = WeightsProposal(self._weights, points)
        self._accept(len(rows))
        if not self._weights[0].has_targets:
            self.applied(self.pool.parts.map(_observe, self._proposal.observations))
        selection = Selection(rows, np.array(scores))
        finished: Selection = self.selector._finish(self._state, selection)
        return finished

    def applied(self, replies: list[NDArray[np.float64]]) -> None:
        if self._weights[0].has_targets:
            return
        before, *falls = np.sum(replies, axis=0)
        fallen = self._proposal.target_falls(torch.tensor(falls)).cumsum(0)
        self._note(before / self.pool.parts.n_samples - fallen)

    def context(self) -> Any:
        return self._weights

    def finish(self, selection: Selection, lister: Lister) -> Selection:
        if not self._weights[0].has_targets:
            lister.flush()
        finished: Selection = self.selector._finish(self._state, selection)
        return finished

    def _note(self, target_variances: Tensor) -> None:
        self._state.target_variances.extend(target_variances.clamp(min=0.0).tolist())

    def _picked_points(self, listed: Merged) -> Tensor:
        picked: Tensor = self._points[np.searchsorted(listed.rows, listed.picks)]
        return picked


def _kept_share(parts: Partitions) -> float:
    """Half of what the rows take, where these are held in memory; else little."""
    share = KEPT_ENTRIES / (parts.n_samples * parts.n_features)
    return max(0.5, share) if parts.rows_stay else share


def _prior_sum(part: Part, message: Kernel, own: None) -> float:
    return float(message.diagonal(message.prepare(part.rows)).sum())


def _gram(part: Part, message: Kernel, own: None) -> NDArray[np.float64]:
    gram: NDArray[np.float64] = message.prepare(part.rows).gram().cpu().numpy()
    return gram


def _open(part: Part, message: Start, own: None) -> None:
    part.state = TransductivePart(part, message)


def _follow(part: Part, message: tuple[int, Any], own: None) -> None:
    position, update = message
    part.state.posteriors[position].follow(update)


def _observe(part: Part, message: list[Observations], own: None) -> NDArray[np.float64]:
    falls: NDArray[np.float64] = part.state.apply(
        part, Follow(message, len(message[0].pivots)), None
    )
    return falls


def _freeze(part: Part, message: None, own: None) -> None:
    part.state.frozen = part.state.upper(part)


def _rival(
    part: Part, message: tuple[list[Observations], Choice], own: Exact
) -> NDArray[np.float64]:
    observations, choice = message
    part.state.set_exactly(own)
    largest: NDArray[np.float64] = part.state.rival(part, observations, choice)
    return largest
