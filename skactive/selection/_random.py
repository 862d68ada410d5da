"""The baseline every selector has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np

from skactive._base import BaseSelector, Pool, Selection

__all__ = ["RandomSelector"]


class RandomSelector(BaseSelector):
    """Pick rows uniformly at random, without replacement.

    The pool may be an array of more than two dimensions, such as images: the baseline for
    networks. ``transform`` and ``represent`` then compare all numbers of a row.

    Parameters
    ----------
    budget : int or float, default=10
        Rows to pick; a float in (0, 1] is the share of all rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. The picks for a smaller budget are the first ones for a larger.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the order picked.
    scores_ : ndarray of shape (n_selected,)
        Zeros: every row is as good as any other.
    components_ : ndarray of shape (n_selected, n_features)
        The selected rows; ``transform`` gives the Euclidean distances to them.
    n_samples_fit_ : int
        Number of rows seen in ``fit``.
    n_features_in_ : int
        Number of features seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.

    Examples
    --------
    >>> from skactive import RandomSelector
    >>> RandomSelector(budget=2, random_state=0).fit([[0.0], [1.0], [2.0], [3.0]]).indices_
    array([2, 3])
    """

    def __init__(
        self, budget: int | float = 10, *, random_state: int | np.random.RandomState | None = None
    ) -> None:
        self.budget = budget
        self.random_state = random_state

    def _accepts_sparse(self) -> bool:
        return True

    def _has_prefix_property(self) -> bool:
        return True

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        return _flattened(X), X_target

    def _embedded(self, X: Any) -> Any:
        return _flattened(super()._embedded(X))

    def _select(self, pool: Pool) -> Selection:
        candidates = np.flatnonzero(pool.candidates.cpu().numpy())
        drawn = pool.random_state.permutation(candidates)[: pool.n_picks]
        return Selection(drawn.astype(np.int64), np.zeros(pool.n_picks))

    def _draws_at_random(self) -> bool:
        return True


def _flattened(X: Any) -> Any:
    """Every row as one row of numbers."""
    return X.reshape(len(X), -1) if len(getattr(X, "shape", ())) > 2 else X
