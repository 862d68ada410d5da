"""What selectors need to know of a Gaussian posterior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive.posterior._proposal import Batch, Proposal
from skactive.posterior._running import Running


class SweptPosterior(Protocol):
    """What the scores of all rows are computed from; also of a part of the pool."""

    noise_variance: float
    running: Running


class GaussianPosterior(ABC):
    """Posterior of f ~ GP(0, k) at the pool rows, under observations y(x) = f(x) + noise.

    The object is conditioned in place. What it keeps for every row comes with bounds on its
    rounding; what it says of a few rows, see `restrict`, is float64 and exact.

    Attributes
    ----------
    noise_variance : float
        Variance ρ² of the noise of an observation.
    n_targets : int
        The pool counts as targets where none are given.
    running : Running
        Variances of all rows.
    """

    noise_variance: float
    n_targets: int
    running: Running

    @property
    def variance(self) -> Tensor:
        """Posterior variance of f at every pool row, of shape (n_samples,)."""
        return self.running.variance.clamp(min=0.0)

    @property
    @abstractmethod
    def target_variance(self) -> float:
        """Mean posterior variance of f over the targets (over the pool without targets)."""

    @abstractmethod
    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Posterior covariances, of shape (n_rows, n_columns)."""

    @classmethod
    @abstractmethod
    def restrict(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[LocalPosterior]:
        """Several posteriors of one pool at a few rows: exact, to be conditioned on their own."""

    @abstractmethod
    def condition_on_targets(self, noise_variance: float) -> None:
        """Observe every target with noise of the given variance."""

    @classmethod
    @abstractmethod
    def _batches(
        cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]
    ) -> list[Batch]:
        """The observation of the rows in each of several posteriors of one pool."""

    @classmethod
    def propose(cls, posteriors: Sequence[GaussianPosterior], rows: NDArray[np.int64]) -> Proposal:
        """Observe pool rows, one after the other, in several posteriors of the same pool."""
        return Proposal(
            [posterior.running for posterior in posteriors], cls._batches(posteriors, rows)
        )

    def condition_on_rows(self, rows: NDArray[np.int64]) -> None:
        """Observe several pool rows at once."""
        if len(rows):
            self.propose([self], rows).accept()

    def condition_on(self, row: int) -> None:
        """Observe one pool row."""
        self.condition_on_rows(np.array([row], dtype=np.int64))


class LocalPosterior(ABC):
    """The posterior of a few rows, float64 on the CPU.

    Parameters
    ----------
    variance : tensor of shape (n_rows,)
    noise_variance : float
    reduction : tensor of shape (n_rows,) or None
        Σ_a cov(a, x)² over the targets a.
    """

    def __init__(
        self, variance: Tensor, noise_variance: float, reduction: Tensor | None = None
    ) -> None:
        self.variance = variance
        self.noise_variance = noise_variance
        self.reduction = reduction

    def condition_on(self, i: int) -> None:
        """Observe the i-th of the rows."""
        pivot = float(self.variance[i]) + self.noise_variance
        fall, turn, curvature = self._columns(i, pivot**0.5)
        self.variance = torch.addcmul(self.variance, fall, fall, value=-1).clamp_(min=0.0)
        if self.reduction is not None and turn is not None:
            change = fall * (2 * turn - curvature * fall)
            self.reduction = (self.reduction - change).clamp_(min=0.0)

    @abstractmethod
    def _columns(self, i: int, root: float) -> tuple[Tensor, Tensor | None, float]:
        """Covariances with row i over the root of its pivot; turn and curvature if tracked.

        See `Columns`. The row counts as observed afterwards.
        """
