"""How well the labels so far predict others: a learning curve for those who give them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import PredefinedSplit, cross_val_score
from sklearn.utils import _safe_indexing

N_FOLDS = 5
MIN_LABELS = 10
_MAX_POINTS = 20


class HeldOut(NamedTuple):
    """Rows whose labels are known and that nobody is asked about."""

    X: Any
    y: NDArray[Any]


class LearningCurve:
    """Accuracy after each so many labels, computed point by point.

    Parameters
    ----------
    estimator : estimator object
        Cloned for each point.
    X : array-like of length n_samples
    held_out : HeldOut or None
        None means cross-validation on the labels themselves.
    step : int
        Labels between two points.
    """

    def __init__(self, estimator: Any, X: Any, held_out: HeldOut | None, step: int) -> None:
        self._estimator = estimator
        self._X = X
        self._held_out = held_out
        self._step = step
        self._known: dict[int, tuple[int, float | None]] = {}  # of which labels, and accuracy

    @property
    def meaning(self) -> str:
        """What the curve shows, for people."""
        if self._held_out is not None:
            return f"Accuracy on {len(self._held_out.y)} held-out rows, after so many labels."
        return (
            f"Accuracy of {N_FOLDS}-fold cross-validation on the labels so far. The rows were "
            "picked because they tell much, so other rows may be easier or harder."
        )

    def sizes(self, n_labels: int) -> list[int]:
        """Numbers of labels that have a point."""
        sizes = list(range(self._step, n_labels + 1, self._step))
        sizes = [size for size in sizes if size >= MIN_LABELS]
        if len(sizes) > _MAX_POINTS:
            places = np.linspace(0, len(sizes) - 1, _MAX_POINTS).round().astype(int)
            sizes = [sizes[place] for place in places]
        return sizes

    def missing(self, rows: NDArray[np.int64], labels: NDArray[Any]) -> int | None:
        """The largest size whose point is to be computed, with the labels as they are now."""
        for size in reversed(self.sizes(len(rows))):
            if self._known.get(size, (None, None))[0] != _digest(rows[:size], labels[:size]):
                return size
        return None

    def compute(self, rows: NDArray[np.int64], labels: NDArray[Any], size: int) -> None:
        """The point of the first `size` labels."""
        rows, labels = rows[:size], labels[:size]
        self._known[size] = (_digest(rows, labels), self._accuracy(rows, labels))

    def points(self, n_labels: int) -> list[tuple[int, float]]:
        """Labels and accuracy, as far as they have been computed."""
        known = dict(self._known)  # another thread may add to it
        found = [(size, known[size][1]) for size in self.sizes(n_labels) if size in known]
        return [(size, accuracy) for size, accuracy in found if accuracy is not None]

    def _accuracy(self, rows: NDArray[np.int64], labels: NDArray[Any]) -> float | None:
        """None where there are too few labels of a second class."""
        X = _safe_indexing(self._X, rows)
        if self._held_out is not None:
            if len(np.unique(labels)) < 2:
                return None
            model = clone(self._estimator).fit(X, labels)
            return float(np.mean(model.predict(self._held_out.X) == self._held_out.y))
        folds = deal_folds(labels)
        if folds is None:
            return None
        scores = cross_val_score(
            self._estimator, X, labels, cv=PredefinedSplit(folds), scoring="accuracy"
        )
        sizes = np.bincount(folds)
        return float(np.average(scores, weights=sizes[sizes > 0]))


def deal_folds(labels: NDArray[Any]) -> NDArray[np.int64] | None:
    """The fold of each label, each class dealt out in turn; None with a single class.

    Any number of folds but one leaves at least two classes to train on, if two classes have two
    labels each.
    """
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if (counts > 1).sum() < 2:
        return None
    order = np.argsort(codes, kind="stable")
    folds = np.empty(len(labels), dtype=np.int64)
    folds[order] = np.arange(len(labels)) % N_FOLDS
    return folds


def _digest(rows: NDArray[np.int64], labels: NDArray[Any]) -> int:
    return hash((tuple(rows.tolist()), tuple(labels.tolist())))
