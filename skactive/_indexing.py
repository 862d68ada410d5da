"""Rows and lengths of whatever a pool may be."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from skactive._dask import is_dask


def n_samples_of(X: Any) -> int:
    """Number of rows; those of a dask collection are counted where they are not known."""
    if not is_dask(X):
        return int(_num_samples(X))
    from skactive.distributed._rows_of import lengths_of

    return int(lengths_of(X).sum())


def rows_of(X: Any, rows: NDArray[Any]) -> Any:
    """Rows in the order given; of a dask collection in memory, from the partitions they are in."""
    if not is_dask(X):
        return _safe_indexing(X, rows)
    from skactive.distributed._rows_of import take

    return take(X, rows)


def without_rows(X: Any, rows: NDArray[Any], others: NDArray[Any]) -> Any:
    """All rows but the given ones, which are `others`; a dask collection stays one."""
    if not is_dask(X):
        return _safe_indexing(X, others)
    from skactive.distributed._rows_of import drop

    return drop(X, rows)


def counted(X: Any, *, index: bool = False) -> Any:
    """A dask collection that knows how many rows its partitions have; anything else as it is.

    Parameters
    ----------
    X : object
    index : bool
        Whether the index of a frame is to be known, too.
    """
    if not is_dask(X):
        return X
    from skactive.distributed._rows_of import count

    return count(X, index=index)


def is_same(one: Any, other: Any) -> bool:
    """Whether two names mean one object; dask collections are equal where their names are."""
    if one is other or not (is_dask(one) and is_dask(other)):
        return one is other
    from skactive.distributed._rows_of import name_of

    return type(one) is type(other) and name_of(one) == name_of(other)
