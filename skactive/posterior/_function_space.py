"""The posterior over function values, for any kernel: one column of memory per observation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.utils import gen_batches
from torch import Tensor

from skactive.posterior._base import GaussianPosterior, LocalPosterior
from skactive.posterior._linalg import GrowingMatrix, cholesky, whiten
from skactive.posterior._prior import Prior
from skactive.posterior._proposal import Batch, Proposal
from skactive.posterior._running import Columns, Magnitudes, Running

_SLICE = 8192  # rows whose values are updated at a time


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
        Whether to maintain the reduction of the target variance, in O(n m) memory for m targets.
    """

    def __init__(
        self, prior: Prior, noise_variance: float, *, capacity: int, track_reduction: bool = False
    ) -> None:
        self.prior = prior
        self.noise_variance = noise_variance
        variances = prior.diagonal()  # pool rows, then targets
        self.has_targets = prior.n_targets > 0
        self.n_targets = prior.n_targets or prior.n_samples
        self._target_variance = float(variances[self.target_slice].sum()) / self.n_targets
        self.factor = GrowingMatrix(prior.n_points, capacity, variances.device)
        self.target_covariance: Tensor | None = None  # (n_targets, n_samples)
        reduction = None
        if track_reduction:
            self.target_covariance = self._prior_target_covariance()
            reduction = _column_squares(self.target_covariance)
        variances = variances[: prior.n_samples]
        # All of it is float64: there is no rounding to keep account of.
        self.running = Running(variances, torch.zeros_like(variances), 0.0, reduction)

    @property
    def target_variance(self) -> float:
        return max(0.0, self._target_variance)

    @property
    def target_slice(self) -> slice:
        """Where the targets stand among the points; the pool where there are none."""
        n_samples = self.prior.n_samples
        return slice(n_samples, None) if self.prior.n_targets else slice(0, n_samples)

    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        factor = self.factor.rows
        return self.prior.block(rows, columns) - factor[:, rows].T @ factor[:, columns]

    @classmethod
    def restrict(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[LocalPosterior]:
        members = cast(Sequence[FunctionSpacePosterior], posteriors)
        return [FunctionSpaceLocal(member, rows) for member in members]

    def condition_on_targets(self, noise_variance: float) -> None:
        targets = np.arange(self.prior.n_points, dtype=np.int64)[self.target_slice]
        batch = FunctionSpaceBatch(self, targets, self.prior.columns(targets), noise_variance)
        Proposal([self.running], [batch]).accept()

    @classmethod
    def _batches(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[Batch]:
        members = cast(Sequence[FunctionSpacePosterior], posteriors)
        columns = members[0].prior.columns(rows)  # evaluated once for all
        return [
            FunctionSpaceBatch(member, rows, columns, member.noise_variance) for member in members
        ]

    def append(self, factor: Tensor, target_fall: float) -> None:
        """Make observations whose rows of the factor are given."""
        self.factor.append(factor)
        self._target_variance -= target_fall
        if self.target_covariance is not None:
            at_targets = factor[:, self.target_slice]
            self.target_covariance -= at_targets.T @ factor[:, : self.prior.n_samples]

    def _prior_target_covariance(self) -> Tensor:
        n_samples = self.prior.n_samples
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
        points = np.arange(self.prior.n_points, dtype=np.int64)[self.target_slice]
        return self.prior.columns(points)[:n_samples].T.contiguous()


class FunctionSpaceBatch(Batch):
    """Observations of points with prior covariances `columns` of shape (n_points, b)."""

    pool_is_target = False  # the rows of the factor tell, for the pool as for other targets

    def __init__(
        self,
        posterior: FunctionSpacePosterior,
        points: NDArray[np.int64],
        columns: Tensor,
        noise_variance: float,
    ) -> None:
        self._posterior = posterior
        factor = posterior.factor.rows
        covariance = columns.T - factor[:, points].T @ factor
        inner = covariance[:, points].clone()
        inner.diagonal().clamp_(min=0.0).add_(noise_variance)
        root = cholesky(inner)
        self.pivots = root.diagonal().square()
        self._factor = whiten(root, covariance)  # (b, n_points)

    @property
    def magnitudes(self) -> Magnitudes:
        return Magnitudes()

    def first(self, count: int) -> Self:
        part = copy(self)
        part.pivots, part._factor = self.pivots[:count], self._factor[:count]
        return part

    @classmethod
    def visit(cls, batches: Sequence[Batch], visit: Callable[[slice, list[Columns]], None]) -> None:
        members = cast(Sequence[FunctionSpaceBatch], batches)
        for rows in gen_batches(members[0]._posterior.prior.n_samples, _SLICE):
            visit(rows, [member._columns(rows) for member in members])

    def _columns(self, rows: slice) -> Columns:
        fall = self._factor[:, rows]
        covariance = self._posterior.target_covariance
        if covariance is None:
            return Columns(fall, None, None)
        at_targets = self._at_targets
        gram = at_targets @ at_targets.T
        turn = at_targets @ covariance[:, rows] - gram.tril(-1) @ fall
        return Columns(fall, turn, gram.diagonal()[:, None])

    @property
    def _at_targets(self) -> Tensor:
        return self._factor[:, self._posterior.target_slice]

    def target_falls(self) -> Tensor:
        return self._at_targets.square().sum(1).cpu() / self._posterior.n_targets

    def commit(self) -> None:
        self._posterior.append(self._factor, float(self.target_falls().sum()))


class FunctionSpaceLocal(LocalPosterior):
    """Posterior of a few rows: their part of the factor, and what was observed since."""

    def __init__(self, posterior: FunctionSpacePosterior, rows: NDArray[np.int64]) -> None:
        positions = torch.as_tensor(rows, device=posterior.factor.rows.device)
        running = posterior.running
        reduction = self._target_covariance = None
        if running.reduction is not None and posterior.target_covariance is not None:
            reduction = running.reduction[positions].clamp(min=0.0).cpu()
            self._target_covariance = posterior.target_covariance[:, positions].cpu()
        super().__init__(
            running.variance[positions].clamp(min=0.0).cpu(),
            posterior.noise_variance,
            reduction,
        )
        self._prior_column = posterior.prior.among(rows)
        known = posterior.factor.rows[:, positions].cpu()
        self._factor = GrowingMatrix(len(rows), len(known) + 16)
        self._factor.append(known)

    def _columns(self, i: int, root: float) -> tuple[Tensor, Tensor | None, float]:
        factor = self._factor.rows
        fall = (self._prior_column(i) - factor.T @ factor[:, i]) / root
        self._factor.append(fall)
        if self._target_covariance is None:
            return fall, None, 0.0
        at_targets = self._target_covariance[:, i] / root
        turn = self._target_covariance.T @ at_targets
        self._target_covariance -= torch.outer(at_targets, fall)
        return fall, turn, float(at_targets @ at_targets)


def _column_squares(matrix: Tensor) -> Tensor:
    """Squared norm of every column, without a second matrix."""
    squares: Tensor = torch.einsum("ij,ij->j", matrix, matrix)
    return squares
