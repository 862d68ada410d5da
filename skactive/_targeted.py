"""Selectors that can be told what is to be predicted."""

from __future__ import annotations

from typing import Any, Self

from skactive._base import BaseSelector


class TargetedSelector(BaseSelector):
    """Base of selectors whose ``fit`` takes `X_target`; it comes first among the bases."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        labeled: Any = None,
        X_target: Any = None,
        estimator: Any = None,
    ) -> Self:
        """Select rows of `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The pool; its Gram matrix (n_samples, n_samples) for ``kernel="precomputed"``; with an
            embedding whatever the network reads. Also a dask array or data frame where the
            selector can work in parts, see :mod:`skactive.distributed`.
        y : array-like of shape (n_samples,), default=None
            Labels, for methods that learn from them: read at `labeled` rows only.
        labeled : array-like, default=None
            Rows whose label is already known, as a boolean mask of length n_samples or as
            unique positions. They are conditioned on and never picked. Under cross-validation
            pass a mask: scikit-learn slices per-row arrays only.
        X_target : array-like or sparse matrix of shape (n_targets, n_features), default=None
            The points one wants to predict well; None means the pool. For
            ``kernel="precomputed"``, positions of pool rows, of shape (n_targets,). Search
            utilities slice it along with `X` when n_targets equals n_samples.
        estimator : estimator object, default=None
            The fitted model of the round before: for methods that ask a model, and the network
            of an `embedding` without one of its own. Not looked at otherwise.

        Returns
        -------
        self : object
            The fitted selector.
        """
        return self._fit(X, y, labeled=labeled, X_target=X_target, estimator=estimator)
