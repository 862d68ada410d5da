"""Picks spread over the classes that a model predicts."""

from __future__ import annotations

import heapq
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags

from skactive._base import Pool, Selection
from skactive._ties import RELATIVE_TOLERANCE, first_minimum
from skactive.exceptions import ColdStartWarning
from skactive.selection._label_values import class_labels
from skactive.selection._meta_selector import MetaSelector
from skactive.selection._pool_model import PoolModel, pool_classifier

__all__ = ["ClassBalanced"]


class ClassBalanced(MetaSelector):
    r"""Spread the picks of a selector over the classes that a model predicts.

    With :math:`c_k` rows labeled as class k and :math:`m_k` candidates predicted to be of that
    class, class k gets :math:`q_k \le m_k` of the b picks such that the totals
    :math:`c_k + q_k` are as even as possible: the smallest is as large as it can be, then the
    second smallest, and so on. Water filling finds them: each pick goes to the class with the
    fewest labels and picks so far that has candidates left, the first such class in the order
    of the model's ``classes_``. So the first picks are balanced as well. Which rows of a class
    are picked, and in which order, the selector inside decides, class after class in the order
    of their first turn. The picks made for other classes count as labeled rows for it, except
    where it reads labels, which the picks do not have yet: then they are only not picked again.

    The aim is that of Bengar et al., who put it into the objective of one integer program, the
    distance of the soft class counts of a batch to the balanced ones beside the
    informativeness of its rows, with a weight between them. Here the counts come first, and
    are those of the most likely classes, so that there is neither a weight nor a program to
    solve, and any selector can pick within a class.

    Predictions within rounding of the best one count as ties, which go to the first class. Where
    nothing, or a single class, is labeled and there is no model, all picks are those of the
    selector inside, and a ``ColdStartWarning`` says so. Time is that of the model's predictions
    and of one selection for each class that gets picks; memory is that of one of them. The picks
    for a smaller budget are not the first ones for a larger.

    Parameters
    ----------
    selector : selector
        What picks the rows of a class; cloned.
    budget : int or float, default=10
        Rows to pick, in place of the budget of `selector`; a float in (0, 1] is the share of all
        rows.
    estimator : classifier or None, default=None
        The model. None means the one handed to ``fit``: in an ActiveLearningLoop that of the
        round before; without one, a logistic regression on standardised features is fitted to
        the labeled rows. A FrozenEstimator is asked as it is; any other estimator is cloned and
        fitted to the labeled rows.
    random_state : int, RandomState instance or None, default=None
        Seed of what in `selector`, or in a model that is fitted here, has no seed.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions, class after class in turn.
    scores_ : ndarray of shape (n_selected,)
        What `selector` says of each pick.
    predicted_classes_ : ndarray of shape (n_selected,)
        Class for which each row was picked; None after a cold start.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives what `selector` gives for such picks.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only where `selector` has a network or an embedding.

    References
    ----------
    J. Z. Bengar, J. van de Weijer, L. L. Fuentes, B. Raducanu: Class-Balanced Active Learning
    for Image Classification. WACV 2022.

    Examples
    --------
    >>> from skactive import ClassBalanced, CoreSetSelector
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0], [10.0], [11.0], [12.0]]
    >>> y = ["common"] * 5 + ["rare"] * 3
    >>> selector = ClassBalanced(CoreSetSelector(), budget=3).fit(X, y, labeled=[0, 4, 5])
    >>> selector.indices_, selector.predicted_classes_
    (array([7, 2, 6]), array(['rare', 'common', 'rare'], dtype='<U6'))
    """

    def __init__(
        self,
        selector: Any,
        budget: int | float = 10,
        *,
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.selector = selector
        self.budget = budget
        self.estimator = estimator
        self.random_state = random_state

    @property
    def _needs_labels(self) -> bool:  # type: ignore[override]
        return True

    def _needs_model(self) -> bool:
        return super()._needs_model() or self.estimator is None

    def _select(self, pool: Pool) -> Selection:
        model = self._model(pool)
        if model is None:
            self.predicted_classes_ = None
            return self._selector._select(pool)
        codes, classes = predicted_codes(model, pool.rows.n_samples)
        candidates = pool.candidates.cpu().numpy()
        available = np.bincount(codes[candidates], minlength=len(classes))
        turns = water_fill(self._known_counts(pool, classes), available, pool.n_picks)
        selection = Selection(np.empty(len(turns), dtype=np.int64), np.empty(len(turns)))
        picked = np.empty(0, dtype=np.int64)
        for code in dict.fromkeys(turns.tolist()):
            own = turns == code
            mask = torch.as_tensor(candidates & (codes == code), device=pool.candidates.device)
            part = replace(self._after(pool, picked), candidates=mask, n_picks=int(own.sum()))
            found = self._selector._select(part)
            selection.indices[own] = found.indices
            selection.scores[own] = found.scores
            picked = np.append(picked, found.indices)
        self.predicted_classes_ = classes[turns]
        return selection

    def _model(self, pool: Pool) -> PoolModel | None:
        name = type(self).__name__
        is_frozen = isinstance(self.estimator, FrozenEstimator)
        is_given = is_frozen or (self.estimator is None and pool.estimator is not None)
        labels = np.empty(0)
        if pool.y_labeled is not None:
            labels = class_labels(pool.y_labeled, pool.labeled, name)
        if not is_given and len(np.unique(labels)) < 2:
            warnings.warn(
                f"{'One class' if len(labels) else 'No class'} is known, so {name} has no model "
                f"that tells classes apart and leaves all picks to {self.selector!r}. Pass y and "
                "labeled, or a fitted classifier as estimator.",
                ColdStartWarning,
                stacklevel=2,
            )
            return None
        return pool_classifier(self.estimator, pool, name)

    def _known_counts(self, pool: Pool, classes: NDArray[Any]) -> NDArray[np.int64]:
        """Labeled rows of each class."""
        counts = np.zeros(len(classes), dtype=np.int64)
        if pool.y_labeled is not None:
            labels = class_labels(pool.y_labeled, pool.labeled, type(self).__name__)
            for position, label in enumerate(classes.tolist()):
                counts[position] = np.count_nonzero(labels == label)
        return counts

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        is_fitted_here = self.estimator is not None and not isinstance(
            self.estimator, FrozenEstimator
        )
        tags.non_deterministic |= is_fitted_here and self.random_state is None
        return tags

    def _after(self, pool: Pool, picked: NDArray[np.int64]) -> Pool:
        """The pool once rows are picked, as far as the selector inside can be told."""
        if self._selector._needs_labels or self._selector._uses_labels:
            return pool
        return replace(pool, labeled=np.append(pool.labeled, picked))


def predicted_codes(model: PoolModel, n_samples: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Position of the most likely class of every row, and the classes."""
    codes = np.empty(n_samples, dtype=np.int64)
    n_classes = 0
    for rows, probabilities, rounding in model.probabilities():
        tensor = torch.from_numpy(-probabilities)
        scale = tensor.new_full((1, 1), rounding / RELATIVE_TOLERANCE)
        codes[rows] = first_minimum(tensor, scale).numpy()
        n_classes = probabilities.shape[1]
    classes = np.asarray(getattr(model.model, "classes_", ()))
    if classes.shape != (n_classes,):  # nets may have more outputs than they have seen classes
        classes = np.arange(n_classes)
    return codes, classes


def water_fill(
    known: NDArray[np.int64], available: NDArray[np.int64], n_picks: int
) -> NDArray[np.int64]:
    """Class of each pick: the one with the fewest labels and picks that has candidates left.

    Parameters
    ----------
    known, available : ndarrays of shape (n_classes,)
        Labels, and candidates, of each class.
    n_picks : int
        At most the number of candidates.
    """
    left = available.copy()
    heap = [(int(known[code]), code) for code in np.flatnonzero(available).tolist()]
    heapq.heapify(heap)
    turns = np.empty(n_picks, dtype=np.int64)
    for turn in range(n_picks):
        level, code = heap[0]
        turns[turn] = code
        left[code] -= 1
        if left[code] > 0:
            heapq.heapreplace(heap, (level + 1, code))
        else:
            heapq.heappop(heap)
    return turns
