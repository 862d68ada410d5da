"""Query by the variance of predictions, for regression."""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from torch import Tensor

from skactive._base import Pool
from skactive.selection._pool_model import PoolModel, rounding_error
from skactive.selection._pool_regressor import check_numbers, in_row_order, pool_regressor
from skactive.selection._scored_once import ScoredOnceSelector

__all__ = ["VarianceSelector"]


class VarianceSelector(ScoredOnceSelector):
    r"""Pick the rows about whose value a regression model is least sure.

    The score of a row is the variance of its prediction: that of a probabilistic model
    (``predict(X, return_std=True)``, as of ``GaussianProcessRegressor`` or ``BayesianRidge``),
    or else that over the M members of an ensemble (``estimators_``, as of random forests, bagging
    or voting),

    .. math:: \frac{1}{M} \sum_m (f_m(x) - \bar f(x))^2, \quad
        \bar f(x) = \frac{1}{M} \sum_m f_m(x),

    query by committee for regression. Every row is scored once, and the best are taken: rows of
    a batch may be alike, which :class:`~skactive.StochasticBatch` and
    :class:`~skactive.GreedySamplingSelector` avoid.

    Time is that of the model's predictions for the pool, by every member of an ensemble; memory
    beside them is O(n). Variances within the rounding of the predictions count as ties, which go
    to the lowest row number; a forest predicts the same for all rows of a cell, and its ties are
    many where labels are few.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    estimator : regressor or None, default=None
        The model; a Pipeline or a search over parameters may hold it. None means the one handed
        to ``fit``: in an ActiveLearningLoop that of the round before; without one, a random
        forest of 100 trees is fitted to the labeled rows. A FrozenEstimator is asked as it is;
        any other estimator is cloned and fitted to the labeled rows.
    random_state : int, RandomState instance or None, default=None
        Seed of a model that is fitted here and has none, and of the rows drawn where fewer than
        two are labeled and there is no model.
    device : {"auto", "cpu", "cuda"} or torch.device, default="auto"
        Where to compute; "auto" is the device of a tensor `X`, else CUDA where available.
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
        Row positions, largest variance first. The picks for a smaller budget are the first ones.
    scores_ : ndarray of shape (n_selected,)
        Variance of each pick's prediction, in squared units of `y`; zeros after a cold start.
    components_ : ndarray of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only with `network` or `embedding`.

    Raises
    ------
    TypeError
        If the model gives neither a standard deviation nor the predictions of members.

    References
    ----------
    R. Burbidge, J. Rowland, R. King: Active Learning for Regression Based on Query by Committee.
    IDEAL 2007.

    S. Seo, M. Wallat, T. Graepel, K. Obermayer: Gaussian Process Regression: Active Data Selection
    and Test Point Rejection. IJCNN 2000.

    Examples
    --------
    >>> from sklearn.linear_model import BayesianRidge
    >>> from skactive import VarianceSelector
    >>> X = [[0.0], [1.0], [2.0], [3.0], [9.0]]
    >>> y = [0.0, 1.1, 1.9, 0.0, 0.0]  # read at labeled rows only
    >>> VarianceSelector(budget=2, estimator=BayesianRidge()).fit(X, y, labeled=[0, 1, 2]).indices_
    array([4, 3])
    """

    _needs_labels = True

    def __init__(
        self,
        budget: int | float = 10,
        *,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
        device: Any = "auto",
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.estimator = estimator
        self.random_state = random_state
        self.device = device
        self.network = network
        self.embedding = embedding

    def _needs_model(self) -> bool:
        return super()._needs_model() or self.estimator is None

    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float] | None:
        model = pool_regressor(
            self.estimator,
            in_row_order(pool),
            type(self).__name__,
            default=RandomForestRegressor,
        )
        if model is None:
            return None
        variances, rounding = _variances(model, pool.rows.n_samples, type(self).__name__)
        return torch.from_numpy(variances).to(pool.rows.device), rounding


def _variances(model: PoolModel, n_samples: int, owner: str) -> tuple[NDArray[np.float64], float]:
    """Variance of every prediction, of shape (n_samples,), and by how much they may be off."""
    final, prepare = _final_model(model.model)
    gives_std = "return_std" in signature(final.predict).parameters
    if not gives_std:
        _check_has_members(final, owner)
    variances = np.empty(n_samples)
    error = 0.0  # of the numbers that variances are computed from
    for rows, batch in model.batches():
        batch = prepare(batch)
        n_rows = rows.stop - rows.start
        if rows.start == 0:  # members might be models of several outputs
            check_numbers(np.asarray(final.predict(_safe_indexing(batch, [0]))), 1, final)
        if gives_std:
            outputs = np.asarray(final.predict(batch, return_std=True)[1])
            deviations = check_numbers(outputs, n_rows, final)
            with np.errstate(over="ignore"):
                variances[rows] = np.square(deviations)
            error = max(error, rounding_error(outputs) * float(np.abs(deviations).max()))
        else:
            values, rounding = _member_predictions(final, batch, n_rows)
            with np.errstate(over="ignore", invalid="ignore"):
                variances[rows] = values.var(axis=0)
            error = max(error, rounding * float(np.abs(values).max()))
    if not np.isfinite(variances).all():
        raise ValueError(
            f"The variances that {owner} computed exceed the range of float64. Scale the labels, "
            "for instance with sklearn.preprocessing.StandardScaler."
        )
    return variances, error * (2 * float(variances.max()) ** 0.5 + error)


def _final_model(model: Any) -> tuple[Any, Any]:
    """The regressor in a Pipeline, a search or a FrozenEstimator, and what turns rows into its."""
    if isinstance(model, FrozenEstimator):
        return _final_model(model.estimator)
    if hasattr(model, "best_estimator_"):
        return _final_model(model.best_estimator_)
    if isinstance(model, Pipeline):
        final, prepare = _final_model(model[-1])
        steps = model[:-1]
        return final, lambda batch: prepare(steps.transform(batch) if len(steps) else batch)
    return model, lambda batch: batch


def _check_has_members(model: Any, owner: str) -> None:
    members = getattr(model, "estimators_", None)
    # Those of gradient boosting are an array, and each predicts what the ones before it left.
    is_committee = isinstance(members, list) and len(members) > 1
    if not is_committee or not all(hasattr(member, "predict") for member in members or ()):
        raise TypeError(
            f"{owner} needs an estimator whose predict takes return_std, or a committee with the "
            f"fitted members in a list estimators_; got {model!r}. Use for instance "
            "GaussianProcessRegressor, BayesianRidge or RandomForestRegressor, or wrap the model "
            "in sklearn.ensemble.BaggingRegressor."
        )


def _member_predictions(model: Any, batch: Any, n_rows: int) -> tuple[NDArray[np.float64], float]:
    """Predictions of shape (n_members, n_rows), and their relative rounding error."""
    columns = getattr(model, "estimators_features_", [slice(None)] * len(model.estimators_))
    values = np.empty((len(model.estimators_), n_rows))
    rounding = 0.0
    for position, (member, chosen) in enumerate(zip(model.estimators_, columns, strict=True)):
        # Forests and bagging fit their members to plain arrays, whatever they were given.
        is_frame = hasattr(batch, "columns") and not hasattr(member, "feature_names_in_")
        own = np.asarray(batch) if is_frame else batch
        own = own if isinstance(chosen, slice) else own[:, chosen]
        outputs = np.asarray(member.predict(own))
        values[position] = check_numbers(outputs, n_rows, member)
        rounding = max(rounding, rounding_error(outputs))
    return values, rounding
