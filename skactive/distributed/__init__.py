"""Pools in parts: dask arrays and data frames. Needs the extra ``skactive[distributed]``."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

__all__ = ["take_rows"]


def take_rows(X: Any, positions: ArrayLike) -> Any:
    """Rows of a dask collection by their positions, in memory.

    For what a selection of ``indices_`` is to be told by: names of files, keys of a data base,
    texts. Partitions without any of the rows are not read, but once to count the rows of a
    data frame, which does not know them.

    Parameters
    ----------
    X : dask array, data frame or series
    positions : array-like of int
        From 0, over all partitions, in any order; ``indices_`` of a selector.

    Returns
    -------
    rows : ndarray, CSR matrix, data frame or series
        In the order of the positions.

    Raises
    ------
    IndexError
        Where X has no row of that position.

    Examples
    --------
    >>> import dask.array as da
    >>> from skactive.distributed import take_rows
    >>> take_rows(da.arange(100, chunks=30) ** 2, [70, 3])
    array([4900,    9])
    """
    import numpy as np

    from skactive.distributed._rows_of import take

    return take(X, np.asarray(positions, dtype=np.int64))
