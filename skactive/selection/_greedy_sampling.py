"""Greedy sampling for regression: rows unlike the labeled ones, in features, in value, or both."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags
from torch import Tensor

from skactive._base import BaseSelector, Pool, Selection
from skactive._greedy import GreedySelector
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._validation import check_choice
from skactive.selection._coreset import CoreSetSelector
from skactive.selection._label_values import real_labels
from skactive.selection._pool_model import PoolModel, input_batches
from skactive.selection._pool_regressor import (
    given_regressor,
    in_row_order,
    pool_labels,
    pool_regressor,
    predictions,
    standardised_ridge,
)
from skactive.selection._value_sampling import ValueSampling

__all__ = ["GreedySamplingSelector"]

_INSTEAD = "covers the pool by method='x'"


class GreedySamplingSelector(BaseSelector):
    r"""Pick the rows whose values are expected to be unlike those known already.

    Greedy sampling for regression: with labels :math:`y_l` of the labeled rows :math:`x_l` and
    a model f, the next pick is the row with the largest

    ====== =================================== ==================================================
    method score
    ====== =================================== ==================================================
    "x"    :math:`\min_l \|x - x_l\|`          GSx: diverse in features; needs neither labels nor
                                               a model and is :class:`~skactive.CoreSetSelector`
    "y"    :math:`\min_l |f(x) - y_l|`         GSy: diverse in value
    "xy"   :math:`\min_l \|x - x_l\|           iGS: diverse in both
           \, |f(x) - y_l|`
    ====== =================================== ==================================================

    Within a batch the label of a pick is not known: it is taken to be the prediction f(x), and
    the pick counts as labeled for those after it.

    Time is O(n d) for each labeled row and pick ("y": O(n), after one prediction for the pool);
    a sweep over the pool serves several picks. Memory beside the pool is O(n). Scores within
    1e-12 of the best one, or within the rounding of the predictions, count as ties, which go to
    the lowest row number.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    method : {"xy", "y", "x"}, default="xy"
        What is compared, as above.
    metric : {"euclidean", "cosine"}, default="euclidean"
        Distance between features; "cosine" is the Euclidean one between rows of unit norm.
    estimator : regressor or None, default=None
        The model. None means the one handed to ``fit``: in an ActiveLearningLoop that of the
        round before; without one, a ridge regression on standardised features is fitted to the
        labeled rows. A FrozenEstimator is asked as it is; any other estimator is cloned and
        fitted to the labeled rows. Not used by ``method="x"``.
    random_state : int, RandomState instance or None, default=None
        Seed of a model that is fitted here and has none.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
    verbose : bool, default=False
        Show a progress bar.
    network : skorch net, torch.nn.Module or None, default=None
        Network that turns the raw inputs `X` (images, texts as tokens, ...) into features, as in
        :class:`~skactive.embedding.NetworkEmbedding`; shorthand for a Pipeline with that step.
        A model that is fitted here is fitted to the features; a fitted one reads the raw inputs.
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
        Score of each pick when it was made; infinite for the first one of ``method="x"`` where
        nothing is labeled.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`.

    Notes
    -----
    With nothing labeled there is no value to compare with, and with a single row none to fit a
    model to: then the picks are those of ``method="x"``, whose first one is the row nearest the
    mean, and a ``ColdStartWarning`` says so.

    References
    ----------
    D. Wu, C.-T. Lin, J. Huang: Active Learning for Regression Using Greedy Sampling. Information
    Sciences 474, 2019.

    H. Yu, S. Kim: Passive Sampling for Regression. ICDM 2010.

    Examples
    --------
    >>> from skactive import GreedySamplingSelector
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0]]
    >>> y = [0.0, 1.0, 0.0, 0.0, 0.0]  # read at labeled rows only
    >>> GreedySamplingSelector(budget=2).fit(X, y, labeled=[0, 1]).indices_
    array([4, 3])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        method: str = "xy",
        metric: str = "euclidean",
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        verbose: bool = False,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.method = method
        self.metric = metric
        self.estimator = estimator
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.network = network
        self.embedding = embedding

    @property
    def _needs_labels(self) -> bool:  # type: ignore[override]
        return bool(self.method != "x")

    def _needs_model(self) -> bool:
        return super()._needs_model() or (self.method != "x" and self.estimator is None)

    def _check_params(self) -> None:
        check_choice(self.method, "method", ("xy", "y", "x"))
        check_choice(self.metric, "metric", ("euclidean", "cosine"))

    def _accepts_sparse(self) -> bool:
        return bool(self.method == "x")

    def _uses_unit_norm(self) -> bool:
        return bool(self.metric == "cosine")

    def _has_prefix_property(self) -> bool:
        return True

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        return DistanceLandmarks(unit_norm=self._uses_unit_norm())

    def _select(self, pool: Pool) -> Selection:
        return self._search(pool)._select(pool)

    def _pool_scores(self, pool: Pool) -> tuple[Tensor, float]:
        return self._search(pool)._pool_scores(pool)

    def _search(self, pool: Pool) -> GreedySelector[Any]:
        """What finds the picks: by features alone, or by predicted values as well."""
        ordered = in_row_order(pool)
        model = None if self.method == "x" else self._model(ordered)
        if model is None:
            return CoreSetSelector(metric=self.metric, verbose=self.verbose)
        values, error = predictions(model, pool.rows)
        return ValueSampling(
            values,
            real_labels(pool.y_labeled, pool.labeled, type(self).__name__),
            error,
            metric=self.metric if self.method == "xy" else None,
            unit_norm=self._uses_unit_norm(),
            verbose=self.verbose,
        )

    def _model(self, pool: Pool) -> PoolModel | None:
        name = type(self).__name__
        given = given_regressor(self.estimator, pool, name)
        if given is not None and pool.y_labeled is not None:
            return PoolModel(given, input_batches(pool.inputs, pool.rows.n_samples))
        if given is not None:
            pool_labels(pool, name, _INSTEAD)  # warns
            return None
        return pool_regressor(
            self.estimator, pool, name, default=standardised_ridge, instead=_INSTEAD
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        is_fitted_here = self.estimator is not None and not isinstance(
            self.estimator, FrozenEstimator
        )
        tags.non_deterministic = self.method != "x" and is_fitted_here and self.random_state is None
        return tags
