"""The two models that are trained on the picks, with parameters that are the same everywhere.

All pools have rows of mean squared norm 1, so that one regularisation serves all of them.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, BaggingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel

LINEAR, KERNEL = "linear", "kernel"
MODELS = (LINEAR, KERNEL)
C = 30.0
GAMMA = 1.0
ALPHA = 0.01
N_MEMBERS = 10
# Prices of houses are noisier than classes.
REGRESSION_ALPHA = {LINEAR: 0.3, KERNEL: 0.1}
WORST_R2 = -1.0


class _KernelRidge(BaseEstimator):
    """Weights of ridge regression with the kernel exp(-gamma |x - x'|²), targets centered."""

    def __init__(self, gamma: float = GAMMA, alpha: float = ALPHA) -> None:
        self.gamma = gamma
        self.alpha = alpha

    def _fit_columns(self, X: NDArray, Y: NDArray[np.float64]) -> None:
        self.X_fit_ = np.asarray(X, dtype=np.float64)
        self.n_features_in_ = self.X_fit_.shape[1]
        self.offset_ = Y.mean(0)
        gram = rbf_kernel(self.X_fit_, gamma=self.gamma)
        gram[np.diag_indices_from(gram)] += self.alpha
        self.weights_ = cho_solve(cho_factor(gram, lower=True), Y - self.offset_)

    def _columns(self, X: NDArray) -> NDArray[np.float64]:
        kernel = rbf_kernel(np.asarray(X, dtype=np.float64), self.X_fit_, gamma=self.gamma)
        return self.offset_ + kernel @ self.weights_


class KernelRidgeClassifier(ClassifierMixin, _KernelRidge):
    """Kernel ridge regression to one indicator a class; the largest output wins.

    Outputs are estimates of class probabilities that may leave [0, 1]: `predict_proba` clips them
    and divides each row by its sum.
    """

    def fit(self, X: NDArray, y: NDArray) -> Self:
        self.classes_ = np.unique(y)
        self._fit_columns(X, (np.asarray(y)[:, None] == self.classes_).astype(np.float64))
        return self

    def predict(self, X: NDArray) -> NDArray:
        return self.classes_[self._columns(X).argmax(1)]

    def predict_proba(self, X: NDArray) -> NDArray[np.float64]:
        # The outputs of a row sum to 1, so that the largest one is above 0.
        clipped = self._columns(X).clip(0, 1)
        return clipped / clipped.sum(1, keepdims=True)


class KernelRidgeRegressor(RegressorMixin, _KernelRidge):
    """Kernel ridge regression to numbers."""

    def fit(self, X: NDArray, y: NDArray) -> Self:
        self._fit_columns(X, np.asarray(y, dtype=np.float64))
        return self

    def predict(self, X: NDArray) -> NDArray[np.float64]:
        return self._columns(X)


def make_model(name: str, regression: bool) -> Any:
    if regression:
        kind = KernelRidgeRegressor if name == KERNEL else Ridge
        return kind(alpha=REGRESSION_ALPHA[name])
    return KernelRidgeClassifier() if name == KERNEL else LogisticRegression(C=C, max_iter=1000)


def make_committee(name: str, regression: bool, seed: int) -> Any:
    """Copies of the model that are fitted to bootstrap samples."""
    kind = BaggingRegressor if regression else BaggingClassifier
    return kind(make_model(name, regression), n_estimators=N_MEMBERS, random_state=seed)


def train(name: str, regression: bool, X: NDArray, y: NDArray) -> Any:
    """The model fitted; where a single class is known, one that always answers with it."""
    if not regression and len(np.unique(y)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(X, y)
    return make_model(name, regression).fit(X, y)


def score(model: Any, X: NDArray, y: NDArray, regression: bool) -> float:
    """Accuracy; for numbers R² = 1 - (RMSE / standard deviation)², not less than `WORST_R2`."""
    found = float(model.score(X, y))
    return max(found, WORST_R2) if regression else found
