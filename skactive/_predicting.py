"""What is called of a fitted estimator, here or on a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Aligned:
    """One column a class, where an estimator has seen fewer."""

    classes: NDArray[Any]
    seen: NDArray[Any]
    fill: float | None  # for the others; None for decision values: the lowest number

    def __call__(self, values: Any) -> Any:
        if isinstance(values, list):  # a list has one entry an output
            return values
        fill = self.fill
        if fill is None:
            fill = np.finfo(values.dtype).min
            if values.ndim == 1 and len(self.classes) > 2:
                values = np.column_stack([-values, values])
        has_column_per_class = values.ndim == 2 and values.shape[1] == len(self.seen)
        # Networks know all their classes by themselves; labels of several outputs are no classes.
        if not has_column_per_class or not np.isin(self.seen, self.classes).all():
            return values
        aligned = np.full((len(values), len(self.classes)), fill, dtype=values.dtype)
        aligned[:, np.searchsorted(self.classes, self.seen)] = values
        return aligned


@dataclass(frozen=True)
class Call:
    """A method of a fitted estimator, to be called on rows here or on a worker."""

    estimator: Any
    method: str
    params: dict[str, Any]
    aligned: Aligned | None

    def __call__(self, X: Any) -> Any:
        values = getattr(self.estimator, self.method)(X, **self.params)
        return values if self.aligned is None else self.aligned(values)
