"""Information density: uncertain rows in the midst of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._landmarks import KernelLandmarks, Landmarks
from skactive._targeted import TargetedSelector
from skactive._validation import check_choice, check_number
from skactive.kernels import resolve_kernel
from skactive.selection._pool_model import pool_classifier
from skactive.selection._scored_once import ScoredOnceSelector
from skactive.selection._uncertainty import CRITERIA, uncertainty
from skactive.selection._weighted_sum import mean_direction

__all__ = ["InformationDensitySelector"]

_ROUNDING = 1e-12  # of densities, which lie between 0 and 1


class InformationDensitySelector(TargetedSelector, ScoredOnceSelector):
    r"""Pick the rows a model is unsure of, and that many others resemble.

    Row :math:`x` scores its uncertainty :math:`u(x)` times its density, the mean similarity to
    the unlabeled rows :math:`U`,

    .. math::

        u(x) \left( \frac{1}{|U|} \sum_{x' \in U} \mathrm{sim}(x, x') \right)^\beta, \quad
        \mathrm{sim}(x, x') = \frac{1 + \cos(x, x')}{2},

    so that outliers, of which models often are unsure, score low. Cosines are mapped to numbers
    from 0 to 1, since a power of a negative density would mean nothing. With `X_target` the
    density is that of the targets in place of the unlabeled rows.

    Without a model (nothing, or but one class, is labeled) the density alone decides, and
    `scores_` are its powers; a ``ColdStartWarning`` says so.

    The density of all rows takes one product with the mean direction of :math:`U`: O(n d) time
    and 160 bytes of memory a row beside chunks of a few MiB. The model is asked once about every
    row, batch by batch.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    criterion : {"entropy", "margin", "least_confidence"}, default="entropy"
        What makes a row uncertain, as for :class:`~skactive.UncertaintySelector`.
    beta : float >= 0, default=1.0
        Weight :math:`\beta` of the density; 0 is plain uncertainty sampling.
    estimator : classifier or None, default=None
        The model. None means the one handed to ``fit``: in an
        :class:`~skactive.ActiveLearningLoop` that of the round before; without one, a logistic
        regression on standardised features is fitted to the labeled rows. A FrozenEstimator is
        asked as it is; any other estimator is cloned and fitted to the labeled rows.
    random_state : int, RandomState instance or None, default=None
        Seed of a model that the selector fits, where it has none of its own.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute densities; "auto" is the device of a tensor `X`, else CUDA where
        available.
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
        Score of each pick; entropies are in nats.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the cosine similarities of any rows to these.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`. ``transform`` and
        ``represent`` then take raw inputs, too.

    See Also
    --------
    UncertaintySelector : The same without densities.
    CosineSimilaritySelector : Densities alone.

    References
    ----------
    B. Settles, M. Craven: An Analysis of Active Learning Strategies for Sequence Labeling Tasks.
    EMNLP 2008.

    Examples
    --------
    >>> from skactive import InformationDensitySelector
    >>> X = [[5.0, 1.0], [1.0, 5.0], [4.0, 4.0], [3.0, 3.1], [-2.0, -2.0]]
    >>> y = ["a", "b", None, None, None]
    >>> InformationDensitySelector(budget=2).fit(X, y, labeled=[0, 1]).indices_
    array([2, 3])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        criterion: str = "entropy",
        beta: float = 1.0,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.criterion = criterion
        self.beta = beta
        self.estimator = estimator
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    @property
    def _needs_labels(self) -> bool:  # type: ignore[override]
        return not isinstance(self.estimator, FrozenEstimator)

    def _needs_model(self) -> bool:
        return super()._needs_model() or self.estimator is None

    def _accepts_sparse(self) -> bool:
        return True

    def _uses_unit_norm(self) -> bool:
        return True

    def _check_params(self) -> None:
        check_choice(self.criterion, "criterion", tuple(CRITERIA))
        check_number(self.beta, "beta", strict=False, hint="0 ignores the density; try 1.")

    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float]:
        weights = _density(pool).pow_(float(self.beta))
        largest = float(weights.max())
        model = pool_classifier(
            self.estimator, pool, type(self).__name__, instead="goes by density alone"
        )
        if model is None:
            return weights, _ROUNDING * largest
        scores, rounding = uncertainty(model.probabilities(), self.criterion, pool.rows.n_samples)
        return scores.to(weights) * weights, rounding * largest

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return KernelLandmarks(resolve_kernel("cosine", pool.rows))


def _density(pool: Pool) -> Tensor:
    """Mean of (1 + cos) / 2 over the reference rows, of shape (n_samples,)."""
    if pool.targets is not None:
        direction = mean_direction(pool.targets)
    else:
        unlabeled = torch.ones_like(pool.candidates, dtype=torch.float64)
        unlabeled[torch.as_tensor(pool.labeled)] = 0.0
        direction = mean_direction(pool.rows, unlabeled)
    cosines = pool.rows.unit().matmul(direction[:, None])[:, 0]
    return cosines.clamp_(-1.0, 1.0).add_(1.0).div_(2.0)
