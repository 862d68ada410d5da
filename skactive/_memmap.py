"""Memory maps read as streams: pages that have been used are given back at once."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from typing import Any

import numpy as np

# The system maps more than the rows that are asked for, up to megabytes around each ...
_GATHERED_ROWS = 64
# ... but not more than this part of the file, where they are in order.
_SPAN_BYTES = 8 * 2**20


def gather(X: Any, indices: Any, release: Callable[[Any], None] | None) -> Any:
    """``X[indices]``; pages are given back in between if X is a memory map."""
    if release is None or isinstance(indices, slice):
        return X[indices]
    indices = np.asarray(indices)
    block = np.empty((len(indices), X.shape[1]), dtype=X.dtype)
    in_order = X.flags.c_contiguous and bool((np.diff(indices) >= 0).all())
    n_spanned = _SPAN_BYTES // max(1, X.strides[0])
    start = 0
    while start < len(indices):
        stop = start + _GATHERED_ROWS
        if in_order:
            stop = max(stop, int(np.searchsorted(indices, indices[start] + n_spanned)))
        piece = indices[start:stop]
        block[start:stop] = X[piece]
        release(X[piece[0] : piece[-1] + 1] if in_order else X)
        start = stop
    return block


def page_release(X: Any) -> Callable[[Any], None] | None:
    """A function that gives back the pages of a part of X; None if X is no memory map.

    Without it the whole file would become resident, although each part is used once a pass.

    Parameters
    ----------
    X : ndarray, tensor or sparse matrix
    """
    root = X
    while isinstance(root, np.ndarray) and isinstance(root.base, np.ndarray):
        root = root.base
    if not isinstance(root, np.memmap) or not isinstance(root.base, mmap.mmap):
        return None
    # A copy-on-write map (mode "c") would lose what has been written to it.
    if root.mode not in ("r", "r+") or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    pages = root.base
    start = _address(root) - root.offset % mmap.ALLOCATIONGRANULARITY

    def release(part: np.ndarray) -> None:
        first = _address(part) - start
        last = first + part.shape[0] * part.strides[0] if part.flags.c_contiguous else first
        first -= first % mmap.PAGESIZE
        last -= last % mmap.PAGESIZE
        if first < last:
            pages.madvise(mmap.MADV_DONTNEED, first, last - first)

    return release


def _address(array: np.ndarray) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
