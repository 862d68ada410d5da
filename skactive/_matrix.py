"""The matrix that a view of rows reads, which may be away while nothing reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from skactive._memmap import gather, page_release

_TORCH_FLOATS = (np.float16, np.float32, np.float64)


class Matrix:
    """A feature matrix in the form in which it is read; several views may share it.

    Parameters
    ----------
    X : ndarray, tensor or CSR matrix
    """

    def __init__(self, X: Any) -> None:
        self.attach(X)

    def attach(self, X: Any) -> None:
        """Read X from now on: the same numbers as before."""
        self.values = _canonical(X)
        self.shape = X.shape
        self._release = page_release(X)

    def detach(self) -> None:
        """Let go of the numbers."""
        self.values = self._release = None

    @property
    def is_sparse(self) -> bool:
        return bool(sparse.issparse(self.values))

    def block(self, rows: slice, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Adjacent rows, dense; to be followed by `release`."""
        return _dense(self.values[rows], dtype, device)

    def release(self, rows: slice) -> None:
        """Give back the memory of a block that was read from a file."""
        if self._release is not None:
            self._release(self.values[rows])

    def take(self, indices: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
        """The rows at some positions (ndarray or tensor) or of a slice, dense."""
        X = self.values
        if isinstance(X, Tensor) and not isinstance(indices, slice):
            indices = torch.as_tensor(indices, device=X.device)
        elif isinstance(indices, Tensor) and self._is_plain:
            rows = torch.from_numpy(X).index_select(0, indices.cpu())  # on several threads
            return _dense(rows, dtype, device)
        elif isinstance(indices, Tensor):
            indices = indices.cpu().numpy()
        return _dense(gather(X, indices, self._release), dtype, device)

    def column(self, j: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Column j, of shape (n_rows, 1)."""
        column = self.values[:, [j]] if self.is_sparse else self.values[:, j]
        return _dense(column, dtype, device).reshape(-1, 1)

    @property
    def takes_on_threads(self) -> bool:
        """Whether `take` makes use of several threads itself, where it is given a tensor."""
        return isinstance(self.values, Tensor) or self._is_plain

    @property
    def _is_plain(self) -> bool:
        """Whether a tensor may share the memory of all rows."""
        X = self.values
        return isinstance(X, np.ndarray) and self._release is None and _is_shareable(X)


def _is_shareable(block: np.ndarray) -> bool:
    """Whether torch takes an array as it is."""
    return (
        block.dtype in _TORCH_FLOATS
        and block.dtype.isnative
        and block.flags.writeable
        and min(block.strides, default=0) >= 0
    )


def _dense(block: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    if sparse.issparse(block):
        block = block.toarray()
    if not isinstance(block, Tensor):
        block = np.asarray(block)
        if block.dtype.newbyteorder("=") not in _TORCH_FLOATS or not block.dtype.isnative:
            block = block.astype(np.float64)
        elif not _is_shareable(block):
            block = block.copy()  # a chunk at a time costs little
        block = torch.from_numpy(block)
    tensor: Tensor = block.detach().to(device=device, dtype=dtype)
    return tensor


def _canonical(X: Any) -> Any:
    """CSR without duplicate entries, whose squares may then be taken entry by entry."""
    if sparse.issparse(X) and not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X
