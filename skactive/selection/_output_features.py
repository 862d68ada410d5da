"""Features of inputs that only a model can read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from torch import Tensor
from torch.utils.data import Dataset

from skactive.embedding._inputs import n_rows
from skactive.selection._pool_model import PoolModel, check_has_method, input_batches

_UNREADABLE = (str, bytes, dict, date, timedelta)  # what no number can be made of


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
        model = PoolModel(self.model, input_batches(X, n_rows(X)))
        parts, errors = zip(
            *((values, error) for _, values, error in model.probabilities()), strict=True
        )
        return np.concatenate(parts), max(errors)


def features_by_model(selector: Any, X: Any, given: Any) -> NDArray[np.float64] | None:
    """What a fitted model says about texts, images, or frames with words, as features of these.

    Parameters
    ----------
    selector : BaseSelector
        With a parameter `estimator`; gets the attribute `embedding_`.
    X : array-like
        As given to ``fit``.
    given : fitted classifier or None
        The model handed to ``fit``.

    Returns
    -------
    features : ndarray of shape (n_samples, n_classes) or None
        None where `X` is a matrix of numbers (or should be), where an embedding reads it, or
        where there is no fitted model.
    """
    own = selector.estimator
    model = own if isinstance(own, FrozenEstimator) else given if own is None else None
    has_embedding = selector.network is not None or selector.embedding is not None
    if model is None or has_embedding or not _is_raw(X):
        return None
    check_has_method(model, "predict_proba", type(selector).__name__)
    selector.embedding_ = ClassProbabilities(model)
    features: NDArray[np.float64] = selector.embedding_.fit_transform(X)
    return features


def _is_raw(X: Any) -> bool:
    """Whether X cannot be a matrix of numbers."""
    if sparse.issparse(X):
        return False
    if isinstance(X, (Mapping, Dataset)):
        return True
    if isinstance(X, Tensor):
        return X.ndim > 2
    first = np.asarray(X.head(1) if hasattr(X, "head") else X[:1])
    if first.dtype != object:
        return first.ndim > 2 or first.dtype.kind in "USVMm"
    # Where the first row has gaps, others tell what the columns hold.
    return _holds_unreadable(first) or _holds_unreadable(np.asarray(X))


def _holds_unreadable(values: NDArray[Any]) -> bool:
    return any(isinstance(value, _UNREADABLE) for value in values.ravel())
