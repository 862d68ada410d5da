"""Pools of dask: rows stay where they are, and the picks are those for the same rows in memory.

Selectors and loops take a ``dask.array.Array`` or ``dask.dataframe.DataFrame`` in place of `X`;
that needs ``pip install "skactive[distributed]"``. With an active ``distributed.Client`` each
partition is worked on by the worker that holds it; else this process reads one partition after the
other, the next one while it works on the last. A pool that fits into 40 % of the memory is held
there; a larger one is read anew for every sweep.

A worker that is lost takes nothing along that cannot be computed again: its partitions are read
again elsewhere, and what has been done to them is done again. Two settings of dask say how long to
wait, after which a TimeoutError says what for:

``skactive.call-timeout``, default "1 hour"
    For the answers of all partitions to one question.
``skactive.no-workers-timeout``, default "60 s"
    For a first worker, or for new ones after all have been lost.

A worker that no longer answers is given up by the scheduler after
``distributed.scheduler.worker-ttl``, default 5 minutes.
"""

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
