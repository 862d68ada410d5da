"""One part of the pool, and what is kept of it between calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from threading import Lock, local
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from skactive._rows import Rows
from skactive._threads import one_thread
from skactive._validation import resolve_device

# Of an object, for the memory manager of a worker.
_FEW_BYTES = 64


class Summary(NamedTuple):
    """What is known of a part after its first reading."""

    not_finite: int
    first_not_finite: int | None
    """Position in the pool."""
    too_large: int
    """Rows whose squared norm overflows."""
    first_too_large: int | None
    zeros: NDArray[np.int64]
    """Positions of rows of norm 0."""
    needs_float64: bool
    """Whether float32 products of the rows would overflow, or lose digits."""


class Part:
    """Rows of one partition with what a selection keeps of each.

    Parameters
    ----------
    offset : int
        Position of the first row in the pool.

    Attributes
    ----------
    rows : Rows
        To be read inside of a call only.
    available : boolean tensor of shape (n_rows,)
        What may be picked.
    state : object
        Whatever the method keeps.
    reply : object
        Answer to the latest call.
    """

    rows: Rows
    available: torch.Tensor
    reply: Any = None

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.state: Any = None
        self._block: Any = None

    @property
    def n_samples(self) -> int:
        return int(self.rows.n_samples)

    def local(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of the positions in the pool that lie in this part, counted inside of it."""
        inside = (positions >= self.offset) & (positions < self.offset + self.n_samples)
        local: NDArray[np.int64] = positions[inside] - self.offset
        return local

    def raw(self, indices: NDArray[np.int64] | slice) -> NDArray[Any]:
        """Rows as they are stored."""
        return np.ascontiguousarray(self._block[indices])

    @contextmanager
    def attached(self, block: Any) -> Iterator[None]:
        """Read the rows from the block meanwhile; None where they are not read."""
        if block is not None:
            self._block = as_matrix(block)
            self.rows.attach(self._block)
        try:
            yield
        finally:
            self._block = None
            self.rows.detach()

    def __sizeof__(self) -> int:
        return _bytes_of(vars(self), set())


def _bytes_of(value: Any, seen: set[int]) -> int:
    """Bytes of all arrays that belong to an object, each counted once."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        return int(value.nbytes)
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, dict):
        members = list(value.values())
    elif isinstance(value, (list, tuple)):
        members = list(value)
    else:
        members = list(getattr(value, "__dict__", {}).values())
    return _FEW_BYTES + sum(_bytes_of(member, seen) for member in members)


def open_part(block: Any, offset: int, device: Any) -> Part:
    """Read a block for the first time; the reply is a `Summary`."""
    part = Part(offset)
    X = as_matrix(block)
    part.rows = Rows(X, resolve_device(device, X))
    with alone():
        norms = part.rows.squared_norms()
    bad = (~norms.isfinite()).nonzero()[:, 0].cpu().numpy()
    is_finite = np.isfinite(np.asarray(X[bad], dtype=np.float64)).all(1)
    part.reply = Summary(
        not_finite=int((~is_finite).sum()),
        first_not_finite=offset + int(bad[~is_finite][0]) if (~is_finite).any() else None,
        too_large=int(is_finite.sum()),
        first_too_large=offset + int(bad[is_finite][0]) if is_finite.any() else None,
        zeros=offset + (norms == 0).nonzero()[:, 0].cpu().numpy(),
        needs_float64=part.rows.product_dtype == torch.float64,
    )
    part.available = torch.ones(part.n_samples, dtype=torch.bool, device=part.rows.device)
    part.rows.detach()
    return part


def call(
    function: Callable[[Part, Any, Any], Any], part: Part, block: Any, message: Any, own: Any
) -> Part:
    """The part after a call, with the reply; the given one stays as it is.

    So the call can be made again, where its result has been lost.
    """
    part.reply = None
    part = deepcopy(part)
    answer(function, part, block, message, own)
    return part


def answer(
    function: Callable[[Part, Any, Any], Any], part: Part, block: Any, message: Any, own: Any
) -> None:
    """Make a call; the part has the reply."""
    with part.attached(block), alone():
        part.reply = function(part, message, own)


def as_matrix(block: Any) -> Any:
    """The numbers of a block, which is an array or a frame."""
    if not hasattr(block, "to_numpy"):
        return block
    values = block.to_numpy()
    if values.dtype == object:  # columns of several types
        values = block.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def count_rows(block: Any) -> int:
    return len(block)


class _Alone:
    """`one_thread` for several calls at a time, on threads of one process.

    The number that torch has outside is what the first of them found: a later one may find that
    of the first, and must not put it back when it is the last to leave.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_inside = 0
        self._n_threads = 1
        self._here = local()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if getattr(self._here, "is_inside", False):
            yield
            return
        with self._lock:
            if self._n_inside == 0:
                self._n_threads = torch.get_num_threads()
            self._n_inside += 1
        self._here.is_inside = True
        try:
            with one_thread():
                yield
        finally:
            self._here.is_inside = False
            with self._lock:
                self._n_inside -= 1
                torch.set_num_threads(self._n_threads)


alone = _Alone()
