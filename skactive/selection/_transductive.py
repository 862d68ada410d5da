"""Selectors that learn about targets: ITL (information) and VTL (variance)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._rows import Rows
from skactive._shortlist import Rivals
from skactive._validation import check_choice, check_number
from skactive.kernels import Kernel
from skactive.posterior import GaussianPosterior, LocalPosterior, Proposal, gaussian_posterior
from skactive.selection._kernel_selector import KernelPool, KernelSelector

__all__ = ["ITLSelector", "VTLSelector"]

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


class TransductiveSelector(KernelSelector[TransductiveState]):
    """Base of ITL and VTL: two scores on the same posteriors."""

    strategy: str

    @abstractmethod
    def _make_posteriors(self, view: KernelPool, pool: Pool) -> list[GaussianPosterior]:
        """Posteriors given the labeled rows."""

    @abstractmethod
    def _local_scores(self, posteriors: Sequence[LocalPosterior]) -> Tensor:
        """Scores of a few rows."""

    @abstractmethod
    def _upper_scores(self, posteriors: Sequence[GaussianPosterior]) -> Tensor:
        """Upper bounds of the scores of all rows."""

    @abstractmethod
    def _count_confirmed(
        self, posteriors: Sequence[GaussianPosterior], proposal: Proposal, rivals: Rivals
    ) -> int:
        """How many of the proposed picks no rival beats."""

    def fit(self, X: Any, y: Any = None, *, labeled: Any = None, X_target: Any = None) -> Self:
        """Select rows of `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The pool; its Gram matrix (n_samples, n_samples) for ``kernel="precomputed"``.
        y : Ignored
            Present for API consistency.
        labeled : array-like, default=None
            Rows whose label is already known, as a boolean mask of length n_samples or as
            unique positions. They are conditioned on and never picked. Under cross-validation
            pass a mask: scikit-learn slices per-row arrays only.
        X_target : array-like or sparse matrix of shape (n_targets, n_features), default=None
            The points one wants to predict well; None means the pool. For
            ``kernel="precomputed"``, positions of pool rows, of shape (n_targets,). Search
            utilities slice it along with `X` when n_targets equals n_samples.

        Returns
        -------
        self : object
            The fitted selector.
        """
        return self._fit(X, y, labeled=labeled, X_target=X_target)

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.strategy, "strategy", ("greedy", "top"))

    def _start(self, pool: Pool) -> TransductiveState:
        view = self._kernel_pool(pool)
        self.noise_variance_ = view.noise_variance
        posteriors = self._make_posteriors(view, pool)
        frozen = self._upper_scores(posteriors) if self.strategy == "top" else None
        return TransductiveState(posteriors, [], frozen, [], [], view.prior_scale)

    def _condition(self, state: TransductiveState, labeled: NDArray[np.int64]) -> TransductiveState:
        return state  # `_make_posteriors` has conditioned on all labeled rows at once

    def _restrict(self, state: TransductiveState, rows: NDArray[np.int64]) -> TransductiveState:
        if state.frozen_scores is not None:
            return state._replace(frozen_scores=state.frozen_scores[torch.as_tensor(rows)].cpu())
        return state._replace(local=[posterior.restrict(rows) for posterior in state.posteriors])

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

    def _block_size(self, state: TransductiveState) -> int:
        return 256 if self._scores_only_fall() else 16

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
        return state, count

    def _finish(self, state: TransductiveState, selection: Selection) -> Selection:
        self.information_gain_ = np.cumsum(state.gains)
        self.target_variance_ = np.array(state.target_variances)
        return selection


class ITLSelector(TransductiveSelector):
    r"""Pick the rows whose labels tell most about the targets.

    Information-based transductive learning: the next pick maximizes

    .. math::

        I(f(A); y(x) \mid D) = \tfrac12 \log
        \frac{\sigma^2(x \mid D) + \rho^2}{\sigma^2(x \mid D, A) + \rho^2}

    with posterior variance :math:`\sigma^2`, label noise :math:`\rho^2`, data :math:`D` known
    so far and targets :math:`A`. Without targets the pool itself is meant, and the score
    becomes :math:`\tfrac12 \log(1 + \sigma^2(x \mid D) / \rho^2)`: greedy maximization of the
    determinant of the kernel matrix plus noise.

    The posterior is exact. With a linear or cosine kernel a pick costs O(n d) time and the
    state O(n + d²) memory; with other kernels O(n t) for t labeled rows, targets and picks.
    All arithmetic is float64, and near ties (1e-12 of the score) go to the lowest row number.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    kernel : {"cosine", "linear", "rbf", "precomputed"}, kernel object or callable, \
            default="cosine"
        Prior covariance, see :mod:`skactive.kernels`.
    noise_ratio : float > 0, default=0.1
        Variance of the label noise relative to the mean prior variance of the pool, so that
        rescaling the features changes nothing.
    target_noise_ratio : float > 0 or None, default=None
        Noise with which the targets are thought to be observed, relative like `noise_ratio`.
        None means ``max(noise_ratio, 4 * n_targets / n_features)`` (for a kernel without
        features, the effective rank :math:`\mathrm{tr}(K)^2 / \|K\|_F^2` of the targets takes
        the place of n_features). With too little target noise and at least as many targets as
        features, knowing the targets leaves nothing to learn at any row: the denominator
        collapses and ITL turns, gradually, into plain uncertainty sampling.
    strategy : {"greedy", "top"}, default="greedy"
        "greedy" conditions on each pick before the next, which makes the batch diverse; "top"
        scores once and takes the best, the ablation of the paper.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick when it was made, in nats.
    information_gain_ : ndarray of shape (n_selected,)
        Information about the targets in the labels of the picks so far, cumulative, in nats.
    target_variance_ : ndarray of shape (n_selected,)
        Mean posterior variance on the targets after each pick.
    noise_variance_ : float
        :math:`\rho^2` in squared units of the features.
    target_noise_variance_ : float or None
        The same for the targets; None without targets.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the kernel between any rows and these.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    See Also
    --------
    VTLSelector : Minimizes the variance on the targets instead.

    References
    ----------
    J. Hübotter, B. Sukhija, L. Treven, Y. As, A. Krause: Transductive Active Learning: Theory
    and Applications. NeurIPS 2024.

    D. MacKay: Information-Based Objective Functions for Active Data Selection. Neural
    Computation 4, 1992.

    Examples
    --------
    >>> from skactive import ITLSelector
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.2]]
    >>> ITLSelector(budget=2).fit(X).indices_
    array([0, 2])
    >>> ITLSelector(budget=1).fit(X, X_target=[[0.1, 1.0]]).indices_
    array([2])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        kernel: Any = "cosine",
        noise_ratio: float = 0.1,
        target_noise_ratio: float | None = None,
        strategy: str = "greedy",
        device: Any = "auto",
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.kernel = kernel
        self.noise_ratio = noise_ratio
        self.target_noise_ratio = target_noise_ratio
        self.strategy = strategy
        self.device = device
        self.verbose = verbose

    def _check_params(self) -> None:
        super()._check_params()
        if self.target_noise_ratio is not None:
            check_number(
                self.target_noise_ratio, "target_noise_ratio", hint="None chooses a safe value."
            )

    def _make_posteriors(self, view: KernelPool, pool: Pool) -> list[GaussianPosterior]:
        n_targets = _n_targets(view.targets)
        posteriors = [
            gaussian_posterior(
                view.kernel,
                view.rows,
                view.prior_variance,
                view.noise_variance,
                view.targets,
                n_observations=len(pool.labeled) + pool.n_picks + n_targets,
                fast=self.strategy == "greedy",
            )
            for _ in range(1 if view.targets is None else 2)
        ]
        for posterior in posteriors:
            posterior.condition_on_rows(pool.labeled)
        self.target_noise_variance_ = None
        if view.targets is not None:
            self.target_noise_variance_ = self._target_noise_ratio(view) * view.prior_scale
            posteriors[1].condition_on_targets(self.target_noise_variance_)
        return posteriors

    def _target_noise_ratio(self, view: KernelPool) -> float:
        if self.target_noise_ratio is not None:
            return float(self.target_noise_ratio)
        if view.kernel.is_linear:
            dimension = float(view.rows.n_features)
        else:
            dimension = _effective_rank(view)
        return max(float(self.noise_ratio), 4.0 * _n_targets(view.targets) / dimension)

    def _local_scores(self, posteriors: Sequence[LocalPosterior]) -> Tensor:
        return _information([posterior.variance for posterior in posteriors], self.noise_variance_)

    def _upper_scores(self, posteriors: Sequence[GaussianPosterior]) -> Tensor:
        # As large as possible given the data, as small as possible given the targets as well.
        bounds = [posterior.running.bounds() for posterior in posteriors]
        return _information(
            [pair[1 - position] for position, pair in enumerate(bounds)], self.noise_variance_
        )

    def _count_confirmed(
        self, posteriors: Sequence[GaussianPosterior], proposal: Proposal, rivals: Rivals
    ) -> int:
        """Compares ratios of variances, whose logarithms are the scores."""
        noise = posteriors[0].noise_variance
        limits = torch.tensor(rivals.limits, dtype=torch.float64).mul(2).exp_()
        largest = torch.zeros_like(limits)
        given_data, given_targets = (posterior.running for posterior in posteriors)
        for rows, _, (fall, target_fall) in proposal.sweep():
            slack, _ = given_data.slacks_after(rows, proposal.batches[0].magnitudes)
            target_slack, _ = given_targets.slacks_after(rows, proposal.batches[1].magnitudes)
            upper = given_data.variance[rows] + slack + noise
            lower = given_targets.variance[rows] - target_slack + noise
            upper = torch.where(rivals.rows[rows], upper, 0.0)
            ratios = _before(upper, fall) / _before(lower, target_fall).clamp_(min=noise)
            largest = torch.maximum(largest, ratios.amax(1).to(largest))
        return first_reached(largest * _ROUNDED_UP, limits)

    def _scores_only_fall(self) -> bool:
        return super()._scores_only_fall() or self.target_noise_variance_ is None

    def _score_floor(self, state: TransductiveState, first_score: float) -> float:
        # The variances are exact to about 1e-15 of the prior one.
        return 1e-2 * state.prior_scale / self.noise_variance_


class VTLSelector(TransductiveSelector):
    r"""Pick the rows whose labels reduce the variance on the targets most.

    Variance-based transductive learning: the next pick maximizes the fall of the summed
    posterior variance on the targets :math:`A`,

    .. math::

        \sum_{a \in A} \frac{\mathrm{cov}(a, x \mid D)^2}{\sigma^2(x \mid D) + \rho^2},

    with label noise :math:`\rho^2` and data :math:`D` known so far. Without targets the pool
    itself is meant (greedy A-optimal design for prediction).

    The posterior is exact. With a linear or cosine kernel a pick costs O(n d) time and the
    state O(n + d²) memory; with other kernels O(n m) for m targets besides. All arithmetic is
    float64, and near ties (1e-12 of the score) go to the lowest row number.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    kernel : {"cosine", "linear", "rbf", "precomputed"}, kernel object or callable, \
            default="cosine"
        Prior covariance, see :mod:`skactive.kernels`.
    noise_ratio : float > 0, default=0.1
        Variance of the label noise relative to the mean prior variance of the pool.
    strategy : {"greedy", "top"}, default="greedy"
        "greedy" conditions on each pick before the next; "top" scores once and takes the best.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick when it was made: the fall of the summed target variance.
    information_gain_ : ndarray of shape (n_selected,)
        Information about f in the labels of the picks so far, cumulative, in nats.
    target_variance_ : ndarray of shape (n_selected,)
        Mean posterior variance on the targets after each pick.
    noise_variance_ : float
        :math:`\rho^2` in squared units of the features.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the kernel between any rows and these.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    See Also
    --------
    ITLSelector : Maximizes the information about the targets instead.

    References
    ----------
    J. Hübotter, B. Sukhija, L. Treven, Y. As, A. Krause: Transductive Active Learning: Theory
    and Applications. NeurIPS 2024.

    Examples
    --------
    >>> from skactive import VTLSelector
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.2]]
    >>> VTLSelector(budget=1).fit(X, X_target=[[0.1, 1.0]]).indices_
    array([2])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        kernel: Any = "cosine",
        noise_ratio: float = 0.1,
        strategy: str = "greedy",
        device: Any = "auto",
        verbose: bool = False,
    ) -> None:
        self.budget = budget
        self.kernel = kernel
        self.noise_ratio = noise_ratio
        self.strategy = strategy
        self.device = device
        self.verbose = verbose

    def _make_posteriors(self, view: KernelPool, pool: Pool) -> list[GaussianPosterior]:
        posterior = gaussian_posterior(
            view.kernel,
            view.rows,
            view.prior_variance,
            view.noise_variance,
            view.targets,
            n_observations=len(pool.labeled) + pool.n_picks,
            track_reduction=True,
            fast=self.strategy == "greedy",
        )
        posterior.condition_on_rows(pool.labeled)
        return [posterior]

    def _local_scores(self, posteriors: Sequence[LocalPosterior]) -> Tensor:
        (posterior,) = posteriors
        assert posterior.reduction is not None  # requested in `_make_posteriors`
        return posterior.reduction / (posterior.variance + posterior.noise_variance)

    def _upper_scores(self, posteriors: Sequence[GaussianPosterior]) -> Tensor:
        (posterior,) = posteriors
        lower, _ = posterior.running.bounds()
        return posterior.running.reduction_bound() / (lower + posterior.noise_variance)

    def _count_confirmed(
        self, posteriors: Sequence[GaussianPosterior], proposal: Proposal, rivals: Rivals
    ) -> int:
        (posterior,) = posteriors
        (batch,) = proposal.batches
        running, noise = posterior.running, posterior.noise_variance
        limits = torch.tensor(rivals.limits, dtype=torch.float64)
        largest = torch.full_like(limits, -torch.inf)
        for rows, (columns,), (fall,) in proposal.sweep():
            slack, reduction_slack = running.slacks_after(rows, batch.magnitudes)
            assert running.reduction is not None and reduction_slack is not None
            upper = running.reduction[rows] + reduction_slack
            upper = torch.where(rivals.rows[rows], upper, -torch.inf)
            lower = running.variance[rows] - slack + noise
            scores = _before(upper, columns.reduction_steps()) / _before(lower, fall).clamp_(
                min=noise
            )
            largest = torch.maximum(largest, scores.amax(1).to(largest))
        return first_reached(largest * _ROUNDED_UP, limits)

    def _score_floor(self, state: TransductiveState, first_score: float) -> float:
        # The covariances are exact to about 1e-15 of the variances on the targets.
        (posterior,) = state.posteriors
        return 1e-3 * posterior.n_targets * posterior.target_variance**2 / posterior.noise_variance


def _information(variances: Sequence[Tensor], noise_variance: float) -> Tensor:
    """½ log of the predictive variance over its value once the targets (or f) are known."""
    if len(variances) == 1:
        return 0.5 * torch.log1p(variances[0] / noise_variance)
    return 0.5 * torch.log((variances[0] + noise_variance) / (variances[1] + noise_variance))


def _before(start: Tensor, steps: Tensor) -> Tensor:
    """Values before each of several steps down, of shape (n_steps, n_rows)."""
    return start.to(steps) - (steps.cumsum(0) - steps)


def first_reached(values: Tensor, limits: Tensor) -> int:
    """How many of the values, from the second on, stay below their limits; the first counts."""
    reached = values[1:] >= limits[1:]
    return int(reached.to(torch.uint8).argmax()) + 1 if bool(reached.any()) else len(values)


def _n_targets(targets: Rows | NDArray[np.int64] | None) -> int:
    if targets is None:
        return 0
    return targets.n_samples if isinstance(targets, Rows) else len(targets)


def _effective_rank(view: KernelPool) -> float:
    """tr(K)² / ‖K‖² of the targets' kernel matrix: how many directions they span."""
    gram = _target_gram(view.kernel, view.targets, view.rows)
    norm = float(gram.square().sum())
    return float(gram.diagonal().sum()) ** 2 / norm if norm > 0 else 1.0


def _target_gram(kernel: Kernel, targets: Any, rows: Rows) -> Tensor:
    if isinstance(targets, Rows):
        return kernel.cross(targets, targets.dense())
    return kernel.cross(rows, torch.as_tensor(targets))[targets]
