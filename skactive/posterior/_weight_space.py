"""The posterior over the weights of a linear model: memory O(n + d²), never n × n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive.posterior._base import GaussianPosterior, LocalPosterior
from skactive.posterior._observations import WeightSpaceBatch
from skactive.posterior._part import PartPosterior
from skactive.posterior._proposal import Batch
from skactive.posterior._weights import Weights


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
        self._targets = rows if targets is None else targets
        self.has_targets = targets is not None
        self.n_targets = self._targets.n_samples
        self.weights = Weights(
            rows.n_features,
            noise_variance,
            self._targets.gram,
            n_targets=self.n_targets,
            has_targets=self.has_targets,
            tracks_reduction=track_reduction,
        )
        self._part = PartPosterior(
            rows,
            prior_variance,
            noise_variance,
            n_targets=self.n_targets,
            has_targets=self.has_targets,
            reduction=self._prior_reduction() if track_reduction else None,
        )
        self.running = self._part.running

    @property
    def weight_covariance(self) -> Tensor:
        """Σ, of shape (n_features, n_features)."""
        return self.weights.weight_covariance

    @property
    def target_variance(self) -> float:
        if not self.has_targets:
            return float(self.variance.mean())
        return self.weights.target_variance

    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        sigma = self.weight_covariance.to(self.rows.device)
        return self.rows.take(rows) @ sigma @ self.rows.take(columns).T

    @classmethod
    def restrict(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[LocalPosterior]:
        members = cast(Sequence[WeightSpacePosterior], posteriors)
        points = members[0].rows.take(rows).cpu()  # read once for all
        positions = torch.as_tensor(rows)
        restricted: list[LocalPosterior] = []
        for member in members:
            variance = member.running.variance[positions].cpu()
            local = member.weights.restrict(points, variance)
            member.running.set_exactly(positions, local.variance, local.reduction)
            restricted.append(local)
        return restricted

    def condition_on_rows(self, rows: NDArray[np.int64]) -> None:
        if len(rows):
            self._part.follow(self.weights.condition_on(self.rows.take(rows).cpu()))

    def condition_on_targets(self, noise_variance: float) -> None:
        self._part.follow(self.weights.condition_on_targets(self._targets, noise_variance))

    @classmethod
    def _batches(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[Batch]:
        members = cast(Sequence[WeightSpacePosterior], posteriors)
        points = members[0].rows.take(rows).cpu()
        return [
            WeightSpaceBatch(member.weights.observe(points), member.rows, member.weights)
            for member in members
        ]

    def _prior_reduction(self) -> Tensor:
        """‖A x‖² = xᵀ G x by the cheaper of the two."""
        if self.n_targets >= self.rows.n_features:
            return self.rows.quadratic_form(self.weights.target_gram.to(self.rows.device))
        return self.rows.image_squares(self._targets.dense())
