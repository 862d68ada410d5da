"""What people label: the rows of a file, and a part of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Pool(Protocol):
    """Rows with names, features, and what a person sees of them."""

    @property
    def path(self) -> Path:
        """The file, or the folder of images."""

    @property
    def ids(self) -> NDArray[Any]:
        """Names of the rows."""

    @property
    def X(self) -> Any:
        """Features of shape (n_samples, n_features)."""

    @property
    def kind(self) -> str:
        """What the rows are: "table", "text" or "images"."""

    def shown(self, i: int) -> dict[str, str]:
        """Texts by the name of their column."""

    def image(self, i: int) -> Path | None:
        """The image file of a row."""

    def __len__(self) -> int: ...


class PoolPart:
    """Some rows of a pool, counted anew.

    Parameters
    ----------
    pool : Pool
    rows : ndarray of shape (n_rows,)
    """

    def __init__(self, pool: Pool, rows: NDArray[np.int64]) -> None:
        self._pool = pool
        self._rows = rows
        self.ids = pool.ids[rows]
        self.X = pool.X[rows]
        self.kind = pool.kind
        self.path = pool.path

    def shown(self, i: int) -> dict[str, str]:
        return self._pool.shown(int(self._rows[i]))

    def image(self, i: int) -> Path | None:
        return self._pool.image(int(self._rows[i]))

    def __len__(self) -> int:
        return len(self._rows)
