"""What is computed of every row alone: lazily, partition by partition."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import dask
import numpy as np
from dask.utils import SerializableLock
from scipy import sparse
from skorch import NeuralNet
from torch import nn

from skactive.distributed._rows_of import (
    blocks_of,
    in_one_column,
    is_frame,
    known_lengths,
    with_lengths,
)
from skactive.embedding import NetworkEmbedding


def map_rows(function: Callable[[Any], Any], X: Any, example: Any, *, in_turn: bool = False) -> Any:
    """A dask collection with one entry for each row of `X`.

    Parameters
    ----------
    function : callable
        Of the rows of a partition, in memory. Sent to the workers once, not with every task.
    X : dask array, data frame or series
    example : array or frame of one row
        Like those of `X`; shows the kind of the result.
    in_turn : bool
        Whether `function` must not be called by two threads of a process at once.

    Returns
    -------
    values : dask array or data frame; list of them where `function` gives a list
    """
    kind = function(example)
    if isinstance(kind, list):  # one entry an output
        return [
            _map_rows(partial(_entry, function, i), X, kind[i], in_turn) for i in range(len(kind))
        ]
    return _map_rows(function, X, kind, in_turn)


def holds_network(estimator: Any) -> bool:
    """Whether there is a network inside, which threads would share: its mode, and hooks on it."""
    parts = [estimator]
    if hasattr(estimator, "get_params"):
        parts += estimator.get_params(deep=True).values()
    return any(isinstance(part, (nn.Module, NeuralNet, NetworkEmbedding)) for part in parts)


def _map_rows(function: Callable[[Any], Any], X: Any, kind: Any, in_turn: bool) -> Any:
    empty = kind.iloc[:0] if hasattr(kind, "iloc") else _as_array(kind)[:0]
    shared = dask.delayed(function, traverse=False)
    lock = SerializableLock("skactive-networks") if in_turn else None
    if not is_frame(X) and not hasattr(empty, "iloc"):
        X = in_one_column(X)
        return X.map_blocks(
            _on_block,
            function=shared,
            empty=empty,
            lock=lock,
            dtype=empty.dtype,
            chunks=(X.chunks[0], *((n,) for n in empty.shape[1:])),
            drop_axis=list(range(1, X.ndim)),
            new_axis=list(range(1, empty.ndim)),
            meta=empty,
        )
    call = dask.delayed(_on_block)
    blocks = [call(block, shared, empty, lock) for block in blocks_of(X)]
    lengths = known_lengths(X)
    if hasattr(empty, "iloc"):
        import dask.dataframe as dd

        frame = dd.from_delayed(blocks, meta=empty)  # without verification dask 2026 loses keys
        return frame if lengths is None else with_lengths(frame, lengths)
    import dask.array as da

    parts = [
        da.from_delayed(
            block, (np.nan if lengths is None else int(lengths[p]), *empty.shape[1:]), meta=empty
        )
        for p, block in enumerate(blocks)
    ]
    return da.concatenate(parts, allow_unknown_chunksizes=True)


def _on_block(block: Any, function: Callable[[Any], Any], empty: Any, lock: Any) -> Any:
    if block.shape[0] == 0:  # which most estimators refuse
        return empty
    with nullcontext() if lock is None else lock:
        values = function(block)
    return values if hasattr(values, "iloc") else _as_array(values)


def _entry(function: Callable[[Any], Any], i: int, block: Any) -> Any:
    return function(block)[i]


def _as_array(values: Any) -> Any:
    return values if sparse.issparse(values) else np.asarray(values)
