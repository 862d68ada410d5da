"""The posterior over the weights of a linear model: memory O(n + d²), never n × n."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive._threads import all_threads
from skactive.posterior._base import GaussianPosterior, LocalPosterior
from skactive.posterior._linalg import GrowingMatrix, cholesky, whiten
from skactive.posterior._proposal import Batch, Proposal
from skactive.posterior._running import Columns, Magnitudes, Running


class WeightSpacePosterior(GaussianPosterior):
    r"""Exact posterior for :math:`k(x, x') = \langle \phi(x), \phi(x') \rangle`.

    With :math:`f(x) = w^\top \phi(x)`, :math:`w \sim N(0, I)`, the state is the covariance
    :math:`\Sigma` of the weights, and :math:`\sigma^2(x) = \phi^\top \Sigma \phi`. Observing
    rows :math:`\Phi_P` with :math:`L L^\top = \Phi_P \Sigma \Phi_P^\top + \rho^2 I` and
    :math:`M = L^{-1} \Phi_P \Sigma` gives :math:`\Sigma \leftarrow \Sigma - M^\top M` and
    :math:`\sigma^2(x) \leftarrow \sigma^2(x) - \|M \phi\|^2`. Since L is triangular, the first t
    rows of M belong to the first t observations.

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
        Whether to maintain the reduction of the target variance.
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
        self.weight_covariance = torch.eye(rows.n_features, dtype=torch.float64)  # Σ
        self._is_prior = True
        self._targets = rows if targets is None else targets
        self.has_targets = targets is not None
        self.n_targets = self._targets.n_samples
        self.tracks_reduction = track_reduction
        reduction = self._prior_reduction() if track_reduction else None
        self.running = Running(prior_variance, rows.squared_norms(), rows.product_error, reduction)

    @property
    def target_variance(self) -> float:
        if not self.has_targets:
            return float(self.variance.mean())
        trace = (self.weight_covariance * self.target_gram).sum()
        return float(trace.clamp(min=0.0)) / float(self.n_targets)

    @cached_property
    def target_gram(self) -> Tensor:
        """G, the sum of the outer products of the targets."""
        return self._targets.gram().cpu()

    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        sigma = self.weight_covariance.to(self.rows.device)
        return self.rows.take(rows) @ sigma @ self.rows.take(columns).T

    def restrict(self, rows: NDArray[np.int64]) -> WeightSpaceLocal:
        points = self.rows.take(rows).cpu()
        if self._is_prior:
            variance = self.running.variance[torch.as_tensor(rows)].cpu()
            spread = points
        else:
            with all_threads():
                spread = points @ self.weight_covariance
            variance = torch.einsum("ij,ij->i", spread, points).clamp_(min=0.0)
        reduction = None
        if self.tracks_reduction:
            with all_threads():
                turned = spread @ self.target_gram
            reduction = torch.einsum("ij,ij->i", turned, spread)
        self.running.set_exactly(torch.as_tensor(rows), variance, reduction)
        return WeightSpaceLocal(self, points, variance, reduction)

    def condition_on_rows(self, rows: NDArray[np.int64]) -> None:
        if len(rows) <= self.rows.n_features:
            super().condition_on_rows(rows)
        else:
            points = self.rows.take(rows).cpu()
            self._condition_on_gram(points.T @ points, self.noise_variance)

    def condition_on_targets(self, noise_variance: float) -> None:
        if self.n_targets <= self.rows.n_features:
            batch = WeightSpaceBatch(self, self._targets.dense().cpu(), noise_variance)
            Proposal([self.running], [batch]).accept()
        else:
            self._condition_on_gram(self.target_gram, noise_variance)

    @classmethod
    def _batches(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[Batch]:
        members = cast(Sequence[WeightSpacePosterior], posteriors)
        points = members[0].rows.take(rows).cpu()
        return [WeightSpaceBatch(member, points, member.noise_variance) for member in members]

    def forget_prior(self) -> None:
        """The variances no longer are those given at the start."""
        self._is_prior = False

    def _prior_reduction(self) -> Tensor:
        """‖A x‖² = xᵀ G x by the cheaper of the two."""
        if self.n_targets >= self.rows.n_features:
            return self.rows.quadratic_form(self.target_gram.to(self.rows.device))
        return self.rows.image_squares(self._targets.dense())

    def _condition_on_gram(self, gram: Tensor, noise_variance: float) -> None:
        """Σ ← (Σ⁻¹ + G/ρ²)⁻¹ = L (I + LᵀGL/ρ²)⁻¹ Lᵀ with Σ = LLᵀ."""
        root = cholesky(self.weight_covariance)
        inner = root.T @ gram @ root / noise_variance
        inner.diagonal().add_(1.0)
        half = whiten(cholesky(inner), root.T)
        sigma = self.weight_covariance = half.T @ half
        self.forget_prior()
        variance = self.rows.quadratic_form(sigma.to(self.rows.device)).clamp_(min=0.0)
        reduction = None
        if self.tracks_reduction:
            inner = sigma @ self.target_gram @ sigma
            reduction = self.rows.quadratic_form(inner.to(self.rows.device)).clamp_(min=0.0)
        self.running.set_exactly(slice(None), variance, reduction)


class WeightSpaceBatch(Batch):
    """Observations of points of shape (b, n_features)."""

    def __init__(
        self, posterior: WeightSpacePosterior, points: Tensor, noise_variance: float
    ) -> None:
        self._posterior = posterior
        self.pool_is_target = not posterior.has_targets
        sigma = posterior.weight_covariance
        cross = points @ sigma
        inner = cross @ points.T
        inner.diagonal().clamp_(min=0.0).add_(noise_variance)
        factor = cholesky(inner)
        self.pivots = factor.diagonal().square()
        self._falls = whiten(factor, cross)  # M
        self._turns: Tensor | None = None
        self._curvature: Tensor | None = None
        if posterior.tracks_reduction:
            # Row t: m_tᵀ G Σ_t, where Σ_t = Σ - Σ_{s<t} m_s m_sᵀ.
            cross = self._falls @ posterior.target_gram
            gram = cross @ self._falls.T
            self._turns = cross @ sigma - gram.tril(-1) @ self._falls
            self._curvature = gram.diagonal().clone()

    @property
    def magnitudes(self) -> Magnitudes:
        squares = self._falls.square().sum(1)
        if self._turns is None or self._curvature is None:
            return Magnitudes(float(squares.sum()))
        return Magnitudes(
            fall=float(squares.sum()),
            turn=float(self._turns.square().sum()),
            curved=float((squares * self._curvature.square()).sum()),
        )

    def first(self, count: int) -> Self:
        part = copy(self)
        for name in ("pivots", "_falls", "_turns", "_curvature"):
            values = getattr(self, name)
            setattr(part, name, None if values is None else values[:count])
        return part

    @classmethod
    def visit(cls, batches: Sequence[Batch], visit: Callable[[slice, list[Columns]], None]) -> None:
        members = cast(Sequence[WeightSpaceBatch], batches)
        parts = [part for member in members for part in (member._falls, member._turns)]
        points = torch.cat([part for part in parts if part is not None])  # one sweep for all
        members[0]._posterior.rows.visit_products(
            points, lambda rows, products: visit(rows, cls._split(members, products))
        )

    @classmethod
    def _split(cls, members: Sequence[WeightSpaceBatch], products: Tensor) -> list[Columns]:
        columns = []
        for member in members:
            b = len(member.pivots)
            fall, products = products[:b], products[b:]
            turn = curvature = None
            if member._curvature is not None:
                turn, products = products[:b], products[b:]
                curvature = member._curvature[:, None].to(products)
            columns.append(Columns(fall, turn, curvature))
        return columns

    def target_falls(self) -> Tensor:
        total = ((self._falls @ self._posterior.target_gram) * self._falls).sum(1)
        return total / self._posterior.n_targets

    def commit(self) -> None:
        self._posterior.weight_covariance -= self._falls.T @ self._falls
        self._posterior.forget_prior()


class WeightSpaceLocal(LocalPosterior):
    """Posterior of a few points: Σ as it was, and the falls m of the observations since."""

    def __init__(
        self,
        posterior: WeightSpacePosterior,
        points: Tensor,
        variance: Tensor,
        reduction: Tensor | None,
    ) -> None:
        super().__init__(variance, posterior.noise_variance, posterior.target_variance, reduction)
        self._posterior = posterior
        self._points = points
        self._falls = GrowingMatrix(points.shape[1])

    def _columns(self, i: int, root: float) -> tuple[Tensor, Tensor | None, float]:
        fall = self._covariance_with(self._points[i]) / root
        turn, curvature = None, 0.0
        if self.reduction is not None:
            cross = self._posterior.target_gram @ fall
            turn = self._points @ self._covariance_with(cross)
            curvature = float(fall @ cross)
        self._falls.append(fall)
        return self._points @ fall, turn, curvature

    def _covariance_with(self, point: Tensor) -> Tensor:
        """Σ_t x."""
        falls = self._falls.rows
        return self._posterior.weight_covariance @ point - falls.T @ (falls @ point)
