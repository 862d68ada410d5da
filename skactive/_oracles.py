"""Where labels come from: `y` at owned rows, then an oracle, or `y` in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing, assert_all_finite

from skactive._indexing import rows_of


def owned_labels(y: Any, labeled: NDArray[np.int64]) -> tuple[NDArray[np.int64], Any]:
    """Positions and labels of the rows that need no question."""
    if len(labeled) and y is None:
        raise ValueError(
            "labeled was given without y. Pass y of length n_samples with the known labels at the "
            "labeled rows; with an oracle, its other entries are not read."
        )
    return labeled, rows_of(y, labeled) if len(labeled) else None


def make_oracle(
    X: Any, y: Any, oracle: Any, ids: Any, owner: str
) -> Callable[[NDArray[np.int64]], Any]:
    """One function from row positions to labels; without an oracle `y` answers."""
    if oracle is None and y is None:
        raise ValueError(
            f"{owner} requires y to be passed, but the target y is None. Pass y, or "
            "oracle=function(X_rows, indices) -> labels."
        )
    if oracle is not None and not callable(oracle):
        raise TypeError(
            f"oracle == {oracle!r}, must be a callable (X_rows, indices) -> labels. For known "
            "labels pass y instead."
        )

    def look_up(indices: NDArray[np.int64]) -> Any:
        labels = rows_of(y, indices)
        if np.asarray(labels).dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        return labels

    def ask(indices: NDArray[np.int64]) -> Any:
        names = indices.copy() if ids is None else np.asarray(_safe_indexing(ids, indices))
        return oracle(rows_of(X, indices), names)

    return look_up if oracle is None else ask
