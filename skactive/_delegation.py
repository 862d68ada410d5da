"""A meta-estimator that predicts like the estimator it has trained."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skactive._dask import is_dask
from skactive._indexing import n_samples_of, rows_of
from skactive._predicting import Aligned, Call

_ROUTED = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


def _estimator_has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(getattr(self, "estimator_", self.estimator), name)  # raises AttributeError
        return True

    return check


class DelegatingEstimator(MetaEstimatorMixin, BaseEstimator):
    """Base of meta-estimators with the parameters `estimator`, `selector` and `classes`."""

    estimator: Any
    selector: Any
    classes: Any

    # A row like those of the dask pool, for which predictions on others are planned.
    _example: Any = None

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any, **params: Any) -> Any:
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array-like of length n_samples
            Rows as in ``fit``. The result for a dask collection is one, too.
        **params : dict
            Passed on by metadata routing.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._delegate("predict", X, params)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> Any:
        """Class probabilities from the fitted estimator.

        Parameters
        ----------
        X : array-like of length n_samples
            Rows as in ``fit``. The result for a dask collection is one, too.
        **params : dict
            Passed on by metadata routing.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; 0 for classes not seen yet.
        """
        return self._delegate_aligned("predict_proba", X, params, 0.0)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> Any:
        """Logarithms of the class probabilities from the fitted estimator.

        Parameters
        ----------
        X : array-like of length n_samples
            Rows as in ``fit``. The result for a dask collection is one, too.
        **params : dict
            Passed on by metadata routing.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; -inf for classes not seen yet.
        """
        return self._delegate_aligned("predict_log_proba", X, params, -np.inf)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> Any:
        """Decision values from the fitted estimator.

        Parameters
        ----------
        X : array-like of length n_samples
            Rows as in ``fit``. The result for a dask collection is one, too.
        **params : dict
            Passed on by metadata routing.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Columns in the order of ``classes_``; the lowest number for classes not seen yet.
        """
        return self._delegate_aligned("decision_function", X, params, None)

    @available_if(_estimator_has("transform"))
    def transform(self, X: Any, **params: Any) -> Any:
        """Transform with the fitted estimator.

        Parameters
        ----------
        X : array-like of length n_samples
            Rows as in ``fit``. The result for a dask collection is one, too.
        **params : dict
            Passed on by metadata routing.

        Returns
        -------
        X_new : array of length n_samples
        """
        return self._delegate("transform", X, params)

    @available_if(_estimator_has("score"))
    def score(self, X: Any, y: Any = None, **params: Any) -> float:
        """Score of the fitted estimator.

        Parameters
        ----------
        X : array-like of length n_samples
            Rows as in ``fit``.
        y : array-like of length n_samples, default=None
            True labels.
        **params : dict
            Passed on by metadata routing.

        Returns
        -------
        score : float
        """
        routed = self._route_params("score", params)
        check_is_fitted(self)
        if is_dask(X):
            from skactive.distributed._predictions import score

            return score(self.estimator_, X, y, self._example, routed)
        if is_dask(y):
            y = y.compute()
        return float(self.estimator_.score(X, y, **routed))

    @available_if(_estimator_has("set_output"))
    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose the container of ``transform``'s output.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            As in scikit-learn.

        Returns
        -------
        self : object
        """
        self.estimator.set_output(transform=transform)
        if hasattr(self, "estimator_"):
            self.estimator_.set_output(transform=transform)
        return self

    @available_if(_estimator_has("get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns of ``transform``'s output.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the input columns.

        Returns
        -------
        names : ndarray of str
        """
        check_is_fitted(self)
        names: NDArray[Any] = self.estimator_.get_feature_names_out(input_features)
        return names

    @property
    def classes_(self) -> Any:
        """Class labels: `classes` where given, else those of the fitted estimator."""
        fitted = self.estimator_.classes_  # AttributeError for regressors and before fit
        return fitted if self.classes is None else np.unique(np.asarray(self.classes))

    def get_metadata_routing(self) -> MetadataRouter:
        """Metadata of ``fit`` itself, and what is passed on to the estimator.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping()
        for method in ("fit", "score", *_ROUTED):
            mapping = mapping.add(caller=method, callee=method)
        router = MetadataRouter(owner=type(self).__name__)
        return router.add_self_request(self).add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        trained = deepcopy(get_tags(self.estimator))
        tags.estimator_type = trained.estimator_type
        tags.classifier_tags = trained.classifier_tags
        tags.regressor_tags = trained.regressor_tags
        tags.transformer_tags = trained.transformer_tags
        tags.target_tags = trained.target_tags
        tags.non_deterministic = trained.non_deterministic
        tags.input_tags.sparse = trained.input_tags.sparse and (
            self.selector is None or get_tags(self.selector).input_tags.sparse
        )
        return tags

    def _delegate(
        self, method: str, X: Any, params: dict[str, Any], aligned: Aligned | None = None
    ) -> Any:
        routed = self._route_params(method, params)
        check_is_fitted(self)
        call = Call(self.estimator_, method, routed, aligned)
        if not is_dask(X):
            return call(X)
        from skactive.distributed._predictions import map_predictions

        return map_predictions(call, X, self._example)

    def _delegate_aligned(
        self, method: str, X: Any, params: dict[str, Any], fill: float | None
    ) -> Any:
        """With one column a class of `classes`, where given."""
        check_is_fitted(self)
        if self.classes is None:
            return self._delegate(method, X, params)
        seen = np.asarray(self.estimator_.classes_)
        return self._delegate(method, X, params, Aligned(self.classes_, seen, fill))

    def _route_params(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """What the estimator's method gets of the extra arguments."""
        if not params:
            return {}
        if not get_config()["enable_metadata_routing"]:
            raise ValueError(
                f"{type(self).__name__}.{method} got {sorted(params)}, which reach the estimator "
                "by metadata routing only. Call sklearn.set_config(enable_metadata_routing=True) "
                f"and the estimator's set_{method}_request."
            )
        routed: dict[str, Any] = process_routing(self, method, **params)["estimator"][method]
        return routed


def cut_to_rows(
    params: dict[str, Any], n_samples: int, indices: NDArray[np.int64]
) -> dict[str, Any]:
    """Arrays with one entry a row are cut to the given rows; anything else passes."""
    return {
        name: rows_of(value, indices) if _is_per_row(value, n_samples) else value
        for name, value in params.items()
    }


def _is_per_row(value: Any, n_samples: int) -> bool:
    if is_dask(value):
        return n_samples_of(value) == n_samples
    if hasattr(value, "shape"):
        return len(value.shape) > 0 and value.shape[0] == n_samples
    return isinstance(value, (list, tuple)) and len(value) == n_samples
