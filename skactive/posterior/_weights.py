"""The posterior of the weights of a linear model, which needs none of the rows of the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from skactive._rows import Rows
from skactive._threads import all_threads
from skactive.posterior._base import LocalPosterior
from skactive.posterior._linalg import GrowingMatrix, cholesky, whiten
from skactive.posterior._message import Message
from skactive.posterior._observations import Observations


@dataclass(frozen=True)
class QuadraticForms(Message):
    """Matrices Q such that xᵀQx is a value of the row x, without error."""

    variance: Tensor
    """Of shape (n_features, n_features)."""
    reduction: Tensor | None
    """Likewise, where reductions are tracked."""


class Weights:
    r"""The posterior :math:`N(\cdot, \Sigma)` of the weights w, a priori :math:`N(0, I)`.

    Float64 on the CPU. See `WeightSpacePosterior` for the formulas. What changes the weights
    returns what the rows have to be told, see `PartPosterior.follow`.

    Parameters
    ----------
    n_features : int
    noise_variance : float > 0
        That of an observation, unless told otherwise.
    target_gram : callable
        Gives G, the sum of the outer products of the targets, of shape (n_features, n_features).
        Called at most once, and for a pool that is its own target only to track reductions.
    n_targets : int
        Number of targets; that of all rows of the pool where it is its own target.
    has_targets : bool
        Whether the targets are others than the pool.
    tracks_reduction : bool
        Whether the reduction of the target variance is wanted.
    """

    def __init__(
        self,
        n_features: int,
        noise_variance: float,
        target_gram: Callable[[], Tensor],
        *,
        n_targets: int,
        has_targets: bool,
        tracks_reduction: bool = False,
    ) -> None:
        self.n_features = n_features
        self.noise_variance = noise_variance
        self.n_targets = n_targets
        self.has_targets = has_targets
        self.tracks_reduction = tracks_reduction
        self.weight_covariance = torch.eye(n_features, dtype=torch.float64)  # Σ
        self.is_prior = True
        self._make_target_gram: Callable[[], Tensor] | None = target_gram

    def __getstate__(self) -> dict[str, Any]:
        """Where they are sent, the targets themselves are not needed."""
        if self.tracks_reduction:
            self.target_gram  # noqa: B018  # kept from now on
        return {**vars(self), "_make_target_gram": None}

    @cached_property
    def target_gram(self) -> Tensor:
        """G, the sum of the outer products of the targets."""
        assert self._make_target_gram is not None  # no sent copy asks for it anew
        return self._make_target_gram().cpu()

    @property
    def target_variance(self) -> float:
        """Mean posterior variance of f over the targets, from their Gram matrix."""
        trace = (self.weight_covariance * self.target_gram).sum()
        return float(trace.clamp(min=0.0)) / float(self.n_targets)

    def restrict(self, points: Tensor, prior_variance: Tensor) -> WeightSpaceLocal:
        """The exact posterior of a few points, to be conditioned on its own.

        Parameters
        ----------
        points : tensor of shape (k, n_features)
        prior_variance : tensor of shape (k,)
            Looked at only before any observation; running variances of rows will do.
        """
        if self.is_prior:
            variance = prior_variance
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
        return WeightSpaceLocal(self, points, variance, reduction)

    def observe(self, points: Tensor, noise_variance: float | None = None) -> Observations:
        """What observing points of shape (b, n_features) will do; nothing changes yet."""
        sigma = self.weight_covariance
        cross = points @ sigma
        inner = cross @ points.T
        inner.diagonal().clamp_(min=0.0).add_(self._noise(noise_variance))
        factor = cholesky(inner)
        falls = whiten(factor, cross)  # M
        turns = curvature = None
        if self.tracks_reduction:
            # Row t: m_tᵀ G Σ_t, where Σ_t = Σ - Σ_{s<t} m_s m_sᵀ.
            cross = falls @ self.target_gram
            gram = cross @ falls.T
            turns = cross @ sigma - gram.tril(-1) @ falls
            curvature = gram.diagonal().clone()
        pivots = factor.diagonal().square()
        return Observations(pivots, not self.has_targets, falls, turns, curvature)

    def commit(self, observations: Observations) -> None:
        """Make the observations."""
        self.weight_covariance -= observations.falls.T @ observations.falls
        self.is_prior = False

    def target_falls(self, observations: Observations) -> Tensor:
        """Fall of the mean target variance by each of them."""
        total = ((observations.falls @ self.target_gram) * observations.falls).sum(1)
        return total / self.n_targets

    def condition_on(
        self, points: Tensor, noise_variance: float | None = None
    ) -> Observations | QuadraticForms:
        """Observe points of shape (b, n_features), b > 0, at once."""
        if len(points) > self.n_features:
            return self._condition_on_gram(points.T @ points, noise_variance)
        observations = self.observe(points, noise_variance)
        self.commit(observations)
        return observations

    def condition_on_targets(
        self, targets: Rows, noise_variance: float
    ) -> Observations | QuadraticForms:
        """Observe every target."""
        if self.n_targets > self.n_features:
            return self._condition_on_gram(self.target_gram, noise_variance)
        return self.condition_on(targets.dense().cpu(), noise_variance)

    def _condition_on_gram(self, gram: Tensor, noise_variance: float | None) -> QuadraticForms:
        """Σ ← (Σ⁻¹ + G/ρ²)⁻¹ = L (I + LᵀGL/ρ²)⁻¹ Lᵀ with Σ = LLᵀ."""
        root = cholesky(self.weight_covariance)
        inner = root.T @ gram @ root / self._noise(noise_variance)
        inner.diagonal().add_(1.0)
        half = whiten(cholesky(inner), root.T)
        sigma = self.weight_covariance = half.T @ half
        self.is_prior = False
        reduction = sigma @ self.target_gram @ sigma if self.tracks_reduction else None
        return QuadraticForms(sigma.clone(), reduction)  # Σ itself changes with observations

    def _noise(self, noise_variance: float | None) -> float:
        return self.noise_variance if noise_variance is None else noise_variance


class WeightsProposal:
    """The same observations in several `Weights`; none of them changes before `accept`.

    The counterpart of the `Proposal` that each part of a pool makes of the observations.

    Parameters
    ----------
    weights : sequence of Weights
    points : tensor of shape (b, n_features)
    """

    def __init__(self, weights: Sequence[Weights], points: Tensor) -> None:
        self.weights = weights
        self.observations = [member.observe(points) for member in weights]

    @property
    def pivots(self) -> list[Tensor]:
        """Those of the observations (after `accept`: of the accepted ones), for each member."""
        return [observations.pivots for observations in self.observations]

    def accept(self, count: int | None = None) -> None:
        """Make the first `count` observations (all by default)."""
        if count is not None:
            self.observations = [observations.first(count) for observations in self.observations]
        for weights, observations in zip(self.weights, self.observations, strict=True):
            weights.commit(observations)

    def target_falls(self, pool_falls: Tensor) -> Tensor:
        """Fall of the mean target variance of the first member by each observation.

        Parameters
        ----------
        pool_falls : tensor of shape (b,)
            `Proposal.pool_falls` summed over the parts; used where the pool is the target.
        """
        if self.weights[0].has_targets:
            return self.weights[0].target_falls(self.observations[0])
        return pool_falls / self.weights[0].n_targets


class WeightSpaceLocal(LocalPosterior):
    """Posterior of a few points: Σ as it was, and the falls m of the observations since."""

    def __init__(
        self, weights: Weights, points: Tensor, variance: Tensor, reduction: Tensor | None
    ) -> None:
        super().__init__(variance, weights.noise_variance, reduction)
        self._weights = weights
        self._points = points
        self._falls = GrowingMatrix(points.shape[1])

    def _columns(self, i: int, root: float) -> tuple[Tensor, Tensor | None, float]:
        fall = self._covariance_with(self._points[i]) / root
        turn, curvature = None, 0.0
        if self.reduction is not None:
            cross = self._weights.target_gram @ fall
            turn = self._points @ self._covariance_with(cross)
            curvature = float(fall @ cross)
        self._falls.append(fall)
        return self._points @ fall, turn, curvature

    def _covariance_with(self, point: Tensor) -> Tensor:
        """Σ_t x."""
        falls = self._falls.rows
        return self._weights.weight_covariance @ point - falls.T @ (falls @ point)
