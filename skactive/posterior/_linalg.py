"""Linear algebra with failures that name their remedy, and a matrix that grows."""

from __future__ import annotations

import torch
from torch import Tensor


def cholesky(matrix: Tensor) -> Tensor:
    """Lower Cholesky factor of a covariance plus noise.

    Raises
    ------
    ValueError
        If the matrix is not positive definite.
    """
    factor: Tensor
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info) != 0:
        raise ValueError(
            "The kernel matrix plus noise is not positive definite. Raise noise_ratio, or check "
            "that the kernel is symmetric and positive semi-definite."
        )
    return factor


def whiten(factor: Tensor, matrix: Tensor) -> Tensor:
    """L⁻¹ M for the lower Cholesky factor L."""
    solution: Tensor = torch.linalg.solve_triangular(factor, matrix, upper=False)
    return solution


class GrowingMatrix:
    """Rows appended one by one or in blocks, without a copy each time.

    Parameters
    ----------
    n_columns : int
    capacity : int
        Expected number of rows, for one allocation.
    device : torch.device
    dtype : torch.dtype
    """

    def __init__(
        self,
        n_columns: int,
        capacity: int = 16,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self._storage = torch.empty(max(1, capacity), n_columns, dtype=dtype, device=device)
        self._n_rows = 0

    @property
    def rows(self) -> Tensor:
        """What has been appended, of shape (n_rows, n_columns)."""
        return self._storage[: self._n_rows]

    def append(self, rows: Tensor) -> None:
        """One more row of shape (n_columns,), or several of shape (k, n_columns)."""
        rows = rows.reshape(-1, self._storage.shape[1])
        needed = self._n_rows + len(rows)
        if needed > len(self._storage):
            grown = self._storage.new_empty(
                max(needed, 2 * len(self._storage)), self._storage.shape[1]
            )
            grown[: self._n_rows] = self.rows
            self._storage = grown
        self._storage[self._n_rows : needed] = rows
        self._n_rows = needed
