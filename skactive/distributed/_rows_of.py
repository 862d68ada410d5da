"""How many rows a dask collection has, and some of them, without the others."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import dask
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_COUNTED = "_skactive_counted"  # on our own copy of a frame, which has no chunks to know them


class Counted(NamedTuple):
    """What has been found out about the partitions of a frame."""

    lengths: NDArray[np.int64]
    index: Any  # of the whole frame; None where nobody has asked for it


def is_frame(X: Any) -> bool:
    """Whether X is a data frame or series of dask."""
    kind = type(X)  # since a Delayed has any attribute that is asked for
    return hasattr(kind, "map_partitions") and hasattr(kind, "loc")


def name_of(X: Any) -> str:
    """What dask calls X: equal names mean equal contents."""
    return str(X._name if is_frame(X) else X.name)


def count(X: Any, *, index: bool = False) -> Any:
    """The same collection, which knows the lengths of its partitions.

    Frames, and arrays with unknown chunk sizes, are computed for it, partition by partition;
    nothing but lengths (and the index, where asked for) is kept.
    """
    if is_frame(X):
        known: Counted | None = getattr(X, _COUNTED, None)
        if known is not None and (known.index is not None or not index):
            return X
        return _with_counted(X, _counted_frame(X, index))
    _check_array(X)
    if not any(map(math.isnan, X.chunks[0])):
        return X
    first = X.to_delayed().reshape(len(X.chunks[0]), -1)[:, 0]
    lengths = dask.compute(*map(dask.delayed(_n_rows), first))
    return with_lengths(X, lengths)


def lengths_of(X: Any) -> NDArray[np.int64]:
    """Number of rows of each partition."""
    X = count(X)
    if is_frame(X):
        lengths: NDArray[np.int64] = getattr(X, _COUNTED).lengths
        return lengths
    return np.array(X.chunks[0], dtype=np.int64)


def known_lengths(X: Any) -> NDArray[np.int64] | None:
    """Number of rows of each partition where nothing has to be computed for it."""
    if is_frame(X):
        return lengths_of(X) if hasattr(X, _COUNTED) else None
    return None if any(map(math.isnan, X.chunks[0])) else lengths_of(X)


def index_of(X: Any) -> Any:
    """The index of a frame, in memory."""
    return getattr(count(X, index=True), _COUNTED).index


def with_lengths(X: Any, lengths: Any) -> Any:
    """The same collection, whose partitions have these numbers of rows."""
    import dask.array as da

    if is_frame(X):
        return _with_counted(X, Counted(np.array(lengths, dtype=np.int64), None))
    chunks = (tuple(map(int, lengths)), *X.chunks[1:])
    return da.Array(X.dask, X.name, chunks=chunks, meta=X._meta)


def take(X: Any, rows: NDArray[Any]) -> Any:
    """Rows in the order given, in memory; partitions without any of them are not computed."""
    X = count(X)
    unique, order = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
    found = _sorted_rows(X, unique)
    return found.iloc[order] if hasattr(found, "iloc") else found[order]


def first_row(X: Any) -> Any:
    """One row, as a collection of one row in memory."""
    if (lengths := known_lengths(X)) is not None and lengths.sum():
        return take(X, np.zeros(1, dtype=np.int64))
    for block in blocks_of(X):
        rows = block.compute()
        if _n_rows(rows):
            return rows.iloc[:1] if hasattr(rows, "iloc") else rows[:1]
    raise ValueError("Found array with 0 sample(s) in X while a minimum of 1 is required.")


def drop(X: Any, rows: NDArray[np.int64]) -> Any:
    """The collection without some rows, in the same partitions."""
    X = count(X)
    lengths = lengths_of(X)
    parts = _split(np.unique(rows), lengths)
    left = [n - len(parts.get(p, ())) for p, n in enumerate(lengths.tolist())]
    if not is_frame(X):
        return X.map_blocks(
            _drop_from_block,
            dropped=parts,
            dtype=X.dtype,
            chunks=(tuple(left), *X.chunks[1:]),
            meta=X._meta,
        )
    import dask.dataframe as dd

    drop_from = dask.delayed(_drop_from_frame)
    blocks = [
        drop_from(block, parts[p]) if p in parts else block for p, block in enumerate(blocks_of(X))
    ]
    frame = dd.from_delayed(blocks, meta=X._meta)  # without verification dask 2026 loses keys
    return with_lengths(frame, left)


def in_one_column(X: Any) -> Any:
    """An array whose blocks hold whole rows."""
    _check_array(X)
    whole = {axis: -1 for axis in range(1, X.ndim) if len(X.chunks[axis]) > 1}
    return X.rechunk(whole) if whole else X


def blocks_of(X: Any) -> list[Any]:
    """The partitions, each to be computed on its own; of arrays in whole rows."""
    if not is_frame(X):
        return list(np.ravel(in_one_column(X).to_delayed()))
    # Of a persisted frame dask 2026 may name partitions that it has merged with others.
    return [block for block in X.to_delayed() if block.key in block.dask]


def _check_array(X: Any) -> None:
    if not hasattr(type(X), "chunks") or X.ndim == 0:
        raise TypeError(
            f"Rows must be in a dask array or data frame; got {type(X).__name__}. Make an array "
            "of it, for instance with dask.array.from_delayed."
        )
    if any(math.isnan(size) for axis in X.chunks[1:] for size in axis):
        raise ValueError(
            f"Only the number of rows may be unknown; got chunks {X.chunks[1:]} along the other "
            "axes. Call compute_chunk_sizes() first."
        )


def _with_counted(X: Any, known: Counted) -> Any:
    X = X.copy()  # what is found out about a frame stays with us
    setattr(X, _COUNTED, known)
    return X


def _counted_frame(X: Any, index: bool) -> Counted:
    found = dask.compute(*map(dask.delayed(_index if index else _n_rows), X.to_delayed()))
    if not index:
        return Counted(np.array(found, dtype=np.int64), None)
    lengths = np.array([len(labels) for labels in found], dtype=np.int64)
    return Counted(lengths, found[0].append(list(found[1:])))


def _split(rows: NDArray[np.int64], lengths: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Sorted rows by partition, counted inside of it."""
    ends = np.cumsum(lengths)
    if len(rows) and (rows[0] < 0 or rows[-1] >= ends[-1]):
        raise IndexError(f"Rows must be in [0, {ends[-1]}); got {rows[0]} to {rows[-1]}.")
    parts = np.searchsorted(ends, rows, side="right")
    return {int(p): rows[parts == p] - int(ends[p] - lengths[p]) for p in np.unique(parts).tolist()}


def _sorted_rows(X: Any, rows: NDArray[np.int64]) -> Any:
    parts = _split(rows, lengths_of(X))
    if not parts:
        return X._meta if is_frame(X) else np.empty((0, *X.shape[1:]), dtype=X.dtype)
    if is_frame(X):
        # Not `X.partitions`: dask merges small files once it knows which columns are read.
        every = blocks_of(X)
        blocks = [every[p] for p in parts]
    else:
        blocks = blocks_of(X.blocks[list(parts)])
    found = list(dask.compute(*map(dask.delayed(_pick), blocks, parts.values())))
    if len(found) == 1:
        return found[0]
    if is_frame(X):
        from dask.dataframe.dispatch import concat  # which unites categories

        return concat(found)
    return (
        sparse.vstack(found, format="csr") if sparse.issparse(found[0]) else np.concatenate(found)
    )


def _n_rows(block: Any) -> int:
    return int(block.shape[0])


def _index(block: Any) -> Any:
    return block.index


def _pick(block: Any, rows: NDArray[np.int64]) -> Any:
    return block.iloc[rows] if hasattr(block, "iloc") else block[rows]


def _drop_from_frame(block: Any, rows: NDArray[np.int64]) -> Any:
    return block.iloc[np.setdiff1d(np.arange(len(block)), rows)]


def _drop_from_block(
    block: Any, dropped: dict[int, NDArray[np.int64]], block_id: tuple[int, ...] | None = None
) -> Any:
    assert block_id is not None
    rows = dropped.get(block_id[0])
    return block if rows is None else block[np.setdiff1d(np.arange(block.shape[0]), rows)]
