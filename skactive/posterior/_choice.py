"""Which of the two exact forms of the posterior is the cheaper one."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._memory import check_memory
from skactive._rows import Rows
from skactive.kernels import Kernel, PrecomputedKernel
from skactive.posterior._base import GaussianPosterior
from skactive.posterior._function_space import FunctionSpacePosterior
from skactive.posterior._prior import FeaturePrior, PrecomputedPrior, Prior
from skactive.posterior._weight_space import WeightSpacePosterior

# A d × d matrix of this width costs 8 MiB: below, weight space is never a burden.
_SMALL_WIDTH = 1024
_MATRICES = 6  # of that width that are held at once
_BLOCK_COLUMNS = 64  # covariances of a block of observations, on top of the factor


def gaussian_posterior(
    kernel: Kernel,
    rows: Rows,
    prior_variance: Tensor,
    noise_variance: float,
    targets: Rows | NDArray[np.int64] | None = None,
    *,
    n_observations: int,
    track_reduction: bool = False,
    fast: bool = False,
) -> GaussianPosterior:
    """The posterior of the pool before any observation.

    Parameters
    ----------
    kernel : Kernel
    rows : Rows
        The pool as prepared by the kernel.
    prior_variance : tensor of shape (n_samples,)
    noise_variance : float
    targets : Rows, positions (precomputed kernel) or None
        None means the pool.
    n_observations : int
        Number of rows and targets that will be conditioned on.
    track_reduction : bool
        Whether to maintain the reduction of the target variance.
    fast : bool
        Whether sweeps over the pool may take float32, with bounds on their rounding.
    """
    # Both forms give the same posterior; weight space where its d² is the smaller state.
    d = rows.n_features
    if kernel.is_linear and d * d <= max(_SMALL_WIDTH**2, rows.n_samples * n_observations):
        check_weights_memory(d)
        return WeightSpacePosterior(
            rows if fast else rows.precise(),
            prior_variance,
            noise_variance,
            cast("Rows | None", targets),
            track_reduction=track_reduction,
        )
    prior: Prior
    if isinstance(kernel, PrecomputedKernel):
        prior = PrecomputedPrior(kernel, rows, cast("NDArray[np.int64] | None", targets))
    else:
        prior = FeaturePrior(kernel, rows, cast(Any, targets))
    check_memory(
        8 * (n_observations + _BLOCK_COLUMNS) * prior.n_points,
        rows.device,
        f"The posterior of {prior.n_points} points after {n_observations} observations",
        "Lower budget, pass fewer rows, targets or labels, or use kernel='linear' or 'cosine' on "
        "features of few dimensions.",
    )
    return FunctionSpacePosterior(
        prior, noise_variance, capacity=n_observations, track_reduction=track_reduction
    )


def check_weights_memory(n_features: int) -> None:
    """Refuse more features than the covariance of their weights has room for."""
    check_memory(
        _MATRICES * 8 * n_features**2,
        torch.device("cpu"),
        f"The covariance of the weights of {n_features} features",
        "Reduce the features, for instance with sklearn.decomposition.PCA.",
    )
