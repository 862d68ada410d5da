"""A selector that chooses from a random part of the pool."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.validation import _num_samples

from skactive._atomic import all_or_nothing
from skactive._base import Pool, Selection
from skactive._base import _take_rows as take_rows
from skactive._landmarks import GramLandmarks
from skactive._memmap import gather, page_release
from skactive._rows import Rows
from skactive._shorthand import make_embedding
from skactive._validation import (
    check_budget,
    check_features,
    check_finite,
    check_labeled,
    check_number,
    check_target_positions,
    resolve_device,
)
from skactive.selection._meta_selector import MetaSelector, takes_targets

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


class _Source(NamedTuple):
    """The whole pool, to take rows from."""

    X: Any
    checked: Any  # the same as a matrix; None where an embedding checks what it reads
    is_pairwise: bool

    @property
    def n_samples(self) -> int:
        return int(_num_samples(self.X))

    def take(self, rows: NDArray[np.int64]) -> Any:
        """The given rows; of a Gram matrix also the columns."""
        if self.checked is not None:
            self._check_finite(rows)
        if self.is_pairwise:
            return take_rows(self.checked, rows)[:, rows]
        release = page_release(self.X)
        return _safe_indexing(self.X, rows) if release is None else gather(self.X, rows, release)

    def _check_finite(self, rows: NDArray[np.int64]) -> None:
        """Refuse rows that are not finite, by their positions in the pool."""
        device = resolve_device("auto", self.checked)
        norms = Rows(take_rows(self.checked, rows), torch.device("cpu")).squared_norms()
        if not bool(norms.isfinite().all()):
            check_finite(Rows(self.checked, device), "X")


class SubsamplePool(MetaSelector):
    """Let a selector choose from a random part of the candidates.

    Candidates are drawn without replacement, all with the same probability. The selector inside
    sees these and the labeled rows, which stay known, and nothing else: its time and memory, and
    those of an embedding, do not depend on the size of the pool. The picks are exactly those it
    makes on the pool of these rows. What it says of its pool, such as a covering radius or a
    scale of the noise, it says of these rows; targets (`X_target`) are used as they are.

    Rows that are not drawn are not read; only frames and lists are converted as a whole.

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
        return is_within and self._inside._has_prefix_property()

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
            source = self._source(X)
            part, n_picks = self._draw(labeled, source.n_samples)
            fit_params: dict[str, Any] = {"estimator": estimator}
            if takes_targets(self.selector_):
                part, fit_params["X_target"] = self._targets(X_target, part, source)
            # Where labels are read, and only there, this looks at `y`.
            reads_y = self._take_labels(y, part.labeled, source.n_samples) is not None
            self.selector_.set_params(budget=n_picks).fit(
                source.take(part.rows),
                _safe_indexing(y, part.rows) if reads_y else None,
                labeled=part.places(part.labeled),
                **fit_params,
            )
            self._take_over(part, source)
        return self

    def _select(self, pool: Pool) -> Selection:
        raise TypeError(
            "SubsamplePool draws rows before anything is computed for a pool, so it cannot be "
            "inside another selector that asks for parts of the pool. Turn them round: "
            "SubsamplePool(ClassBalanced(CoreSetSelector()))."
        )

    def _source(self, X: Any) -> _Source:
        if make_embedding(self.network, self.embedding) is not None:
            # Not every sparse format can be indexed; the embedding says what it takes.
            return _Source(X.tocsr() if sparse.issparse(X) else X, None, False)
        flat, _ = self.selector_._embed_pool(X, None, None)
        checked = check_features(self, flat, reset=True, accept_sparse=self._accepts_sparse())
        is_pairwise = bool(self.__sklearn_tags__().input_tags.pairwise)
        # A model from outside reads the rows of a frame, or images, as they are.
        as_given = hasattr(X, "columns") or flat is not X
        return _Source(X if as_given else checked, checked, is_pairwise)

    def _draw(self, labeled: Any, n_samples: int) -> tuple[_Part, int]:
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

    def _targets(self, X_target: Any, part: _Part, source: _Source) -> tuple[_Part, Any]:
        """Targets, and the part with them where they are rows of the pool."""
        if X_target is None or not source.is_pairwise:
            return part, X_target
        positions = check_target_positions(X_target, source.n_samples)
        part = part._replace(rows=np.union1d(part.rows, positions))
        return part, part.places(positions)

    def _take_over(self, part: _Part, source: _Source) -> None:
        """Fitted attributes, in terms of the whole pool."""
        selector = self.selector_
        if hasattr(selector, "embedding_"):
            self.embedding_ = selector.embedding_
        self._describe_inputs()
        self.indices_ = part.rows[selector.indices_]
        self.scores_ = selector.scores_
        self.candidates_ = part.drawn
        self.rows_ = part.rows
        self.components_ = selector.components_
        self._landmarks = selector._landmarks
        if isinstance(self._landmarks, GramLandmarks):
            self.components_ = take_rows(source.checked, self.indices_)
            self._landmarks = GramLandmarks(self.indices_.tolist(), self._landmarks.diagonal)
        self.n_samples_fit_ = source.n_samples
        self._n_features_out = len(self.indices_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags
