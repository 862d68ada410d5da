"""Expected change of a regression model by the label of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing
from torch import Tensor

from skactive._base import Pool
from skactive._training import train
from skactive._validation import check_number
from skactive.selection._pool_model import PoolModel, fit_model, input_batches, plain
from skactive.selection._pool_regressor import (
    given_regressor,
    in_row_order,
    pool_labels,
    predictions,
    standardised_ridge,
)
from skactive.selection._scored_once import ScoredOnceSelector

__all__ = ["ExpectedModelChangeSelector"]


class ExpectedModelChangeSelector(ScoredOnceSelector):
    r"""Pick the rows whose label is expected to change a regression model most.

    Expected model change maximization: one step of gradient descent on the squared error of a
    row x with label y moves the weights of a linear model f by a multiple of
    :math:`(f(x) - y) x`. The label is not known; K models :math:`f_k`, fitted to bootstrap
    samples of the labeled rows, stand for what it may be:

    .. math:: A(x) = \frac1K \sum_{k=1}^{K} \| (f(x) - f_k(x))\, x \|_2
        = \frac{\|x\|_2}{K} \sum_{k=1}^{K} |f(x) - f_k(x)|

    The formula is used for other models as well, as the paper does with features x of its own;
    then it weighs the disagreement by the norm of the row. The origin matters: centre and scale
    the features first, for instance with ``StandardScaler`` in a Pipeline.

    Every row is scored once, and the best are taken. Time is that of K fits to the labeled rows
    and of K + 1 predictions for the pool; memory beside them is O(n). Scores within the rounding
    of the predictions count as ties, which go to the lowest row number.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    estimator : regressor or None, default=None
        The model f. None means the one handed to ``fit``: in an ActiveLearningLoop that of the
        round before; without one, a ridge regression on standardised features is fitted to the
        labeled rows. A FrozenEstimator is asked as it is; any other estimator is cloned and
        fitted to the labeled rows. Clones of the same model are fitted to the bootstrap samples.
    n_bootstraps : int >= 1, default=4
        The number K of bootstrap models.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap samples, of models without a seed, and of the rows drawn where
        fewer than two are labeled.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    network : skorch net, torch.nn.Module or None, default=None
        Network that turns the raw inputs `X` (images, texts as tokens, ...) into features, as in
        :class:`~skactive.embedding.NetworkEmbedding`; shorthand for a Pipeline with that step.
        The norms are those of the features, to which models are fitted as well; one handed to
        ``fit``, a FrozenEstimator, and their clones read the raw inputs.
    embedding : str, transformer or None, default=None
        Which features: a `kind` of NetworkEmbedding, or any transformer. None means
        "last_layer" where there is a network. A kind without `network` takes the `estimator`
        handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` the model of the round
        before.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions, largest change first. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        :math:`A(x)` of each pick; zeros after a cold start.
    components_ : ndarray of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`.

    References
    ----------
    W. Cai, Y. Zhang, J. Zhou: Maximizing Expected Model Change for Active Learning in Regression.
    ICDM 2013.

    Examples
    --------
    >>> from skactive import ExpectedModelChangeSelector
    >>> X = [[-2.0], [-1.0], [0.0], [1.0], [2.0], [6.0]]
    >>> y = [0.0, -0.9, 0.2, 1.1, 0.0, 0.0]  # read at labeled rows only
    >>> selector = ExpectedModelChangeSelector(budget=2, random_state=0)
    >>> selector.fit(X, y, labeled=[1, 2, 3]).indices_
    array([5, 0])
    """

    _needs_labels = True

    def __init__(
        self,
        budget: int | float = 10,
        *,
        estimator: Any = None,
        n_bootstraps: int = 4,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.estimator = estimator
        self.n_bootstraps = n_bootstraps
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _check_params(self) -> None:
        check_number(self.n_bootstraps, "n_bootstraps", minimum=1, strict=False, integer=True)

    def _needs_model(self) -> bool:
        return super()._needs_model() or self.estimator is None

    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float] | None:
        name, pool = type(self).__name__, in_row_order(pool)
        given = given_regressor(self.estimator, pool, name)
        labels = pool_labels(pool, name, "draws rows at random")
        if labels is None:
            return None
        if given is None and self.estimator is None:
            labels = labels.reshape(-1)
        learner = _Learner(self._template(given), pool, labels, reads_inputs=given is not None)
        model = learner.wrap(given) if given is not None else learner.fit(np.arange(len(labels)))
        values, error = predictions(model, pool.rows)
        disagreement = np.zeros(pool.rows.n_samples)
        for _ in range(int(self.n_bootstraps)):
            sample = pool.random_state.randint(len(labels), size=len(labels))
            others, rounding = predictions(learner.fit(sample), pool.rows)
            disagreement += np.abs(values - others)
            error = max(error, rounding)
        norms = pool.rows.squared_norms().sqrt()
        mean = torch.from_numpy(disagreement / int(self.n_bootstraps)).to(norms.device)
        return mean * norms, 2 * error * float(norms.max())

    def _template(self, given: Any) -> Any:
        """What is cloned for the bootstrap samples."""
        if given is None:
            return standardised_ridge() if self.estimator is None else self.estimator
        return given.estimator if isinstance(given, FrozenEstimator) else given


class _Learner(NamedTuple):
    """Fits clones of a model to some of the labeled rows."""

    template: Any
    pool: Pool
    labels: NDArray[Any]
    reads_inputs: bool  # or the features

    def fit(self, sample: NDArray[np.int64]) -> PoolModel:
        """A model of the given labeled rows, each as often as it appears."""
        rows, labels = self.pool.labeled[sample], self.labels[sample]
        if not self.reads_inputs:
            return fit_model(self.template, replace(self.pool, labeled=rows), labels)
        model = train(
            self.template,
            plain(_safe_indexing(self.pool.inputs, rows)),
            labels,
            fit_params={},
            warm_start=False,
            former=None,
            random_state=self.pool.random_state,
        )
        return self.wrap(model)

    def wrap(self, model: Any) -> PoolModel:
        """A model that reads what was given to ``fit``."""
        return PoolModel(model, input_batches(self.pool.inputs, self.pool.rows.n_samples))
