"""VTL: the rows whose labels lower the variance on the targets most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from skactive._base import Pool
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

__all__ = ["VTLSelector"]


class VTLSelector(TransductiveSelector):
    r"""Pick the rows whose labels reduce the variance on the targets most.

    Variance-based transductive learning: the next pick maximizes the fall of the summed
    posterior variance on the targets :math:`A`,

    .. math::

        \sum_{a \in A} \frac{\mathrm{cov}(a, x \mid D)^2}{\sigma^2(x \mid D) + \rho^2},

    with label noise :math:`\rho^2` and data :math:`D` known so far. Without targets the pool
    itself is meant (greedy A-optimal design for prediction).

    The picks are those of a float64 computation on all rows, and near ties (1e-12 of the score)
    go to the lowest row number. With a linear or cosine kernel a pick costs O(n d) time; one
    sweep over the pool, in float32 with bounds on its rounding, serves up to 64 picks. Memory
    beside the pool is 150 bytes a row, O(d²), and chunks of a few MiB within scikit-learn's
    ``working_memory``; a memory map is streamed. Other kernels take O(n t) time and memory for t
    labeled rows and picks, and O(n m) for m targets besides.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    kernel : {"cosine", "linear", "rbf", "precomputed"}, kernel object or callable, \
            default="cosine"
        Prior covariance, see :mod:`skactive.kernels`.
    noise_ratio : float > 0, default=0.1
        Variance of the label noise relative to the mean prior variance of the pool.
    strategy : {"greedy", "top", "two_round"}, default="greedy"
        "greedy" conditions on each pick before the next; "top" scores once and takes the best.
        "two_round" is for dask pools on slow networks: each part of the pool picks on its own, and
        the picks are chosen among these; nothing is promised for them. A pool in memory is a
        single part, for which it is "greedy".
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
        Score of each pick when it was made: the fall of the summed target variance.
    information_gain_ : ndarray of shape (n_selected,)
        Information about f in the labels of the picks so far, cumulative, in nats.
    target_variance_ : ndarray of shape (n_selected,)
        Mean posterior variance on the targets after each pick; on the pool, where there are no
        targets, to about 1e-6 of its prior value.
    noise_variance_ : float
        :math:`\rho^2` in squared units of the features.
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
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.kernel = kernel
        self.noise_ratio = noise_ratio
        self.strategy = strategy
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    _tracks_reduction = True

    def _make_posteriors(self, view: KernelPool, pool: Pool) -> list[GaussianPosterior]:
        posterior = gaussian_posterior(
            view.kernel,
            view.rows,
            view.prior_variance,
            view.noise_variance,
            view.targets,
            n_observations=len(pool.labeled) + pool.n_picks,
            track_reduction=self._tracks_reduction,
            fast=self.strategy != "top",
        )
        posterior.condition_on_rows(pool.labeled)
        return [posterior]

    def _local_scores(self, posteriors: Sequence[LocalPosterior]) -> Tensor:
        (posterior,) = posteriors
        assert posterior.reduction is not None  # requested in `_make_posteriors`
        return posterior.reduction / (posterior.variance + posterior.noise_variance)

    def _upper_scores(self, posteriors: Sequence[SweptPosterior]) -> Tensor:
        (posterior,) = posteriors
        lower, _ = posterior.running.bounds()
        return posterior.running.reduction_bound() / (lower + posterior.noise_variance)

    @staticmethod
    def _largest_rivals(
        posteriors: Sequence[SweptPosterior], proposal: Proposal, rivals: Tensor
    ) -> Tensor:
        (posterior,) = posteriors
        sizes = proposal.batches[0].magnitudes
        running, noise = posterior.running, posterior.noise_variance
        largest: list[Tensor] = []

        def visit(rows: slice, steps: list[Steps]) -> None:
            (own,) = steps
            slack, reduction_slack = running.slacks_after(rows, sizes)
            assert running.reduction is not None and reduction_slack is not None
            assert own.reduction is not None  # requested in `_make_posteriors`
            upper = running.reduction[rows] + reduction_slack
            upper = torch.where(rivals[rows], upper, -torch.inf)
            lower = running.variance[rows] - slack + noise
            scores = before_each(upper, own.reduction)
            scores /= before_each(lower, own.variance).clamp_(min=noise)
            largest.append(scores.amax(1))

        proposal.sweep(visit)
        return largest_before_each(largest, len(proposal.batches[0].pivots))

    @staticmethod
    def _limits(scores: Sequence[float]) -> Tensor:
        return torch.tensor(scores, dtype=torch.float64)

    def _score_floor(self, state: TransductiveState, first_score: float) -> float:
        # The covariances are exact to about 1e-15 of the variances on the targets.
        (posterior,) = state.posteriors
        scale = posterior.target_variance  # whose square may overflow
        return 1e-3 * posterior.n_targets * scale * (scale / posterior.noise_variance)
