"""Memory that a worker frees in one sweep is kept for the next one."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# dask has its workers give every freed piece back to the system at once. Each temporary matrix of
# a sweep then comes from there anew, page by page, which takes longer than the work on it.
_ASKED = "MALLOC_TRIM_THRESHOLD_"
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES = 32 * 2**20
_PIECE_BYTES = 16 * 2**20  # temporaries of a sweep are smaller, most blocks of rows larger
# Pieces of different age side by side leave holes, some 200 MiB: too much for a small worker.
_LEAST_LIMIT = 2 * 2**30


@cache
def keep_freed_memory() -> bool:
    """Let the process of a worker keep up to 32 MiB of it, where there is room; whether it does."""
    from distributed import get_worker

    if _ASKED not in os.environ or int(os.environ[_ASKED]) >= _KEPT_BYTES:
        return False
    limit = get_worker().memory_manager.memory_limit
    if limit is not None and limit < _LEAST_LIMIT:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    kept = mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    return bool(kept and mallopt(_MMAP_THRESHOLD, _PIECE_BYTES))
