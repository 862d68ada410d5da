"""Some rows of a pool, in whatever form the pool is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples
from torch import Tensor
from torch.utils.data import Dataset

from skactive._memmap import gather, page_release
from skactive._rows import Rows
from skactive._validation import check_finite


def indexable(X: Any) -> Any:
    """The pool in a form that rows can be taken from."""
    if sparse.issparse(X):
        return X.tocsr()
    return X if hasattr(X, "__getitem__") else np.asarray(X)


def n_rows(X: Any) -> int:
    """How many rows there are."""
    if isinstance(X, (Mapping, Dataset)):
        from skactive.embedding import _inputs  # brings skorch, which is slow to import

        return _inputs.n_rows(X)
    return int(_num_samples(X))


def some_rows(X: Any, rows: NDArray[np.int64]) -> Any:
    """The rows at some positions; no others are read."""
    if isinstance(X, (Mapping, Dataset)):
        from skactive.embedding import _inputs

        return _inputs.take_rows(X, rows)
    release = page_release(X) if getattr(X, "ndim", 0) == 2 else None
    return _safe_indexing(X, rows) if release is None else gather(X, rows, release)


def refuse_not_finite(part: Any, X: Any) -> None:
    """Refuse some rows of a matrix of numbers, by their positions in the whole pool."""
    numbers = _numbers(part)
    if numbers is not None and not bool(_rows(numbers).squared_norms().isfinite().all()):
        check_finite(_rows(_numbers(X)), "X")


def _rows(numbers: Any) -> Rows:
    return Rows(numbers, numbers.device if isinstance(numbers, Tensor) else torch.device("cpu"))


def _numbers(X: Any) -> Any:
    """X as a matrix of numbers; None where it is something else."""
    if isinstance(X, (Mapping, Dataset)):
        return None
    if isinstance(X, Tensor):
        return X.detach() if X.ndim == 2 and not X.is_complex() else None
    if isinstance(X, (list, tuple)) and np.asarray(X[:1]).dtype.kind not in "fiub":
        return None  # texts, for instance, of different lengths
    values = X if sparse.issparse(X) else np.asarray(X)
    return values if values.ndim == 2 and values.dtype.kind in "fiub" else None
