"""Features of inputs that only a model can read."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import _num_samples
from torch import Tensor

from skactive.selection._pool_model import PoolModel, check_has_method, input_batches

_UNREADABLE = (str, bytes, dict)


class ClassProbabilities(TransformerMixin, BaseEstimator):
    """The class probabilities that a fitted model gives, as features of raw inputs.

    Parameters
    ----------
    model : fitted classifier

    Attributes
    ----------
    rounding_ : float
        By how much the probabilities of the rows seen in ``fit`` may be off.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, X: Any, y: Any = None) -> Self:
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> NDArray[np.float64]:
        features, self.rounding_ = self._ask(X)
        return features

    def transform(self, X: Any) -> NDArray[np.float64]:
        return self._ask(X)[0]

    def _ask(self, X: Any) -> tuple[NDArray[np.float64], float]:
        model = PoolModel(self.model, input_batches(X, _num_samples(X)))
        parts, errors = zip(
            *((values, error) for _, values, error in model.probabilities()), strict=True
        )
        return np.concatenate(parts), max(errors)


def features_by_model(X: Any, model: Any, owner: str) -> ClassProbabilities | None:
    """What makes features of texts, images, or frames with words, where a model reads them.

    Parameters
    ----------
    X : array-like
        As given to ``fit``.
    model : fitted classifier or None
    owner : str
        Name of the selector, for errors.

    Returns
    -------
    features : ClassProbabilities or None
        None where `X` is a matrix of numbers (or should be), or there is no model to read it.
    """
    if model is None or not _is_raw(X):
        return None
    check_has_method(model, "predict_proba", owner)
    return ClassProbabilities(model)


def asked_model(estimator: Any, given: Any) -> Any:
    """The fitted model that the parameter of a selector stands for; None if it is to be fitted."""
    if estimator is None:
        return given
    return estimator if isinstance(estimator, FrozenEstimator) else None


def _is_raw(X: Any) -> bool:
    """Whether X cannot be a matrix of numbers, by its dimensions or by its first row."""
    if sparse.issparse(X):
        return False
    if isinstance(X, Tensor):
        return X.ndim > 2
    if hasattr(X, "head"):
        X = X.head(1)
    elif isinstance(X, (np.ndarray, list, tuple)):
        X = X[:1]
    values = np.asarray(X)
    if values.dtype == object:
        return any(isinstance(value, _UNREADABLE) for value in values.ravel())
    return values.ndim > 2 or values.dtype.kind in "USV"
