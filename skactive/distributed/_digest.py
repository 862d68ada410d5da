"""The fingerprint of rows that are not in memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy import sparse

from skactive.distributed._rows_of import blocks_of, count, is_frame, lengths_of
from skactive.journal._digest import (
    FrameDigest,
    SparseDigest,
    add,
    add_entries,
    add_values,
    begin_array,
    begin_column,
    tag,
)


def add_collection(digest: Any, X: Any) -> None:
    """Feed a dask array, data frame or series: what the same rows in memory would feed.

    The partitions are read in their order, the next one while one is hashed. Rows are only
    counted before where their number is not known.
    """
    X = count(X)
    n_samples = int(lengths_of(X).sum())
    if not is_frame(X):
        _add_array(digest, X, n_samples)
    elif X.ndim == 1:
        tag(digest, "series")
        add(digest, X.name)
        dtype = _with_categories(X).dtype
        begin_column(digest, dtype, n_samples)
        for rows in _read(X):
            add_values(digest, rows, dtype)
    else:
        frame = FrameDigest(_with_categories(X).dtypes, n_samples)
        for rows in _read(X):
            frame.add(rows)
        frame.close(digest)


def _add_array(digest: Any, X: Any, n_samples: int) -> None:
    shape = (n_samples, *X.shape[1:])
    if sparse.issparse(X._meta):
        parts = SparseDigest(X.dtype, shape)
        for rows in _read(X):
            parts.add(rows)
        parts.close(digest)
        return
    begin_array(digest, X.dtype, shape)
    if X.dtype.names:  # one field after the other, as in memory
        for name in X.dtype.names:
            _add_array(digest, X[name], n_samples)
        return
    for rows in _read(X):
        add_entries(digest, np.asarray(rows).astype(X.dtype, copy=False))


def _with_categories(X: Any) -> Any:
    """An empty frame whose columns have the types that they have in all partitions."""
    from dask.dataframe.utils import has_known_categories

    meta = X._meta.to_frame() if X.ndim == 1 else X._meta
    for place, dtype in enumerate(meta.dtypes):
        if dtype == "category" and not has_known_categories(meta.iloc[:, place]):
            column = X if X.ndim == 1 else X[meta.columns[place]]
            found = set().union(*(rows.cat.categories for rows in _read(column)))
            known = type(dtype)(sorted(found, key=repr), ordered=dtype.ordered)
            meta = meta.astype({meta.columns[place]: known})
    return meta.iloc[:, 0] if X.ndim == 1 else meta


def _read(X: Any) -> Iterator[Any]:
    """The partitions in turn; the next one is read while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming = None
        for block in blocks_of(X):
            present, coming = coming, reader.submit(block.compute)
            if present is not None:
                yield present.result()
        if coming is not None:
            yield coming.result()
