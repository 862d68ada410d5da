"""Sums of rows, which stand for all of them where only inner products matter."""

from __future__ import annotations

import torch
from torch import Tensor

from skactive._rows import Rows


def weighted_sum(rows: Rows, weights: Tensor) -> Tensor:
    """Σ w_i x_i for weights of shape (n_samples,), of shape (n_features,)."""
    total = torch.zeros(rows.n_features, dtype=torch.float64, device=rows.device)
    for part, chunk in rows.chunks():
        total += weights[part] @ chunk
    return total


def mean_direction(rows: Rows, weights: Tensor | None = None) -> Tensor:
    """Mean of the rows divided by their norms; rows of zeros count as zeros."""
    unit = rows.unit()
    if weights is None:
        return unit.mean()
    return weighted_sum(unit, weights / weights.sum())
