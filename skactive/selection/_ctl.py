"""CTL: the rows whose values are most correlated with the targets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._targeted import TargetedSelector
from skactive._threads import one_thread
from skactive._ties import SCORE_TOLERANCE
from skactive._validation import check_choice
from skactive.selection._correlations import Correlations
from skactive.selection._kernel_selector import KernelSelector

__all__ = ["CTLSelector"]

_ROUNDING = 1e-14  # of correlations, in units of prior over posterior variance


class CorrelationState(NamedTuple):
    """What one pick hands to the next."""

    correlations: Correlations
    frozen_scores: Tensor | None  # (n_samples,) scores of the first pick, for strategy="top"
    gains: list[float]  # information in the label of each pick, nats
    target_variances: list[float]  # mean over the targets after each pick


class CTLSelector(TargetedSelector, KernelSelector[CorrelationState]):
    r"""Pick the rows whose values are most correlated with the targets.

    Correlation-based transductive learning: the next pick maximizes the mean posterior
    correlation with the targets :math:`A`,

    .. math::

        \frac{1}{|A|} \sum_{a \in A}
        \frac{\mathrm{cov}(x, a \mid D)}{\sigma(x \mid D) \, \sigma(a \mid D)},

    given the data :math:`D` known so far, labels with noise :math:`\rho^2`. Without targets the
    pool itself is meant. Where nothing is labeled, the first pick is the row of largest mean
    cosine similarity to the targets, and each pick turns the embedding away from what is known.
    Signs count: a row that is anticorrelated with the targets scores low, though its label would
    say as much. Values that are known already are correlated with nothing.

    The picks are those of a float64 computation on all rows. Near ties go to the lowest row
    number: within 1e-12, or more where little noise leaves less than a hundredth of a variance
    (1e-14 over that share). With a linear or cosine kernel a pick costs O((n + m) d) time for m
    targets: two sweeps over the pool, and a third where the pool is the target. Memory beside
    the pool is 150 bytes a row, O(d²), and chunks of a few MiB within scikit-learn's
    ``working_memory``; a memory map is streamed. Other kernels take O(n (t + m)) time a pick for
    t labeled rows and picks, and as much memory.

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
        Score of each pick when it was made: its mean correlation with the targets, from -1 to 1.
    information_gain_ : ndarray of shape (n_selected,)
        Information about f in the labels of the picks so far, cumulative, in nats.
    target_variance_ : ndarray of shape (n_selected,)
        Mean posterior variance on the targets after each pick; on the pool, where there are no
        targets.
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
    ITLSelector : Maximizes the information about the targets.
    VTLSelector : Minimizes the variance on the targets.
    CosineSimilaritySelector : The same without what earlier picks tell.

    References
    ----------
    J. Hübotter, B. Sukhija, L. Treven, Y. As, A. Krause: Transductive Active Learning: Theory
    and Applications. NeurIPS 2024.

    Examples
    --------
    >>> from skactive import CTLSelector
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [-1.0, 0.2]]
    >>> CTLSelector(budget=1).fit(X, X_target=[[0.1, 1.0]]).indices_
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

    def _check_params(self) -> None:
        super()._check_params()
        check_choice(self.strategy, "strategy", ("greedy", "top"))

    def _select(self, pool: Pool) -> Selection:
        with one_thread():  # a product with one vector is not worth more
            return super()._select(pool)

    def _start(self, pool: Pool) -> CorrelationState:
        view = self._kernel_pool(pool)
        self.noise_variance_ = view.noise_variance
        correlations = Correlations(view, pool.labeled, pool.n_picks)
        frozen = correlations.mean() if self.strategy == "top" else None
        return CorrelationState(correlations, frozen, [], [])

    def _condition(self, state: CorrelationState, labeled: NDArray[np.int64]) -> CorrelationState:
        return state  # `_start` has conditioned on all labeled rows at once

    def _score(self, state: CorrelationState) -> Tensor:
        return state.correlations.mean() if state.frozen_scores is None else state.frozen_scores

    def _score_floor(self, state: CorrelationState, first_score: float) -> float:
        # Small variances are differences of large ones.
        return max(1.0, _ROUNDING / SCORE_TOLERANCE / state.correlations.smallest_share())

    def _step(self, state: CorrelationState, row: int) -> CorrelationState:
        state.gains.append(state.correlations.observe(row))
        state.target_variances.append(float(state.correlations.target_variance.mean()))
        return state

    def _finish(self, state: CorrelationState, selection: Selection) -> Selection:
        self.information_gain_ = np.cumsum(state.gains)
        self.target_variance_ = np.array(state.target_variances)
        return selection
