"""ITL: the rows whose labels tell most about the targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool
from skactive._rows import Rows
from skactive._validation import check_number
from skactive.kernels import Kernel
from skactive.posterior import (
    GaussianPosterior,
    LocalPosterior,
    Proposal,
    Steps,
    SweptPosterior,
    gaussian_posterior,
)
from skactive.selection._kernel_selector import KernelPool
from skactive.selection._transductive import (
    TransductiveSelector,
    TransductiveState,
    before_each,
    largest_before_each,
)

__all__ = ["ITLSelector"]


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

    The picks are those of a float64 computation on all rows, and near ties (1e-12 of the score)
    go to the lowest row number. With a linear or cosine kernel a pick costs O(n d) time; one
    sweep over the pool, in float32 with bounds on its rounding, serves up to 64 picks: with
    targets as many as can be verified, without as many as can be certified. Memory beside the
    pool is 150 bytes a row, O(d²), and chunks of a few MiB within scikit-learn's
    ``working_memory``; a memory map is streamed. Other kernels take O(n t) time and memory for t
    labeled rows, targets and picks.

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
    strategy : {"greedy", "top", "two_round"}, default="greedy"
        "greedy" conditions on each pick before the next, which makes the batch diverse; "top"
        scores once and takes the best, the ablation of the paper. "two_round" is for dask pools on
        slow networks: each part of the pool picks on its own, the picks are chosen among these,
        and the better of that choice and of the parts' own is kept: at least a share of
        :math:`(1 - 1/e) / \min(\sqrt{b}, p)` of the largest possible gain with p parts,
        without targets (with targets the gains need not fall, and nothing is promised). A pool in
        memory is a single part, for which it is "greedy".
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.
    network : skorch net, torch.nn.Module or None, default=None
        Network that turns the raw inputs `X` (images, texts as tokens, ...) into features, as in
        :class:`~skactive.embedding.NetworkEmbedding`; shorthand for a Pipeline with that step.
    embedding : str, transformer or None, default=None
        Which features: a `kind` of NetworkEmbedding, or any transformer. None means
        "last_layer" where there is a network. A kind without `network` takes the `estimator`
        handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` the model of the round
        before.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick when it was made, in nats.
    information_gain_ : ndarray of shape (n_selected,)
        Information about the targets in the labels of the picks so far, cumulative, in nats.
    target_variance_ : ndarray of shape (n_selected,)
        Mean posterior variance on the targets after each pick; on the pool, where there are no
        targets, to about 1e-6 of its prior value.
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
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

    See Also
    --------
    VTLSelector : Minimizes the variance on the targets instead.

    References
    ----------
    J. Hübotter, B. Sukhija, L. Treven, Y. As, A. Krause: Transductive Active Learning: Theory
    and Applications. NeurIPS 2024.

    D. MacKay: Information-Based Objective Functions for Active Data Selection. Neural
    Computation 4, 1992.

    B. Mirzasoleiman, A. Karbasi, R. Sarkar, A. Krause: Distributed Submodular Maximization:
    Identifying Representative Elements in Massive Data. NeurIPS 2013 ("two_round").

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
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.kernel = kernel
        self.noise_ratio = noise_ratio
        self.target_noise_ratio = target_noise_ratio
        self.strategy = strategy
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

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
                fast=self.strategy != "top",
            )
            for _ in range(1 if view.targets is None else 2)
        ]
        for posterior in posteriors:
            posterior.condition_on_rows(pool.labeled)
        self.target_noise_variance_ = None
        if view.targets is not None:
            ratio = self._target_noise_ratio(_n_targets(view.targets), lambda: _dimension(view))
            self.target_noise_variance_ = ratio * view.prior_scale
            posteriors[1].condition_on_targets(self.target_noise_variance_)
        return posteriors

    def _target_noise_ratio(self, n_targets: int, dimension: Callable[[], float]) -> float:
        """The one given, or one with which many targets do not determine each other."""
        if self.target_noise_ratio is not None:
            return float(self.target_noise_ratio)
        return max(float(self.noise_ratio), 4.0 * n_targets / dimension())

    def _local_scores(self, posteriors: Sequence[LocalPosterior]) -> Tensor:
        return _information([posterior.variance for posterior in posteriors], self.noise_variance_)

    def _upper_scores(self, posteriors: Sequence[SweptPosterior]) -> Tensor:
        # As large as possible given the data, as small as possible given the targets as well.
        bounds = [posterior.running.bounds() for posterior in posteriors]
        return _information(
            [pair[1 - position] for position, pair in enumerate(bounds)], self.noise_variance_
        )

    @staticmethod
    def _largest_rivals(
        posteriors: Sequence[SweptPosterior], proposal: Proposal, rivals: Tensor
    ) -> Tensor:
        """Of ratios of variances, whose logarithms are the scores; those of others are 0."""
        noise = posteriors[0].noise_variance
        given_data, given_targets = (posterior.running for posterior in posteriors)
        sizes, target_sizes = (batch.magnitudes for batch in proposal.batches)
        largest: list[Tensor] = []

        def visit(rows: slice, steps: list[Steps]) -> None:
            slack, _ = given_data.slacks_after(rows, sizes)
            target_slack, _ = given_targets.slacks_after(rows, target_sizes)
            upper = given_data.variance[rows] + slack + noise
            lower = given_targets.variance[rows] - target_slack + noise
            upper = torch.where(rivals[rows], upper, 0.0)
            ratios = before_each(upper, steps[0].variance)
            ratios /= before_each(lower, steps[1].variance).clamp_(min=noise)
            largest.append(ratios.amax(1))

        proposal.sweep(visit)
        return largest_before_each(largest, len(proposal.batches[0].pivots))

    @staticmethod
    def _limits(scores: Sequence[float]) -> Tensor:
        return torch.tensor(scores, dtype=torch.float64).mul(2).exp_()

    def _scores_only_fall(self) -> bool:
        return super()._scores_only_fall() or self.target_noise_variance_ is None

    def _score_floor(self, state: TransductiveState, first_score: float) -> float:
        # The variances are exact to about 1e-15 of the prior one.
        return 1e-2 * state.prior_scale / self.noise_variance_


def _information(variances: Sequence[Tensor], noise_variance: float) -> Tensor:
    """½ log of the predictive variance over its value once the targets (or f) are known."""
    if len(variances) == 1:
        return 0.5 * torch.log1p(variances[0] / noise_variance)
    return 0.5 * torch.log((variances[0] + noise_variance) / (variances[1] + noise_variance))


def _n_targets(targets: Rows | NDArray[np.int64] | None) -> int:
    if targets is None:
        return 0
    return targets.n_samples if isinstance(targets, Rows) else len(targets)


def _dimension(view: KernelPool) -> float:
    """How many directions the targets may span."""
    return float(view.rows.n_features) if view.kernel.is_linear else _effective_rank(view)


def _effective_rank(view: KernelPool) -> float:
    """tr(K)² / ‖K‖² of the targets' kernel matrix: how many directions they span."""
    gram = _target_gram(view.kernel, view.targets, view.rows)
    norm = float(gram.square().sum())
    return float(gram.diagonal().sum()) ** 2 / norm if norm > 0 else 1.0


def _target_gram(kernel: Kernel, targets: Any, rows: Rows) -> Tensor:
    if isinstance(targets, Rows):
        return kernel.cross(targets, targets.dense())
    return kernel.cross(rows, torch.as_tensor(targets))[targets]
