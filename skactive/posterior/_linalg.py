"""Linear algebra with failures that name their remedy."""

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
