"""What a pool holds, fed to a hash function block by block."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from skactive.exceptions import JournalError

_BLOCK_BYTES = 2**23
_DIGEST_BYTES = 16
_BLOCK_ROWS = 2**16


def new_digest() -> Any:
    """A digest of nothing yet."""
    return blake2b(digest_size=_DIGEST_BYTES)


def add(digest: Any, value: Any) -> None:
    """Feed a value of any kind; equal contents of one kind give equal digests."""
    package = type(value).__module__.split(".")[0]
    if isinstance(value, np.generic):
        tag(digest, "scalar")
        _add_array(digest, np.asarray(value))
    elif value is None or isinstance(value, bool | int | float | complex):
        tag(digest, type(value).__name__, repr(value))
    elif isinstance(value, str):
        _add_bytes(digest, "str", value.encode("utf-8", "surrogatepass"))
    elif isinstance(value, bytes):
        _add_bytes(digest, "bytes", value)
    elif isinstance(value, np.ndarray):
        _add_array(digest, value)
    elif isinstance(value, Tensor):
        _add_tensor(digest, value)
    elif sparse.issparse(value):
        _add_sparse(digest, value)
    elif package == "pandas" and _add_pandas(digest, value):
        pass
    elif package == "polars" and _add_polars(digest, value):
        pass
    elif isinstance(value, list | tuple):
        tag(digest, type(value).__name__, len(value))
        for entry in value:
            add(digest, entry)
    elif isinstance(value, Mapping):
        tag(digest, "dict", len(value))
        for key in sorted(value, key=repr):
            add(digest, key)
            add(digest, value[key])
    else:
        _add_bytes(digest, type(value).__qualname__, _hash_pickle(value).encode())


def _add_array(digest: Any, value: NDArray[Any]) -> None:
    dtype = value.dtype
    begin_array(digest, dtype, value.shape)
    if isinstance(value, np.ma.MaskedArray):
        _add_array(digest, np.ma.getmaskarray(value))
        value = value.filled()
    value = np.asarray(value)
    if dtype.names:
        for name in dtype.names:
            _add_array(digest, value[name])
    else:
        add_entries(digest, value)


def begin_array(digest: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """What comes before the entries of an array."""
    tag(digest, "array", dtype.descr if dtype.names else dtype.str, shape)


def add_entries(digest: Any, value: NDArray[Any]) -> None:
    """The entries of an array, or of some of its rows: those of the others may follow."""
    if value.dtype.hasobject:  # or NumPy's texts of any length
        for entry in value.flat:
            add(digest, entry)
    else:
        for block in _blocks(value):
            digest.update(block.reshape(-1).view(np.uint8))


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Parts in C order, of bounded size, whatever the layout."""
    if array.ndim == 0 or array.nbytes <= _BLOCK_BYTES:
        yield np.ascontiguousarray(array)
        return
    size = _BLOCK_BYTES * len(array) // array.nbytes
    for start in range(0, len(array), max(1, size)):
        if size:
            yield np.ascontiguousarray(array[start : start + size])
        else:
            yield from _blocks(array[start])


def _add_tensor(digest: Any, value: Tensor) -> None:
    value = value.detach()
    tag(digest, "tensor", value.dtype, tuple(value.shape))
    if value.layout != torch.strided:
        value = value if value.layout == torch.sparse_coo else value.to_sparse()
        value = value.coalesce()
        _add_tensor(digest, value.indices())
        value = value.values()
    for block in _tensor_blocks(value):
        flat = block.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy())


def _tensor_blocks(value: Tensor) -> Iterator[Tensor]:
    if value.ndim == 0 or value.numel() * value.element_size() <= _BLOCK_BYTES:
        yield value
        return
    size = _BLOCK_BYTES * len(value) // (value.numel() * value.element_size())
    for start in range(0, len(value), max(1, size)):
        if size:
            yield value[start : start + size]
        else:
            yield from _tensor_blocks(value[start])


def _add_sparse(digest: Any, value: Any) -> None:
    parts = SparseDigest(value.dtype, value.shape)
    parts.add(value)
    parts.close(digest)


class SparseDigest:
    """Rows of a sparse matrix that come in parts.

    Parameters
    ----------
    dtype : dtype
    shape : tuple of int
        Of the whole matrix.
    """

    def __init__(self, dtype: Any, shape: tuple[int, ...]) -> None:
        self._header = np.dtype(dtype).str, shape
        self._parts = [new_digest() for _ in range(3)]

    def add(self, value: Any) -> None:
        """Further rows."""
        rows = _canonical(value)
        counts = np.diff(rows.indptr)
        for digest, numbers in zip(self._parts, (counts, rows.indices), strict=False):
            for block in _blocks(numbers):
                digest.update(block.astype(np.int64).view(np.uint8))
        add_entries(self._parts[2], rows.data)

    def close(self, digest: Any) -> None:
        """Feed what has come to another digest."""
        tag(digest, "sparse", *self._header)
        for part in self._parts:
            digest.update(part.digest())


def _canonical(value: Any) -> Any:
    """CSR, sorted, without duplicates and explicit zeros; the matrix itself stays as it is."""
    rows = value.tocsr()
    rows = sparse.csr_array((rows.data, rows.indices, rows.indptr), shape=rows.shape)
    if not rows.has_canonical_format or not rows.data.all():
        rows = rows.copy()
        rows.sum_duplicates()
        rows.eliminate_zeros()
    return rows


def _add_pandas(digest: Any, value: Any) -> bool:
    """Columns in order with their names; the index has no part. False for anything else."""
    import pandas as pd

    if value is pd.NA or value is pd.NaT:
        tag(digest, "missing", type(value).__name__)
    elif isinstance(value, pd.DataFrame):
        frame = FrameDigest(value.dtypes, len(value))
        frame.add(value)
        frame.close(digest)
    elif isinstance(value, pd.Series):
        tag(digest, "series")
        add(digest, value.name)
        _add_column(digest, value)
    elif isinstance(value, pd.Index):
        tag(digest, "index")
        _add_pandas(digest, value.to_frame(index=False))
    elif isinstance(value, pd.api.extensions.ExtensionArray):
        _add_column(digest, pd.Series(value))
    else:
        return False
    return True


class FrameDigest:
    """Rows of a pandas frame that come in parts.

    Parameters
    ----------
    dtypes : Series of dtype
        By the names of the columns.
    n_rows : int
        Of the whole frame.
    """

    def __init__(self, dtypes: Any, n_rows: int) -> None:
        self._dtypes, self._shape = dtypes, (n_rows, len(dtypes))
        self._columns = [new_digest() for _ in dtypes]
        for digest, dtype in zip(self._columns, dtypes, strict=True):
            begin_column(digest, dtype, n_rows)

    def add(self, rows: Any) -> None:
        """Further rows."""
        for place, (digest, dtype) in enumerate(zip(self._columns, self._dtypes, strict=True)):
            add_values(digest, rows.iloc[:, place], dtype)

    def close(self, digest: Any) -> None:
        """Feed what has come to another digest."""
        tag(digest, "frame", self._shape)
        add(digest, list(self._dtypes.index))
        for column in self._columns:
            digest.update(column.digest())


def _add_column(digest: Any, column: Any) -> None:
    begin_column(digest, column.dtype, len(column))
    add_values(digest, column, column.dtype)


def begin_column(digest: Any, dtype: Any, n_rows: int) -> None:
    """What comes before the values of a column."""
    import pandas as pd

    tag(digest, "column", "category" if dtype == "category" else dtype, n_rows)
    if isinstance(dtype, pd.CategoricalDtype):
        tag(digest, "ordered", dtype.ordered)
        _add_column(digest, pd.Series(dtype.categories))


def add_values(digest: Any, column: Any, dtype: Any) -> None:
    """The values of a column of that type, or of some of its rows: the others may follow."""
    import pandas as pd

    if column.dtype != dtype:
        column = column.astype(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        add_entries(digest, column.cat.codes.to_numpy())
    elif isinstance(dtype, pd.DatetimeTZDtype):
        add_entries(digest, column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    elif isinstance(dtype, np.dtype):
        add_entries(digest, column.to_numpy())
    else:
        for start in range(0, len(column), _BLOCK_ROWS):
            for entry in column.iloc[start : start + _BLOCK_ROWS].to_numpy(dtype=object):
                add(digest, entry)


def _add_polars(digest: Any, value: Any) -> bool:
    """Columns in order with their names. False for anything else."""
    import polars as pl

    if isinstance(value, pl.DataFrame):
        tag(digest, "frame", value.shape)
        for column in value.get_columns():
            _add_polars(digest, column)
    elif isinstance(value, pl.Series):
        tag(digest, "series", value.dtype, len(value))
        add(digest, value.name)
        if value.dtype.is_numeric() and value.null_count() == 0 and value.dtype != pl.Decimal:
            _add_array(digest, value.to_numpy())
            return True
        for start in range(0, len(value), _BLOCK_ROWS):
            for entry in value.slice(start, _BLOCK_ROWS).to_list():
                add(digest, entry)
    else:
        return False
    return True


def _add_bytes(digest: Any, kind: str, value: bytes) -> None:
    tag(digest, kind, len(value))
    digest.update(value)


def tag(digest: Any, *parts: Any) -> None:
    """Mark what follows, so that no two sequences of values look the same."""
    digest.update((" ".join(map(str, parts)) + "\0").encode("utf-8", "surrogatepass"))


def _hash_pickle(value: Any) -> str:
    try:
        return str(joblib.hash(value))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise JournalError(
            f"A journal must recognise the pool, the ids and the parameters, but a {type(value)} "
            "among them cannot be pickled. Pass arrays, frames, or lists of values."
        ) from error
