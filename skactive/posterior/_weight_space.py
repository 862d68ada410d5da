"""The posterior over the weights of a linear model: memory O(n + d²), never n × n."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive.posterior._base import GaussianPosterior
from skactive.posterior._linalg import cholesky, whiten


class WeightSpacePosterior(GaussianPosterior):
    r"""Exact posterior for :math:`k(x, x') = \langle \phi(x), \phi(x') \rangle`.

    With :math:`f(x) = w^\top \phi(x)`, :math:`w \sim N(0, I)`, the state is the covariance
    :math:`\Sigma` of the weights, and :math:`\sigma^2(x) = \phi^\top \Sigma \phi`. Observing
    :math:`x^*` with :math:`u = \Sigma \phi^*`, :math:`s = \phi^{*\top} u + \rho^2` gives
    :math:`\Sigma \leftarrow \Sigma - u u^\top / s` and
    :math:`\sigma^2(x) \leftarrow \sigma^2(x) - (\phi^\top u)^2 / s`.

    Parameters
    ----------
    rows : Rows
        :math:`\phi` of the pool.
    prior_variance : tensor of shape (n_samples,)
        :math:`\|\phi(x)\|^2`, exact where the kernel says so.
    noise_variance : float > 0
        :math:`\rho^2`.
    targets : Rows or None
        :math:`\phi` of the targets; None means the pool.
    track_reduction : bool
        Whether to maintain `reduction`.
    """

    def __init__(
        self,
        rows: Rows,
        prior_variance: Tensor,
        noise_variance: float,
        targets: Rows | None = None,
        *,
        track_reduction: bool = False,
    ) -> None:
        self.rows = rows
        self.noise_variance = noise_variance
        self._variance = prior_variance.clone()
        d = rows.n_features
        self._weight_covariance = torch.eye(d, dtype=torch.float64, device=rows.device)
        self._targets = rows if targets is None else targets
        self.n_targets = self._targets.n_samples
        self._reduction: Tensor | None = None
        self._reduction_scale = 0.0
        if track_reduction:
            self._refresh_reduction()

    @property
    def variance(self) -> Tensor:
        return self._variance

    @property
    def reduction(self) -> Tensor | None:
        return self._reduction

    @property
    def target_variance(self) -> float:
        if self._targets is self.rows:
            return float(self._variance.mean())
        trace = (self._weight_covariance * self._target_gram).sum()
        return float(trace.clamp(min=0.0)) / float(self.n_targets)

    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        return self.rows.take(rows) @ self._weight_covariance @ self.rows.take(columns).T

    def condition_on_rows(self, rows: NDArray[np.int64]) -> None:
        if len(rows):
            self._condition_on_points(self.rows.take(rows), self.noise_variance)

    def condition_on_targets(self, noise_variance: float) -> None:
        if self.n_targets <= self.rows.n_features:
            self._condition_on_points(self._targets.dense(), noise_variance)
        else:
            self._condition_on_gram(self._target_gram, noise_variance)

    @cached_property
    def _target_gram(self) -> Tensor:
        """G, the sum of the outer products of the targets."""
        return self._targets.gram()

    @classmethod
    def condition_together(cls, posteriors: Sequence[GaussianPosterior], row: int) -> None:
        members = cast(Sequence[WeightSpacePosterior], posteriors)
        directions = [column for member in members for column in member._directions(row)]
        products = members[0].rows.matmul(torch.stack(directions, dim=1))  # one sweep for all
        for member in members:
            n_columns = 1 if member._reduction is None else 2
            member._downdate(directions[:n_columns], products[:, :n_columns])
            directions, products = directions[n_columns:], products[:, n_columns:]

    def _directions(self, row: int) -> list[Tensor]:
        """û = Σφ/√s, and ΣGû where the reduction of the target variance is tracked."""
        phi = self.rows.take([row])[0]
        u = self._weight_covariance @ phi
        u = u / (torch.clamp(phi @ u, min=0.0) + self.noise_variance).sqrt()
        if self._reduction is None:
            return [u]
        return [u, self._weight_covariance @ (self._target_gram @ u)]

    def _downdate(self, directions: list[Tensor], products: Tensor) -> None:
        u, w = directions[0], products[:, 0]
        self._variance = (self._variance - w * w).clamp_(min=0.0)
        if self._reduction is not None:
            # Σ' = Σ - ûûᵀ turns φᵀΣGΣφ into itself - 2 (φᵀû)(φᵀΣGû) + (φᵀû)² ûᵀGû.
            curvature = u @ (self._target_gram @ u)
            change = w * (curvature * w - 2 * products[:, 1])
            self._reduction = (self._reduction + change).clamp_(min=0.0)
        self._weight_covariance -= torch.outer(u, u)
        # Rounding adds up relative to what the reduction once was: start afresh in time.
        if self._reduction is not None and float(self._reduction.max()) < self._reduction_scale:
            self._refresh_reduction()

    def _condition_on_points(self, points: Tensor, noise_variance: float) -> None:
        """Observe m points of shape (m, d) through an m × m or a d × d system."""
        if len(points) > points.shape[1]:
            self._condition_on_gram(points.T @ points, noise_variance)
            return
        cross = points @ self._weight_covariance
        inner = cross @ points.T
        inner.diagonal().add_(noise_variance)
        factor = whiten(cholesky(inner), cross)
        self._weight_covariance = self._weight_covariance - factor.T @ factor
        self._refresh()

    def _condition_on_gram(self, gram: Tensor, noise_variance: float) -> None:
        """Σ ← (Σ⁻¹ + G/ρ²)⁻¹ = L (I + LᵀGL/ρ²)⁻¹ Lᵀ with Σ = LLᵀ."""
        root = cholesky(self._weight_covariance)
        inner = root.T @ gram @ root / noise_variance
        inner.diagonal().add_(1.0)
        half = whiten(cholesky(inner), root.T)
        self._weight_covariance = half.T @ half
        self._refresh()

    def _refresh(self) -> None:
        """Recompute what is kept per row from Σ."""
        sigma = self._weight_covariance
        self._variance = self.rows.quadratic_form(sigma).clamp_(min=0.0)
        if self._reduction is not None:
            self._refresh_reduction()

    def _refresh_reduction(self) -> None:
        sigma = self._weight_covariance
        inner = sigma @ self._target_gram @ sigma
        self._reduction = self.rows.quadratic_form(inner).clamp_(min=0.0)
        self._reduction_scale = 1e-3 * float(self._reduction.max())
