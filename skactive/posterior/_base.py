"""What selectors need to know of a Gaussian posterior."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class GaussianPosterior(ABC):
    """Posterior of f ~ GP(0, k) at the pool rows, under observations y(x) = f(x) + noise.

    The object is conditioned in place, row by row; all numbers are float64.

    Attributes
    ----------
    noise_variance : float
        Variance ρ² of the noise of an observation.
    """

    noise_variance: float
    n_targets: int  # the pool counts as targets where none are given

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Posterior variance of f at every pool row, of shape (n_samples,)."""

    @property
    @abstractmethod
    def reduction(self) -> Tensor | None:
        """Σ_a cov(a, x)² over the targets a, of shape (n_samples,); maintained on request."""

    @property
    @abstractmethod
    def target_variance(self) -> float:
        """Mean posterior variance of f over the targets (over the pool without targets)."""

    @abstractmethod
    def covariance(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Posterior covariances, of shape (n_rows, n_columns)."""

    @abstractmethod
    def condition_on_rows(self, rows: NDArray[np.int64]) -> None:
        """Observe several pool rows at once."""

    @abstractmethod
    def condition_on_targets(self, noise_variance: float) -> None:
        """Observe every target with noise of the given variance."""

    @classmethod
    @abstractmethod
    def condition_together(cls, posteriors: Sequence[GaussianPosterior], row: int) -> None:
        """Observe one pool row in several posteriors of the same pool, sharing the work."""

    def condition_on(self, row: int) -> None:
        """Observe one pool row."""
        self.condition_together([self], row)
