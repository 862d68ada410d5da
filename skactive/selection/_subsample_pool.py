"""A selector that chooses from a random part of the pool."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Tags, _safe_indexing

from skactive._atomic import all_or_nothing
from skactive._base import Pool, Selection, take_rows
from skactive._landmarks import GramLandmarks
from skactive._validation import (
    check_budget,
    check_features,
    check_labeled,
    check_number,
    check_target_positions,
)
from skactive.selection._label_values import label_array, refuse_missing_labels
from skactive.selection._meta_selector import MetaSelector, takes_targets
from skactive.selection._pool_rows import indexable, n_rows, refuse_not_finite, some_rows

__all__ = ["SubsamplePool"]


class _Part(NamedTuple):
    """The rows that are kept."""

    rows: NDArray[np.int64]  # ascending positions in the pool
    drawn: NDArray[np.int64]
    labeled: NDArray[np.int64]  # in the order given

    def places(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where rows of the pool stand among those kept."""
        places: NDArray[np.int64] = np.searchsorted(self.rows, positions)
        return places


class SubsamplePool(MetaSelector):
    """Let a selector choose from a random part of the candidates.

    Candidates are drawn without replacement, all with the same probability. The selector inside
    sees these and the labeled rows, which stay known, and nothing else: its time and memory, and
    those of an embedding, do not depend on the size of the pool. The picks are exactly those it
    makes on the pool of these rows. What it says of its pool, such as a covering radius or a
    scale of the noise, it says of these rows; targets (`X_target`) are used as they are.

    Rows that are not drawn are not read.

    Parameters
    ----------
    selector : selector
        What picks the rows; cloned.
    budget : int or float, default=10
        Rows to pick, in place of the budget of `selector`; a float in (0, 1] is the share of all
        rows of the pool.
    n_candidates : int >= 1, default=10000
        Candidates to draw; as many as there are rows to pick, where these are more. With
        ``kernel="precomputed"`` targets are rows of the pool, and are kept as further candidates.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw, and of what in `selector` has no seed.

    Attributes
    ----------
    indices_ : ndarray of shape (n_selected,)
        Row positions in the whole pool, in the order picked. Where `selector` has this property,
        the picks for a smaller budget are the first ones for a larger budget up to
        `n_candidates`.
    scores_ : ndarray of shape (n_selected,)
        What `selector` says of each pick.
    candidates_ : ndarray of shape (n_drawn,)
        Positions of the candidates, in the order drawn.
    rows_ : ndarray of shape (n_kept,)
        Ascending positions of candidates and labeled rows: ``selector_`` was fitted to
        ``X[rows_]``.
    selector_ : selector
        Fitted; its ``indices_`` are positions in ``rows_``.
    components_ : ndarray or CSR matrix of shape (n_selected, n_features)
        The selected rows; ``transform`` gives what `selector` gives for such picks.
    n_samples_fit_, n_features_in_ : int
        Shape of the pool.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when `X` has string column names.
    embedding_ : transformer
        What made the features; only where `selector` has a network or an embedding.

    See Also
    --------
    StochasticBatch : Draws rows by their scores.

    Examples
    --------
    >>> import numpy as np
    >>> from skactive import CoreSetSelector, SubsamplePool
    >>> X = np.arange(1000.0)[:, None]
    >>> selector = SubsamplePool(CoreSetSelector(), budget=3, n_candidates=100, random_state=0)
    >>> selector.fit(X, labeled=[0]).indices_
    array([998, 490, 746])
    >>> selector.rows_.shape  # candidates and labeled rows
    (101,)
    """

    def __init__(
        self,
        selector: Any,
        budget: int | float = 10,
        *,
        n_candidates: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.selector = selector
        self.budget = budget
        self.n_candidates = n_candidates
        self.random_state = random_state

    def _check_params(self) -> None:
        super()._check_params()
        check_number(self.n_candidates, "n_candidates", minimum=1, strict=False, integer=True)

    def _has_prefix_property(self) -> bool:
        is_within = isinstance(self.budget, Integral) and self.budget <= self.n_candidates
        return is_within and bool(self.selector._has_prefix_property())

    def _fit(
        self,
        X: Any,
        y: Any,
        *,
        labeled: Any = None,
        X_target: Any = None,
        estimator: Any = None,
    ) -> Self:
        with all_or_nothing(self):
            self._check_params()
            self.selector_ = self._selector = self._make_selector()
            embeds = self.network is not None or self.embedding is not None
            is_pairwise = bool(self.__sklearn_tags__().input_tags.pairwise) and not embeds
            X = self._gram_matrix(X) if is_pairwise else indexable(X)
            n_samples = n_rows(X)
            part, n_picks = self._draw(labeled, n_samples)
            fit_params: dict[str, Any] = {"estimator": estimator}
            if takes_targets(self.selector_):
                fit_params["X_target"] = X_target
            if is_pairwise and X_target is not None:  # positions of rows
                positions = check_target_positions(X_target, n_samples)
                part = part._replace(rows=np.union1d(part.rows, positions))
                fit_params["X_target"] = part.places(positions)
            kept = some_rows(X, part.rows)
            if not _may_impute(self.embedding):
                refuse_not_finite(kept, X)
            self.selector_.set_params(budget=n_picks).fit(
                kept[:, part.rows] if is_pairwise else kept,
                self._labels(y, part, n_samples),
                labeled=part.places(part.labeled),
                **fit_params,
            )
            self._take_over(part, X)
        return self

    def _select(self, pool: Pool) -> Selection:
        raise TypeError(
            "SubsamplePool draws rows before anything is computed for a pool, so it cannot be "
            "inside another selector that asks for parts of the pool. Turn them round: "
            "SubsamplePool(ClassBalanced(CoreSetSelector()))."
        )

    def _gram_matrix(self, X: Any) -> Any:
        X = check_features(self, X, reset=True, accept_sparse=False)
        if X.shape[0] != X.shape[1]:
            raise ValueError(
                "kernel='precomputed' needs the square Gram matrix of the pool as X; got shape "
                f"{tuple(X.shape)}. Pass kernel(X, X)."
            )
        return X

    def _draw(self, labeled: Any, n_samples: int) -> tuple[_Part, int]:
        if n_samples == 0:
            raise ValueError(
                "X must have at least one row; got an array with 0 sample(s). Pass at least one "
                "row."
            )
        positions = check_labeled(labeled, n_samples)
        unlabeled = np.setdiff1d(np.arange(n_samples), positions)
        if len(unlabeled) == 0:
            raise ValueError(
                f"labeled covers all {n_samples} rows, so nothing is left to pick. Pass a pool "
                "with unlabeled rows."
            )
        n_picks = check_budget(self.budget, n_samples, len(unlabeled))
        order = np.random.RandomState(self._seed).permutation(unlabeled)
        drawn = order[: max(n_picks, int(self.n_candidates))]
        return _Part(np.sort(np.append(positions, drawn)), drawn, positions), n_picks

    def _labels(self, y: Any, part: _Part, n_samples: int) -> Any:
        """Labels of the part; `y` is looked at only where labels are read."""
        labels = self._take_labels(y, part.labeled, n_samples)
        if labels is None:
            return None
        # By positions in the pool, which the selector inside does not know.
        refuse_missing_labels(label_array(labels), part.labeled)
        return _safe_indexing(y, part.rows)

    def _take_over(self, part: _Part, X: Any) -> None:
        """Fitted attributes, in terms of the whole pool."""
        selector = self.selector_
        self.indices_ = part.rows[selector.indices_]
        self.scores_ = selector.scores_
        self.candidates_ = part.drawn
        self.rows_ = part.rows
        self.components_ = selector.components_
        self._landmarks = selector._landmarks
        if isinstance(self._landmarks, GramLandmarks):
            self.components_ = take_rows(X, self.indices_)
            self._landmarks = GramLandmarks(self.indices_.tolist(), self._landmarks.diagonal)
        else:
            for name in ("embedding_", "n_features_in_", "feature_names_in_"):
                if hasattr(selector, name):
                    setattr(self, name, getattr(selector, name))
        self.n_samples_fit_ = n_rows(X)
        self._n_features_out = len(self.indices_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags


def _may_impute(embedding: Any) -> bool:
    """Whether missing values are for the embedding to refuse: no network takes them."""
    return hasattr(embedding, "transform") and not hasattr(embedding, "network")
