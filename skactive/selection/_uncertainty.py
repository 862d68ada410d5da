"""Uncertainty sampling: rows whose class the model is least sure of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._rows import Rows
from skactive._validation import check_choice
from skactive.selection._output_features import ClassProbabilities, features_by_model
from skactive.selection._pool_model import (
    check_probabilities,
    entropy_error,
    pool_classifier,
    rounding_error,
)
from skactive.selection._scored_once import ScoredOnceSelector

__all__ = ["UncertaintySelector"]

# Slices of rows, their probabilities (n_rows, n_classes), rounding error.
Answers = Iterator[tuple[slice, NDArray[np.float64], float]]


def _least_confidence(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = 1 - probabilities.max(1)
    return scores


def _margin(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    if probabilities.shape[1] == 1:
        return 1 - probabilities[:, 0]
    best = np.partition(probabilities, -2, axis=1)[:, -2:]
    scores: NDArray[np.float64] = 1 - (best[:, 1] - best[:, 0])
    return scores


def _entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    scores: NDArray[np.float64] = entr(probabilities).sum(1)
    return scores


CRITERIA: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "margin": _margin,
    "entropy": _entropy,
    "least_confidence": _least_confidence,
}


class UncertaintySelector(ScoredOnceSelector):
    r"""Pick the rows whose class the model is least sure of.

    With the class probabilities :math:`p(c \mid x)` of the model, of which :math:`p_1` is the
    largest and :math:`p_2` the second, row :math:`x` scores

    ==================  ============================================
    "margin"            :math:`1 - (p_1 - p_2)`
    "entropy"           :math:`-\sum_c p(c \mid x) \log p(c \mid x)`
    "least_confidence"  :math:`1 - p_1`
    ==================  ============================================

    and the best rows are taken. With two classes all three give the same order. Every row has
    its score for itself: of near-duplicates that the model is unsure of, all are picked.

    The model is asked once about every row, batch by batch; beside that the cost is
    O(n_samples · n_classes) time and O(n_samples) memory. Rows of a dask array or data frame stay
    where they are: the model is trained here, and sent to the workers.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    criterion : {"margin", "entropy", "least_confidence"}, default="margin"
        What makes a row uncertain.
    estimator : classifier, "precomputed" or None, default=None
        The model. None means the one handed to ``fit``: in an
        :class:`~skactive.ActiveLearningLoop` that of the round before; without one, a logistic
        regression on standardised features is fitted to the labeled rows. A FrozenEstimator is
        asked as it is; any other estimator is cloned and fitted to the labeled rows. With
        "precomputed", `X` itself holds class probabilities, (n_samples, n_classes).
    random_state : int, RandomState instance or None, default=None
        Seed of the draw of rows where there is no model to ask: nothing, or but one class, is
        labeled. A ``ColdStartWarning`` says so.
    network : skorch net, torch.nn.Module or None, default=None
        Network that turns the raw inputs `X` (images, texts as tokens, ...) into features, as in
        :class:`~skactive.embedding.NetworkEmbedding`; shorthand for a Pipeline with that step.
    embedding : str, transformer or None, default=None
        Which features: a `kind` of NetworkEmbedding, or any transformer. None means
        "last_layer" where there is a network. A kind without `network` takes the `estimator`
        handed to ``fit``: in an :class:`~skactive.ActiveLearningLoop` the model of the round
        before.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked, the most uncertain first. The picks for a smaller
        budget are the first ones. Scores that are the same but for rounding in the model, which
        may compute in float32, tie and go to the lowest row number.
    scores_ : ndarray of shape (n_selected,)
        Score of each pick, entropies in nats; zeros where rows were drawn at random.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features, where `X` is not a matrix of numbers. ``transform`` and
        ``represent`` then take raw inputs, too.

    Notes
    -----
    A fitted model reads `X` as it was given. That may be texts, images, or a frame with words,
    also without `network` and `embedding`: the probabilities that the model gives are then the
    features which ``transform`` and ``represent`` compare.

    References
    ----------
    D. Lewis, W. Gale: A Sequential Algorithm for Training Text Classifiers. SIGIR 1994
    ("least_confidence").

    T. Scheffer, C. Decomain, S. Wrobel: Active Hidden Markov Models for Information Extraction.
    IDA 2001 ("margin").

    C. Shannon: A Mathematical Theory of Communication. Bell System Technical Journal 27, 1948
    ("entropy").

    B. Settles: Active Learning Literature Survey. University of Wisconsin-Madison, Computer
    Sciences Technical Report 1648, 2009.

    Examples
    --------
    >>> from skactive import UncertaintySelector
    >>> X = [[-3.0], [-1.0], [-0.2], [0.1], [2.0], [3.0]]
    >>> y = ["left", "?", "?", "?", "?", "right"]
    >>> UncertaintySelector(budget=2).fit(X, y, labeled=[0, 5]).indices_
    array([3, 2])
    >>> probabilities = [[0.5, 0.5, 0.0], [0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]
    >>> UncertaintySelector(1, estimator="precomputed").fit(probabilities).indices_
    array([0])
    >>> UncertaintySelector(
    ...     1, criterion="entropy", estimator="precomputed"
    ... ).fit(probabilities).indices_
    array([1])
    """

    def __init__(
        self,
        budget: int | float = 10,
        *,
        criterion: str = "margin",
        estimator: Any = None,
        random_state: int | np.random.RandomState | None = None,
        network: Any = None,
        embedding: Any = None,
    ) -> None:
        self.budget = budget
        self.criterion = criterion
        self.estimator = estimator
        self.random_state = random_state
        self.network = network
        self.embedding = embedding

    @property
    def _needs_labels(self) -> bool:  # type: ignore[override]
        return not (self._is_precomputed() or isinstance(self.estimator, FrozenEstimator))

    def _is_precomputed(self) -> bool:
        return isinstance(self.estimator, str)

    def _needs_model(self) -> bool:
        return super()._needs_model() or self.estimator is None

    def _accepts_sparse(self) -> bool:
        return True

    def _check_params(self) -> None:
        check_choice(self.criterion, "criterion", tuple(CRITERIA))
        if self._is_precomputed():
            check_choice(self.estimator, "estimator", ("precomputed",))

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        features = features_by_model(self, X, estimator)
        if features is not None:
            return features, X_target
        return super()._embed_pool(X, X_target, estimator)

    def _partitioned(self) -> Callable[[Any, Any], Selection]:
        from skactive.distributed._uncertainty import select_uncertain

        return select_uncertain

    def _scores_of_pool(self, pool: Pool) -> tuple[Tensor, float] | None:
        answers = self._probabilities(pool)
        if answers is None:
            return None
        scores, rounding = uncertainty(answers, self.criterion, pool.rows.n_samples)
        return scores.to(pool.rows.device), rounding

    def _probabilities(self, pool: Pool) -> Answers | None:
        """Slices of rows with their class probabilities and the error of these."""
        if self._is_precomputed():
            return rows_of_probabilities(pool.rows, None)
        features = getattr(self, "embedding_", None)
        if isinstance(features, ClassProbabilities):
            return rows_of_probabilities(pool.rows, features.rounding_)
        model = pool_classifier(self.estimator, pool, type(self).__name__)
        return None if model is None else model.probabilities()


def uncertainty(answers: Answers, criterion: str, n_samples: int) -> tuple[Tensor, float]:
    """Uncertainty of every row, of shape (n_samples,), and by how much it may be off."""
    scores, rounding = np.empty(n_samples), 0.0
    for rows, probabilities, error in answers:
        scores[rows] = CRITERIA[criterion](probabilities)
        rounding = max(rounding, entropy_error(error, probabilities.shape[1]))
    return torch.as_tensor(scores), rounding


def rows_of_probabilities(rows: Rows, rounding: float | None) -> Answers:
    """Class probabilities, where the features are these."""
    for part, chunk in rows.chunks():
        values = chunk.cpu().numpy()
        error = rounding_error(values) if rounding is None else rounding
        yield part, check_probabilities(values, len(values), "X"), error
