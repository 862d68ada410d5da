"""The arguments of a loop, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from skactive._dask import is_dask
from skactive._indexing import counted, n_samples_of
from skactive._labels import LabelBook
from skactive._oracles import make_oracle, owned_labels
from skactive._query import Query
from skactive._record import Told
from skactive._replies import as_python_times
from skactive._scoring import HeldOutScore
from skactive._validation import check_batch_size, check_budget, check_labeled
from skactive.callbacks import Callback, ProgressBar, check_callbacks
from skactive.selection._coreset import CoreSetSelector
from skactive.selection._itl import ITLSelector
from skactive.stopping import StoppingRule, check_stopping


class Problem(NamedTuple):
    """The checked arguments of one loop."""

    X: Any
    X_target: Any
    n_samples: int
    ids: NDArray[Any] | None
    owned: Told
    budget: int
    batch_size: int
    n_initial: int  # the same for the first batch
    query: Query
    first_query: Query
    score: HeldOutScore
    estimator_params: dict[str, Any]
    stopping: StoppingRule | None
    callbacks: list[Callback]

    def names(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """What rows are called outside."""
        return rows.copy() if self.ids is None else self.ids[rows]


def make_book(loop: Any, source: str) -> LabelBook:
    """Where the labels of a loop go."""
    return LabelBook(None if loop.classes is None else np.unique(np.asarray(loop.classes)), source)


def make_problem(
    loop: Any,
    X: Any,
    y: Any,
    *,
    labeled: Any,
    X_target: Any,
    ids: Any,
    score: HeldOutScore,
    estimator_params: dict[str, Any],
) -> Problem:
    """Check what a loop was called with."""
    if is_dask(ids):
        ids = ids.compute()
    X, y = counted(X, index=ids is None), counted(y)
    X, y, ids = _indexable(X, y, ids)
    n_samples = n_samples_of(X)
    if n_samples == 0:
        raise ValueError("Found array with 0 sample(s) in X while a minimum of 1 is required.")
    owned = _owned(loop, y, check_labeled(labeled, n_samples))
    if len(owned.rows) == n_samples:
        raise ValueError(
            f"labeled covers all {n_samples} rows, so there is nothing to ask. Fit the "
            "estimator itself, or add unlabeled rows to X."
        )
    selector = ITLSelector() if loop.selector is None else loop.selector
    query = Query(selector, X, X_target, "selector")
    if X_target is not None and not query.takes_targets:
        raise ValueError(
            f"X_target was given, but selector == {selector!r} has no use for targets. Use "
            "ITLSelector or VTLSelector, or leave X_target out."
        )
    batch_size, n_initial = _batch_sizes(loop, query, n_samples)
    callbacks = check_callbacks(loop.callbacks)
    return Problem(
        X=X,
        X_target=X_target,
        n_samples=n_samples,
        ids=_names(X, ids),
        owned=owned,
        budget=check_budget(loop.budget, n_samples, n_samples - len(owned.rows)),
        batch_size=batch_size,
        n_initial=n_initial,
        query=query,
        first_query=_first_query(loop, query, X, X_target),
        score=score,
        estimator_params={name: counted(value) for name, value in estimator_params.items()},
        stopping=check_stopping(loop.stopping),
        callbacks=[*callbacks, ProgressBar()] if loop.verbose else callbacks,
    )


def oracle_of(loop: Any, problem: Problem, y: Any, oracle: Any) -> Callable[[Any], Any]:
    """What answers: a function of row positions."""
    [y] = _indexable(y)
    return make_oracle(problem.X, y, oracle, problem.ids, type(loop).__name__)


def _indexable(*arrays: Any) -> list[Any]:
    """Things of one length whose rows can be taken; collections of dask as they are."""
    found = [array if is_dask(array) else indexable(array)[0] for array in arrays]
    lengths = [n_samples_of(array) for array in found if array is not None]
    if len(set(lengths)) > 1:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: {lengths}")
    return found


def _owned(loop: Any, y: Any, labeled: NDArray[np.int64]) -> Told:
    """The labels that need no question."""
    book = make_book(loop, "y at the labeled rows")
    book.own(*owned_labels(y, labeled))
    n = len(book)
    return Told(0, book.indices, book.labels, np.empty(0, np.int64), np.zeros(n), [None] * n, 0.0)


def _batch_sizes(loop: Any, query: Query, n_samples: int) -> tuple[int, int]:
    """Labels of a round, and of the first one where nothing is labeled."""
    size, name = loop.batch_size, "batch_size"
    if size is None:
        size, name = query.budget, query.budget_name
    batch_size = check_batch_size(size, n_samples, name)
    if loop.n_initial is None:
        return batch_size, batch_size
    return batch_size, check_batch_size(loop.n_initial, n_samples, "n_initial")


def _first_query(loop: Any, query: Query, X: Any, X_target: Any) -> Query:
    """What picks the first batch where no label is known."""
    if loop.init_selector is not None:
        return Query(loop.init_selector, X, X_target, "init_selector")
    if query.needs_labels and not query.needs_model:
        return query.with_final(CoreSetSelector())
    return query


def _names(X: Any, ids: Any) -> NDArray[Any] | None:
    """Names of the rows: `ids`, or an index that someone has given to a frame."""
    if ids is not None:
        names = _as_names(_safe_indexing(ids, np.arange(_num_samples(ids))))
        if names.ndim != 1:
            raise ValueError(
                f"ids must be one-dimensional, one name a row; got shape {names.shape}. Join the "
                "columns of a compound key into one."
            )
        if (n_missing := _n_missing(names)) > 0:
            raise ValueError(
                f"ids must name every row; got {n_missing} missing names (None, NaN) for "
                f"{len(names)} rows. Leave ids out to use positions."
            )
        n_names = len(set(names.tolist()))
        if n_names < len(names):
            raise ValueError(
                f"ids must be unique; got {n_names} different names for {len(names)} rows. Times "
                "count to the microsecond. Leave ids out to use positions."
            )
        return names
    index = _index(X)
    if index is None or not index.is_unique:
        return None
    names = _as_names(np.asarray(index))
    if _n_missing(names) or len(set(names.tolist())) < len(names):
        return None
    return None if np.array_equal(names, np.arange(len(names))) else names


def _index(X: Any) -> Any:
    if not hasattr(X, "iloc"):
        return None
    if is_dask(X):
        from skactive.distributed._rows_of import index_of

        return index_of(X)
    return getattr(X, "index", None)


def _as_names(values: Any) -> NDArray[Any]:
    """Names that are equal as Python values where they are equal."""
    names = np.asarray(values)
    if names.dtype.kind in "Mm":
        return np.asarray(as_python_times(names).astype(object))
    if isinstance(values, list) and names.ndim == 1 and names.tolist() != values:
        names = np.empty(len(values), dtype=object)  # NumPy makes one type of 1 and "a"
        names[:] = values
    return names


def _n_missing(names: NDArray[Any]) -> int:
    if names.dtype.kind == "f":
        return int(np.isnan(names).sum())
    if names.dtype != object:
        return 0
    return sum(name is None or type(name).__name__ == "NAType" or name != name for name in names)
