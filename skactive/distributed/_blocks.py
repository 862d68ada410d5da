"""What a collection of dask tells of itself before anything is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skactive.distributed._rows_of import blocks_of, is_frame, known_lengths


@dataclass(frozen=True)
class Blocks:
    """The row blocks of a collection."""

    collection: Any
    n_features: int
    itemsize: int
    """Bytes of an entry."""
    lengths: list[int] | None
    """Rows of each block; None where that is not known."""
    probe: Any
    """A row or two of the same kind, to check names and types of the columns."""

    @property
    def delayed(self) -> list[Any]:
        """The blocks, to be computed each on its own."""
        return blocks_of(self.collection)


def row_blocks(X: Any, name: str = "X") -> Blocks:
    """Row blocks of a dask array or data frame."""
    if not (is_frame(X) or hasattr(type(X), "chunks")):
        raise TypeError(
            f"{name} must be a dask array or data frame of rows; got {type(X).__name__}. Make an "
            "array of it, for instance with dask.array.from_delayed."
        )
    if X.ndim != 2:
        raise ValueError(
            f"Found array with dim {X.ndim} for {name}, while dim 2 is required. Reshape each "
            f"sample to a row of features: {name}.reshape(len({name}), -1)."
        )
    if is_frame(X):
        probe = X._meta_nonempty
        itemsize = max((np.dtype(float).itemsize, *(_itemsize(t) for t in probe.dtypes)))
        if len({str(dtype) for dtype in probe.dtypes}) == 1:
            itemsize = _itemsize(probe.dtypes.iloc[0])
        known = known_lengths(X)
        return Blocks(X, len(X.columns), itemsize, None if known is None else known.tolist(), probe)
    if math.isnan(X.shape[1]):
        raise ValueError(
            f"{name} must have a known number of columns; got chunks {X.chunks[1]}. Call "
            f"{name}.compute_chunk_sizes() first."
        )
    if not isinstance(X._meta, np.ndarray):
        raise TypeError(
            f"{name} must be a dask array of NumPy blocks; got blocks of "
            f"{type(X._meta).__name__}. Convert them, for instance with "
            f"{name}.map_blocks(lambda block: block.toarray())."
        )
    if X.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must hold numbers; got dtype {X.dtype}. Convert it, for instance with "
            f"{name}.astype('float64')."
        )
    if len(X.chunks[1]) > 1:
        X = X.rechunk({1: -1})
    lengths = None if any(math.isnan(n) for n in X.chunks[0]) else [int(n) for n in X.chunks[0]]
    probe = np.ones((1, X.shape[1]), dtype=X.dtype)
    return Blocks(X, int(X.shape[1]), X.dtype.itemsize, lengths, probe)


def _itemsize(dtype: Any) -> int:
    return int(getattr(dtype, "itemsize", 8))
