"""Selectors as samplers of imbalanced-learn."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import Tags, _safe_indexing, get_tags
from sklearn.utils.validation import check_consistent_length

from skactive._atomic import all_or_nothing
from skactive._query import check_is_selector

__all__ = ["SelectionSampler"]


class SelectionSampler(BaseEstimator):
    """Train on the selected rows only, inside an :class:`imblearn.pipeline.Pipeline`.

    A scikit-learn Pipeline cannot drop rows; imbalanced-learn's can, by steps with
    ``fit_resample``, which act while fitting and do nothing while predicting.

    Parameters
    ----------
    selector : selector or Pipeline ending in one
        What picks the rows; cloned.

    Attributes
    ----------
    selector_ : selector or Pipeline
        The fitted selector.
    sample_indices_ : ndarray of shape (n_selected,)
        Positions of the rows kept, in the order picked.
    n_features_in_ : int
        Number of features seen.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    Notes
    -----
    The labels of all rows must be known to call ``fit_resample`` with `y`; to buy labels, use
    :class:`ActiveLearningLoop`.

    The Pipeline of imbalanced-learn hands no fit parameters on to its samplers, and says nothing
    of it: `labeled` and `X_target` reach the selector only where ``fit_resample`` is called
    directly.

    Examples
    --------
    >>> from skactive import CoreSetSelector, SelectionSampler
    >>> X, y = [[0.0], [0.1], [5.0], [9.0]], ["a", "a", "b", "b"]
    >>> SelectionSampler(CoreSetSelector(budget=2)).fit_resample(X, y)
    ([[5.0], [0.0]], ['b', 'a'])
    """

    def __init__(self, selector: Any) -> None:
        self.selector = selector

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> Self:
        """Select rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The pool.
        y : array-like of shape (n_samples,), default=None
            Labels; the selector reads them at `labeled` rows only.
        **fit_params : dict
            Passed to the selector's ``fit``, for instance `labeled` or `X_target`.

        Returns
        -------
        self : object
        """
        check_is_selector(self.selector, "selector")
        with all_or_nothing(self):
            self.selector_ = clone(self.selector).fit(X, y, **fit_params)
            is_pipeline = isinstance(self.selector_, Pipeline)
            final = self.selector_[-1] if is_pipeline else self.selector_
            self.sample_indices_ = final.indices_
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self.selector_, name):
                    setattr(self, name, getattr(self.selector_, name))
        return self

    def fit_resample(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        """Select rows and return them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The pool.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Labels, of any kind.
        **fit_params : dict
            Passed to the selector's ``fit``.

        Returns
        -------
        X_selected : same type as `X`, with n_selected rows
        y_selected : same type as `y`, with n_selected entries, or None
        """
        if y is not None:
            check_consistent_length(X, y)
        self.fit(X, y, **fit_params)
        y_selected = None if y is None else _safe_indexing(y, self.sample_indices_)
        return _safe_indexing(X, self.sample_indices_), y_selected

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.selector).input_tags
        return tags
