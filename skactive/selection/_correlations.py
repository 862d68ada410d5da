"""Correlations of rows with targets under a Gaussian posterior."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._rows import Rows
from skactive.posterior import (
    FunctionSpacePosterior,
    GaussianPosterior,
    WeightSpacePosterior,
    gaussian_posterior,
)
from skactive.selection._kernel_selector import KernelPool
from skactive.selection._weighted_sum import weighted_sum

# Below this share of its prior variance a function value is known, up to rounding.
_KNOWN = 1e-12


class Correlations:
    r"""Mean correlation of every row with the targets, given the rows observed so far.

    In weight space :math:`\sum_a \mathrm{cov}(x, a) / \sigma(a) = \phi(x)^\top \Sigma
    \sum_a \phi(a) / \sigma(a)`, which is one product with the rows. In function space the
    covariances of all rows with all targets are kept.

    Parameters
    ----------
    view : KernelPool
    labeled : ndarray of shape (n_labeled,)
        Rows observed to begin with.
    n_picks : int
        Number of rows that will be observed.
    """

    def __init__(self, view: KernelPool, labeled: NDArray[np.int64], n_picks: int) -> None:
        self.posterior = _make_posterior(view, len(labeled) + n_picks)
        self.posterior.condition_on_rows(labeled)
        self._view = view
        self._target_prior = view.prior_variance
        self._own_target_variance: Tensor | None = None  # that of the pool where it is the target
        if view.targets is not None:
            self._target_prior, self._own_target_variance = self._variances_of_targets()

    @property
    def target_variance(self) -> Tensor:
        """Posterior variance of every target, of shape (n_targets,)."""
        if self._own_target_variance is None:
            return self.posterior.variance
        return self._own_target_variance

    def mean(self) -> Tensor:
        """Mean correlation of every row with the targets, of shape (n_samples,)."""
        weights = _inverse_deviations(self.target_variance, self._target_prior)
        sums = self._weighted_covariances(weights / len(weights))
        return sums * _inverse_deviations(self.posterior.variance, self._view.prior_variance)

    def smallest_share(self) -> float:
        """Smallest variance of a row or target that is not known, relative to its prior one."""
        pairs = [
            (self.posterior.variance, self._view.prior_variance),
            (self.target_variance, self._target_prior),
        ]
        shares = torch.cat([(now / prior)[_unknown(now, prior)] for now, prior in pairs])
        return float(shares.min()) if len(shares) else 1.0

    def observe(self, row: int) -> float:
        """Observe a row; returns the information about f in its label, in nats."""
        noise = self.posterior.noise_variance
        pivot = float(self.posterior.variance[row]) + noise
        if self._own_target_variance is not None:
            falls = self._target_covariances(row).square() / pivot
            self._own_target_variance = (self._own_target_variance - falls).clamp_(min=0.0)
        self.posterior.condition_on(row)
        return 0.5 * float(np.log(pivot / noise))

    @property
    def _targets(self) -> Rows:
        """Features of the targets, in weight space."""
        targets = self._view.targets
        return self._view.rows if targets is None else cast(Rows, targets)

    def _weighted_covariances(self, weights: Tensor) -> Tensor:
        """Σ_a w_a cov(x, a) of every row x, of shape (n_samples,)."""
        if isinstance(self.posterior, WeightSpacePosterior):
            total = weighted_sum(self._targets, weights)
            direction = self.posterior.weight_covariance.to(total.device) @ total
            return _products(self._view.rows.precise(), direction)
        return weights @ _target_covariance(self.posterior)

    def _target_covariances(self, row: int) -> Tensor:
        """Covariance of every target with a row, of shape (n_targets,)."""
        if isinstance(self.posterior, WeightSpacePosterior):
            point = self._view.rows.take([row])[0]
            spread = self.posterior.weight_covariance.to(point.device) @ point
            return self._targets.matmul(spread[:, None])[:, 0]
        return _target_covariance(self.posterior)[:, row]

    def _variances_of_targets(self) -> tuple[Tensor, Tensor]:
        """Variances of targets of their own, before and after the labeled rows."""
        posterior = self.posterior
        if isinstance(posterior, WeightSpacePosterior):
            prior = self._view.kernel.diagonal(self._targets)
            sigma = posterior.weight_covariance.to(prior.device)
            return prior, self._targets.quadratic_form(sigma).clamp_(min=0.0)
        assert isinstance(posterior, FunctionSpacePosterior)  # there is no third kind
        prior = posterior.prior.diagonal()[posterior.target_slice]
        factor = posterior.factor.rows[:, posterior.target_slice]
        return prior, (prior - factor.square().sum(0)).clamp_(min=0.0)


def _make_posterior(view: KernelPool, n_observations: int) -> GaussianPosterior:
    """A posterior that, in function space, keeps the covariances with the targets."""

    def make(track_reduction: bool) -> GaussianPosterior:
        return gaussian_posterior(
            view.kernel,
            view.rows,
            view.prior_variance,
            view.noise_variance,
            view.targets,
            n_observations=n_observations,
            track_reduction=track_reduction,
        )

    posterior = make(track_reduction=False)
    return posterior if isinstance(posterior, WeightSpacePosterior) else make(track_reduction=True)


def _products(rows: Rows, point: Tensor) -> Tensor:
    """Inner product of every row with a point, on several threads, of shape (n_samples,)."""
    values = torch.empty(rows.n_samples, dtype=torch.float64, device=rows.device)

    def keep(part: slice, products: Tensor) -> None:
        values[part] = products[0]

    rows.visit_products(point[None], keep)
    return values


def _target_covariance(posterior: GaussianPosterior) -> Tensor:
    """Covariances in function space, of shape (n_targets, n_samples)."""
    assert isinstance(posterior, FunctionSpacePosterior)
    assert posterior.target_covariance is not None  # requested in `_make_posterior`
    return posterior.target_covariance


def _unknown(variance: Tensor, prior_variance: Tensor) -> Tensor:
    """Whether there is anything left to learn about each point, of shape (n_points,)."""
    return (variance > _KNOWN * prior_variance) & (prior_variance > 0)


def _inverse_deviations(variance: Tensor, prior_variance: Tensor) -> Tensor:
    """1 / σ of each point; 0 where f is known, and so is correlated with nothing."""
    unknown = _unknown(variance, prior_variance)
    return torch.where(unknown, variance, torch.inf).rsqrt()
