"""Rows at scattered positions, a batch at a time, for ActiveFT."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from sklearn import get_config
from torch import Tensor

from skactive._rows import Rows

# What a batch needs should stay in the caches.
_BATCH_BYTES = 2 * 2**20


def batches(n: int, n_entries: int, dtype: torch.dtype) -> Iterator[slice]:
    """Slices of n things of `n_entries` numbers each, within ``working_memory``."""
    limit = min(_BATCH_BYTES, int(get_config()["working_memory"] * 2**20))
    step = max(1, limit // (dtype.itemsize * n_entries))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def take(rows: Rows, indices: Tensor) -> Tensor:
    """Rows at the given positions, float64."""
    return rows.take(indices.cpu().numpy())


def gather(rows: Rows, indices: Tensor) -> Tensor:
    """Rows at the given positions, in the type of the fast products.

    Products with them have the error of those, ``rows.product_error``.
    """
    return rows.take(indices.cpu().numpy(), rows.product_dtype)
