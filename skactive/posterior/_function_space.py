"""The posterior over function values, for any kernel: one column of memory per observation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from skactive._rows import Rows
from skactive.kernels import Kernel
from skactive.posterior._base import GaussianPosterior
from skactive.posterior._linalg import cholesky, whiten


class Prior(ABC):
    """Prior covariances among the points of interest: the pool rows, then the targets."""

    n_samples: int
    n_targets: int

    @property
    def n_points(self) -> int:
        return self.n_samples + self.n_targets

    @abstractmethod
    def diagonal(self) -> Tensor:
        """Prior variance of every point, of shape (n_points,)."""

    @abstractmethod
    def columns(self, points: NDArray[np.int64]) -> Tensor:
        """Covariances of all points with the given ones, of shape (n_points, n_given)."""

    @abstractmethod
    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Covariances of some points with others, of shape (n_rows, n_columns)."""


class FeaturePrior(Prior):
    """Covariances evaluated by a kernel on rows of features."""

    def __init__(self, kernel: Kernel, rows: Rows, targets: Rows | None) -> None:
        self._kernel = kernel
        self._groups = [rows] if targets is None else [rows, targets]
        self.n_samples = rows.n_samples
        self.n_targets = 0 if targets is None else targets.n_samples

    def diagonal(self) -> Tensor:
        return torch.cat([self._kernel.diagonal(group) for group in self._groups])

    def columns(self, points: NDArray[np.int64]) -> Tensor:
        features = self._features(points)
        return torch.cat([self._kernel.cross(group, features) for group in self._groups])

    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        some = Rows(self._features(rows), self._groups[0].device)
        return self._kernel.cross(some, self._features(columns))

    def _features(self, points: NDArray[np.int64]) -> Tensor:
        in_pool = points < self.n_samples
        features = torch.empty(len(points), self._groups[0].n_features, dtype=torch.float64)
        features = features.to(self._groups[0].device)
        features[in_pool] = self._groups[0].take(points[in_pool])
        if not in_pool.all():
            features[~in_pool] = self._groups[1].take(points[~in_pool] - self.n_samples)
        return features


class PrecomputedPrior(Prior):
    """Covariances read from the Gram matrix of the pool; targets are rows of the pool."""

    def __init__(self, kernel: Kernel, gram: Rows, targets: NDArray[np.int64] | None) -> None:
        self._kernel = kernel
        self._gram = gram
        self.n_samples = gram.n_samples
        self.n_targets = 0 if targets is None else len(targets)
        targets = np.empty(0, dtype=np.int64) if targets is None else targets
        self._positions = np.concatenate([np.arange(self.n_samples), targets])

    def diagonal(self) -> Tensor:
        return self._kernel.diagonal(self._gram)[self._positions]

    def columns(self, points: NDArray[np.int64]) -> Tensor:
        positions = torch.as_tensor(self._positions[points])
        return self._kernel.cross(self._gram, positions)[self._positions]

    def block(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        return self._gram.take(self._positions[rows])[:, self._positions[columns]]


class FunctionSpacePosterior(GaussianPosterior):
    r"""Exact posterior by a growing Cholesky factor.

    After observations at points P with noise :math:`\rho^2`, the factor is
    :math:`W = L^{-1} K_{P \cdot}` with :math:`L L^\top = K_{PP} + \rho^2 I`, so that
    :math:`\mathrm{cov}(x, x') = k(x, x') - W_x^\top W_{x'}`. One more observation appends one
    row to W: O(n t) time after t of them, O(n t) memory in all.

    Parameters
    ----------
    prior : Prior
        Covariances among pool rows and targets.
    noise_variance : float > 0
        :math:`\rho^2`.
    capacity : int
        Expected number of observations, for one allocation; it grows when exceeded.
    track_reduction : bool
        Whether to maintain `reduction`, in O(n m) memory for m targets.
    """

    def __init__(
        self, prior: Prior, noise_variance: float, *, capacity: int, track_reduction: bool = False
    ) -> None:
        self._prior = prior
        self.noise_variance = noise_variance
        self._all_variances = prior.diagonal().clone()  # pool rows, then targets
        self.n_targets = prior.n_targets or prior.n_samples
        self._factor = self._all_variances.new_empty((max(1, capacity), prior.n_points))
        self._n_observed = 0
        self._target_covariance: Tensor | None = None  # (n_targets, n_samples)
        self._reduction: Tensor | None = None
        if track_reduction:
            self._target_covariance = self._prior_target_covariance()
            self._reduction = _column_squares(self._target_covariance)

    @property
    def variance(self) -> Tensor:
        return self._all_variances[: self._prior.n_samples]

    @property
    def reduction(self) -> Tensor | None:
        return self._reduction

    @property
    def target_variance(self) -> float:
        return float(self._all_variances[self._target_slice].mean())

    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        prior = self._prior.block(rows, columns)
        factor = self._factor[: self._n_observed]
        return prior - factor[:, rows].T @ factor[:, columns]

    def condition_on_rows(self, rows: NDArray[np.int64]) -> None:
        if len(rows):
            self._observe(rows, self._prior.columns(rows), self.noise_variance)

    def condition_on_targets(self, noise_variance: float) -> None:
        targets = np.arange(self._prior.n_points, dtype=np.int64)[self._target_slice]
        self._observe(targets, self._prior.columns(targets), noise_variance)

    @classmethod
    def condition_together(cls, posteriors: Sequence[GaussianPosterior], row: int) -> None:
        members = cast(Sequence[FunctionSpacePosterior], posteriors)
        point = np.array([row], dtype=np.int64)
        column = members[0]._prior.columns(point)
        for member in members:
            member._observe(point, column, member.noise_variance)

    @property
    def _target_slice(self) -> slice:
        """Where the targets stand among the points; the pool where there are none."""
        n_samples = self._prior.n_samples
        return slice(n_samples, None) if self._prior.n_targets else slice(0, n_samples)

    def _observe(self, points: NDArray[np.int64], columns: Tensor, noise_variance: float) -> None:
        """Append L⁻¹ cov(P, ·) to the factor, where LLᵀ = cov(P, P) + noise."""
        factor = self._factor[: self._n_observed]
        covariance = columns.T - factor[:, points].T @ factor
        inner = covariance[:, points].clone()
        inner.diagonal().clamp_(min=0.0).add_(noise_variance)
        appended = whiten(cholesky(inner), covariance)
        self._append(appended)
        self._all_variances = (self._all_variances - _column_squares(appended)).clamp_(min=0.0)
        if self._target_covariance is not None:
            n_samples = self._prior.n_samples
            at_targets = appended[:, self._target_slice]
            self._target_covariance -= at_targets.T @ appended[:, :n_samples]
            self._reduction = _column_squares(self._target_covariance)

    def _append(self, appended: Tensor) -> None:
        needed = self._n_observed + len(appended)
        if needed > len(self._factor):
            grown = self._factor.new_empty(
                (max(needed, 2 * len(self._factor)), self._factor.shape[1])
            )
            grown[: self._n_observed] = self._factor[: self._n_observed]
            self._factor = grown
        self._factor[self._n_observed : needed] = appended
        self._n_observed = needed

    def _prior_target_covariance(self) -> Tensor:
        n_samples = self._prior.n_samples
        n_targets = self.n_targets
        limit = int(get_config()["working_memory"] * 2**20)
        if 8 * n_targets * n_samples > max(limit, 2**20):
            raise ValueError(
                f"Covariances of {n_targets} targets with {n_samples} rows need "
                f"{8 * n_targets * n_samples / 2**20:.0f} MiB, more than scikit-learn's "
                f"working_memory of {limit / 2**20:.0f} MiB. Pass a sample of the pool as "
                "X_target, use kernel='linear' or 'cosine', or raise the limit with "
                "sklearn.set_config(working_memory=...)."
            )
        points = np.arange(self._prior.n_points, dtype=np.int64)[self._target_slice]
        return self._prior.columns(points)[:n_samples].T.contiguous()


def _column_squares(matrix: Tensor) -> Tensor:
    """Squared norm of every column, without a second matrix."""
    squares: Tensor = torch.einsum("ij,ij->j", matrix, matrix)
    return squares
