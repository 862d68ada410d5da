"""The contract of all selectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, _safe_indexing, check_random_state, get_tags
from sklearn.utils.validation import _num_samples, check_is_fitted
from torch import Tensor

from skactive._atomic import all_or_nothing
from skactive._dask import is_dask
from skactive._landmarks import DistanceLandmarks, Landmarks
from skactive._memmap import gather, page_release
from skactive._memory import check_memory
from skactive._rows import Rows
from skactive._shorthand import estimator_for, make_embedding, needs_model
from skactive._validation import (
    check_budget,
    check_features,
    check_finite,
    check_pool_labeled,
    check_targets,
    resolve_device,
    warn_zero_norm,
)

# Norms, masks, scores and their bounds; the largest of what the selectors keep.
_BYTES_PER_ROW = 160


@dataclass(frozen=True)
class Pool:
    """One checked selection problem, as selectors see it."""

    rows: Rows
    labeled: NDArray[np.int64]
    """Positions of the labeled rows."""
    y_labeled: Any
    """Their labels, aligned with `labeled`; None when no `y` was given."""
    targets: Any
    """Rows of `X_target`, checked; None means the pool."""
    estimator: Any
    """The fitted model of the round before, or None."""
    inputs: Any
    """`X` as given to ``fit``, before any embedding."""
    candidates: Tensor
    """Boolean tensor of shape (n_samples,): rows that may be picked."""
    n_picks: int
    random_state: np.random.RandomState


@dataclass(frozen=True)
class Selection:
    """What a method returns: the picks in order and the score of each when it was made."""

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]


class BaseSelector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """Base of all selectors: checks, budget, fitted attributes, landmark features.

    A subclass stores its parameters in ``__init__`` (``budget`` among them; ``device``,
    ``random_state`` and ``verbose`` where it uses them) and writes ``_select``. One that uses
    targets lists ``X_target`` in its own ``fit``, hands it to ``_fit``, and finds it in the pool.
    With parameters ``network`` and ``embedding`` it can read raw inputs of a network, too.
    """

    # Defaults for selectors without these parameters.
    network: Any = None
    embedding: Any = None
    random_state: Any = None

    # Whether the method learns from labels: then `y` is read at the `labeled` rows.
    _needs_labels = False
    # Whether it reads them where they are given, but can do without.
    _uses_labels = False

    @abstractmethod
    def _select(self, pool: Pool) -> Selection:
        """Choose ``pool.n_picks`` of the candidates and set method-specific attributes."""

    def _check_params(self) -> None:
        """Refuse bad parameters; called at the start of ``fit``."""

    def _accepts_sparse(self) -> bool:
        """Whether CSR matrices make sense under the present parameters."""
        return False

    def _uses_unit_norm(self) -> bool:
        """Whether rows are compared by direction, which rows of zeros do not have."""
        return False

    def _has_prefix_property(self) -> bool:
        """Whether the picks for a smaller budget are the first picks for a larger one."""
        return False

    def _partitioned(self) -> Callable[[Any, Any], Selection]:
        """What selects from a pool in parts: a function of the selector and a PartitionedPool."""
        raise TypeError(
            f"{type(self).__name__} does not take dask collections. Pass X.compute(), a sample of "
            "the rows, or use a selector that does: ActiveFTSelector, CoreSetSelector, "
            "ITLSelector, KMeansSelector, UncertaintySelector or VTLSelector."
        )

    def _draws_at_random(self) -> bool:
        """Whether the picks depend on `random_state` under the present parameters."""
        return False

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        """What ``transform`` and ``represent`` compute from the picks."""
        return DistanceLandmarks()

    def fit(self, X: Any, y: Any = None, *, labeled: Any = None, estimator: Any = None) -> Self:
        """Select rows of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The pool; with an embedding whatever the network reads. Some selectors also take dask
            arrays and data frames, see :mod:`skactive.distributed`.
        y : array-like of shape (n_samples,), default=None
            Ignored unless the method learns from labels, and then read at `labeled` rows only.
        labeled : array-like, default=None
            Rows whose label is already known, as a boolean mask of length n_samples or as
            unique positions. They are conditioned on and never picked.
        estimator : estimator object, default=None
            The fitted model of the round before. It is the network of an `embedding` without
            one of its own, and not looked at otherwise.

        Returns
        -------
        self : object
            The fitted selector.
        """
        return self._fit(X, y, labeled=labeled, estimator=estimator)

    def fit_select(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.int64]:
        """Select rows of `X` and return their positions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The pool.
        y : array-like of shape (n_samples,), default=None
            As in ``fit``.
        **fit_params : dict
            Passed to ``fit``.

        Returns
        -------
        indices : ndarray of shape (n_selected,)
            ``indices_``: row positions in the order picked.
        """
        self.fit(X, y, **fit_params)
        indices: NDArray[np.int64] = self.indices_
        return indices

    def _fit(
        self,
        X: Any,
        y: Any,
        *,
        labeled: Any = None,
        X_target: Any = None,
        estimator: Any = None,
    ) -> Self:
        if is_dask(X):
            from skactive.distributed._fit import fit_partitions

            fit_partitions(self, X, y, labeled=labeled, X_target=X_target, estimator=estimator)
            return self
        with all_or_nothing(self):
            self._check_params()
            inputs = X
            X, X_target = self._embed_pool(X, X_target, estimator)
            X = check_features(self, X, reset=True, accept_sparse=self._accepts_sparse())
            pool = self._make_pool(X, y, labeled, X_target, estimator, inputs)
            selection = self._select(pool)
            self._describe_inputs()
            self._landmarks = self._make_landmarks(pool, selection)
            self.indices_ = selection.indices
            self.scores_ = selection.scores
            self.components_ = take_rows(X, selection.indices)
            self.n_samples_fit_ = pool.rows.n_samples
            self._n_features_out = len(selection.indices)
        return self

    def get_support(self, indices: bool = False) -> NDArray[Any]:
        """Mask of the selected rows, or their sorted positions.

        Parameters
        ----------
        indices : bool, default=False
            Return positions instead of a mask.

        Returns
        -------
        support : ndarray
            Boolean of shape (n_samples,), or sorted positions of shape (n_selected,).
        """
        check_is_fitted(self)
        if indices:
            return np.sort(self.indices_)
        mask = np.zeros(self.n_samples_fit_, dtype=bool)
        mask[self.indices_] = True
        return mask

    def transform(self, X: Any) -> NDArray[Any]:
        """Similarity or distance of each row of `X` to each selected sample.

        Keeps every row, so it works anywhere in a Pipeline, as ``KMeans.transform`` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Any rows, not only those of the pool. Those of a dask array or data frame are read
            block by block when the result, a dask array then, is computed.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_selected)
            float32 where `X` is float32, else float64.
        """
        if is_dask(X):
            lazy: NDArray[Any] = self._lazily("transform", X)
            return lazy
        X = self._embedded(X)
        dtype = np.dtype(np.float32 if _is_float32(X) else np.float64)
        rows, components = self._rows_and_components(X)
        shape = (rows.n_samples, len(self.indices_))
        check_memory(
            dtype.itemsize * shape[0] * shape[1],
            torch.device("cpu"),
            f"The result of transform, {shape[0]} rows by {shape[1]} picks,",
            "Transform fewer rows at a time.",
        )
        X_new = np.empty(shape, dtype=dtype)
        for part, piece in rows.parts(X_new.shape[1]):
            X_new[part] = self._landmarks.transform(piece, components).cpu().numpy()
        return X_new

    def represent(self, X: Any) -> NDArray[np.int64]:
        """The pick that stands for each row of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Any rows, not only those of the pool. Those of a dask array or data frame are read
            block by block when the result, a dask array then, is computed.

        Returns
        -------
        picks : ndarray of shape (n_samples,)
            Positions in ``indices_`` of the nearest pick, in the distance of the method:
            :math:`k(x, x) - 2 k(x, s) + k(s, s)` for kernel methods.
        """
        if is_dask(X):
            lazy: NDArray[np.int64] = self._lazily("represent", X)
            return lazy
        rows, components = self._rows_and_components(self._embedded(X))
        picks = np.empty(rows.n_samples, dtype=np.int64)
        for part, piece in rows.parts(len(self.indices_)):
            picks[part] = self._landmarks.nearest(piece, components).cpu().numpy()
        return picks

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._accepts_sparse()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.non_deterministic = self._draws_at_random() and self.random_state is None
        if self.network is not None or self.embedding is not None:
            is_transformer = hasattr(self.embedding, "transform")
            tags.input_tags.sparse = is_transformer and get_tags(self.embedding).input_tags.sparse
            tags.input_tags.three_d_array = True
            tags.transformer_tags.preserves_dtype = []
        return tags

    def _embed_pool(self, X: Any, X_target: Any, estimator: Any) -> tuple[Any, Any]:
        """Features of pool and targets, where an embedding makes them."""
        embedding = make_embedding(self.network, self.embedding)
        if embedding is None:
            return X, X_target
        self.embedding_ = embedding.fit(X, None, **estimator_for(embedding, estimator))
        features = embedding.transform(X)
        if X_target is None:
            return features, None
        try:
            return features, embedding.transform(X_target)
        except ValueError as error:
            raise ValueError(
                f"X_target must hold inputs like those of X, which the embedding reads: {error}"
            ) from error

    def _describe_inputs(self) -> None:
        """With an embedding, width and names of the features are those of its inputs."""
        if not hasattr(self, "embedding_"):
            return
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
            if hasattr(self.embedding_, name):
                setattr(self, name, getattr(self.embedding_, name))

    def _needs_model(self) -> bool:
        """Whether ``fit`` needs the model of the round before."""
        return self.network is None and needs_model(self.embedding)

    def _make_pool(
        self, X: Any, y: Any, labeled: Any, X_target: Any, estimator: Any, inputs: Any
    ) -> Pool:
        n_samples = X.shape[0]
        positions = check_pool_labeled(labeled, n_samples)
        n_picks = check_budget(self.budget, n_samples, n_samples - len(positions))
        rows = Rows(X, resolve_device(getattr(self, "device", "auto"), X))
        check_memory(
            _BYTES_PER_ROW * n_samples,
            rows.device,
            f"What is kept of each of {n_samples} rows",
            "Pass a part of the pool.",
        )
        check_finite(rows, "X")
        if self._uses_unit_norm():
            warn_zero_norm(rows, type(self).__name__)
        candidates = torch.ones(n_samples, dtype=torch.bool, device=rows.device)
        candidates[torch.as_tensor(positions)] = False
        return Pool(
            rows=rows,
            labeled=positions,
            y_labeled=self._take_labels(y, positions, n_samples),
            targets=self._read_targets(X_target, rows),
            estimator=estimator,
            inputs=inputs,
            candidates=candidates,
            n_picks=n_picks,
            random_state=check_random_state(self.random_state),
        )

    def _read_targets(self, X_target: Any, rows: Rows) -> Any:
        """Target rows, as wide as the pool and on the same device."""
        if X_target is None:
            return None
        X_target = check_targets(X_target, rows.n_features, accept_sparse=self._accepts_sparse())
        targets = Rows(X_target, rows.device)
        check_finite(targets, "X_target")
        return targets

    def _take_labels(self, y: Any, labeled: NDArray[np.int64], n_samples: int) -> Any:
        """Labels of the labeled rows; no other entry of `y` is looked at."""
        if not (self._needs_labels or self._uses_labels) or len(labeled) == 0:
            return None
        if y is None and not self._needs_labels:
            return None
        if y is None:
            raise ValueError(
                f"{type(self).__name__} learns from the labels of the labeled rows, but y is "
                "None. Pass y of length n_samples; entries of unlabeled rows are not read."
            )
        if _num_samples(y) != n_samples:
            raise ValueError(
                f"y must have one entry for each of the {n_samples} rows of X; got "
                f"{_num_samples(y)}. Fill the entries of unlabeled rows with anything."
            )
        return _safe_indexing(y, labeled)

    def _lazily(self, method: str, X: Any) -> Any:
        """What a method says of a dask collection, as a dask array that is not computed here."""
        from skactive.distributed._lazy import lazy_rows

        check_is_fitted(self)
        return lazy_rows(self, method, X)

    def _embedded(self, X: Any) -> Any:
        """Features of raw inputs, where ``fit`` had an embedding."""
        check_is_fitted(self)
        return self.embedding_.transform(X) if hasattr(self, "embedding_") else X

    def _rows_and_components(self, X: Any) -> tuple[Rows, Rows]:
        if not hasattr(self, "embedding_"):  # which checks its own inputs
            X = check_features(self, X, reset=False, accept_sparse=self._accepts_sparse())
        device = resolve_device(getattr(self, "device", "auto"), X)
        rows = Rows(X, device)
        check_finite(rows, "X")
        return rows, Rows(self.components_, device)


def _is_float32(X: Any) -> bool:
    dtypes = getattr(X, "dtypes", None)
    if dtypes is not None and getattr(X, "ndim", 2) == 2:
        return all(str(dtype).lower() == "float32" for dtype in dtypes)
    return str(getattr(X, "dtype", "")).endswith("float32")


def take_rows(X: Any, indices: NDArray[np.int64]) -> Any:
    """The selected rows as NumPy (CSR for CSR input), independent of the pool's memory."""
    if isinstance(X, Tensor):
        rows = X[torch.as_tensor(indices, device=X.device)].cpu()
        return rows.float().numpy() if rows.dtype == torch.bfloat16 else rows.numpy()
    if sparse.issparse(X):
        return X[indices]
    return np.array(gather(X, indices, page_release(X)))
