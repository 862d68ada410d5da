"""What selectors with a kernel and label noise have in common."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool, Selection
from skactive._greedy import GreedySelector
from skactive._landmarks import GramLandmarks, KernelLandmarks, Landmarks
from skactive._rows import Rows
from skactive._validation import check_number, check_target_positions
from skactive.kernels import (
    Kernel,
    accepts_sparse,
    check_kernel,
    is_precomputed,
    resolve_kernel,
)

State = TypeVar("State")


class KernelPool(NamedTuple):
    """The pool as a Gaussian process sees it."""

    kernel: Kernel
    rows: Rows  # prepared by the kernel
    targets: Rows | NDArray[np.int64] | None  # likewise; positions for a precomputed kernel
    prior_variance: Tensor  # (n_samples,)
    prior_scale: float  # mean prior variance, the unit of all noise ratios
    noise_variance: float


class KernelSelector(GreedySelector[State]):
    """Base of greedy selectors with the parameters `kernel` and `noise_ratio`."""

    kernel: Any
    noise_ratio: float
    device: Any
    _kernel: Kernel  # resolved by `_kernel_pool`, and used by ``transform``

    def _check_params(self) -> None:
        check_kernel(self.kernel)
        check_number(
            self.noise_ratio,
            "noise_ratio",
            hint="It is the label noise relative to the mean prior variance; try 0.1.",
        )

    def _accepts_sparse(self) -> bool:
        return accepts_sparse(self.kernel)

    def _uses_unit_norm(self) -> bool:
        return isinstance(self.kernel, str) and self.kernel == "cosine"

    def _kernel_pool(self, pool: Pool) -> KernelPool:
        """Prepare rows and targets, and turn the noise ratio into a variance."""
        if is_precomputed(self.kernel) and pool.rows.n_samples != pool.rows.n_features:
            raise ValueError(
                "kernel='precomputed' needs the square Gram matrix of the pool as X; got shape "
                f"({pool.rows.n_samples}, {pool.rows.n_features}). Pass kernel(X, X)."
            )
        kernel = self._kernel = resolve_kernel(self.kernel, pool.rows)
        rows = kernel.prepare(pool.rows)
        targets = pool.targets
        if isinstance(targets, Rows):
            targets = kernel.prepare(targets)
        prior_variance = kernel.diagonal(rows)
        if float(prior_variance.min()) < 0:
            row = int((prior_variance < 0).nonzero()[0])
            raise ValueError(
                f"kernel gives row {row} the negative variance {float(prior_variance[row]):g}. "
                "Pass a positive semi-definite kernel."
            )
        scale = float(prior_variance.mean())
        scale = scale if scale > 0 else 1.0  # nothing but zeros: every pick is a tie
        return KernelPool(
            kernel=kernel,
            rows=rows,
            targets=targets,
            prior_variance=prior_variance,
            prior_scale=scale,
            noise_variance=float(self.noise_ratio) * scale,
        )

    def _read_targets(self, X_target: Any, rows: Rows) -> Any:
        if X_target is None or not is_precomputed(self.kernel):
            return super()._read_targets(X_target, rows)
        return check_target_positions(X_target, rows.n_samples)

    def _make_landmarks(self, pool: Pool, selection: Selection) -> Landmarks:
        if not is_precomputed(self.kernel):
            return KernelLandmarks(self._kernel)
        diagonal = pool.rows.take(selection.indices)[:, selection.indices].diagonal()
        return GramLandmarks(selection.indices.tolist(), diagonal.tolist())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = is_precomputed(self.kernel)
        return tags
