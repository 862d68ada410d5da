"""Kernel ridge regression of labels, and the covariances that say how it would change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from skactive._memory import check_memory
from skactive.posterior import gaussian_posterior
from skactive.selection._kernel_selector import KernelPool

# Covariances are computed in blocks of this shape, for the matrix product, ...
_BLOCK_SHAPE = (1024, 4096)
# ... and handed out in pieces of a few rows, whose element-wise work stays in the caches.
_PIECE_ROWS = 16
_SMALLEST_SIDE = 16


class KernelRidge:
    r"""The fit :math:`f(x) = \Theta_{xL} (\Theta_{LL} + \rho^2 I)^{-1} Y` to labeled rows L.

    It is the mean of a Gaussian process whose posterior covariance :math:`c` gives all refits:
    one more row :math:`x'` with label :math:`y'` adds
    :math:`c_{xx'} (y' - f(x')) / (c_{x'x'} + \rho^2)`.

    Parameters
    ----------
    view : KernelPool
        Rows, kernel and noise.
    labeled : ndarray of shape (n_labeled,)
        Positions of the labeled rows.
    targets : tensor of shape (n_labeled, n_outputs)
        Their labels.
    n_expected : int
        How many rows are going to be added.
    """

    def __init__(
        self, view: KernelPool, labeled: NDArray[np.int64], targets: Tensor, n_expected: int
    ) -> None:
        self._n_features = view.rows.n_features
        self._known = labeled
        self._targets = targets
        self._posterior = gaussian_posterior(
            view.kernel,
            view.rows,
            view.prior_variance,
            view.noise_variance,
            n_observations=len(labeled) + n_expected,
        )
        self._posterior.condition_on_rows(labeled)

    def add(self, row: int, target: Tensor) -> None:
        """Learn one more row with a target of shape (1, n_outputs)."""
        self._posterior.condition_on(row)
        self._known = np.append(self._known, row)
        self._targets = torch.cat([self._targets, target])

    def outputs(self, rows: NDArray[np.int64]) -> Tensor:
        """f at the given rows, of shape (n_rows, n_outputs)."""
        n_outputs = self._targets.shape[1]
        check_memory(
            4 * 8 * len(rows) * n_outputs,  # with the residuals and probabilities made of them
            self._targets.device,
            f"The prediction of {n_outputs} outputs at {len(rows)} rows",
            "Set n_candidates and n_reference, to score and sum over samples of the pool.",
        )
        # c_xL = Θ_xL - Θ_xL (Θ_LL + ρ²I)⁻¹ Θ_LL = ρ² Θ_xL (Θ_LL + ρ²I)⁻¹, hence f = c_xL Y / ρ².
        outputs = self._targets.new_zeros(len(rows), n_outputs)
        for known, columns, block in self.covariances(self._known, rows):
            outputs[columns] += block.T @ self._targets[known]
        return outputs / self._posterior.noise_variance

    @property
    def variance(self) -> Tensor:
        """Posterior variance of every pool row, of shape (n_samples,)."""
        return self._posterior.variance

    def absolute_sums(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Σ |c_xx'| over the columns x, for every row x', of shape (n_rows,)."""
        sums = self._targets.new_zeros(len(rows))
        if not np.array_equal(rows, columns):
            for some, _, piece in self.covariances(rows, columns):
                sums[some] += piece.abs_().sum(1)
            return sums
        for some, others, piece in self.covariances(rows, columns, above_diagonal=True):
            right = max(some.start, others.start)
            beyond = max(some.stop, others.start)
            magnitudes = piece[:, right - others.start :].abs_()
            sums[some] += magnitudes.sum(1)
            sums[beyond : others.stop] += magnitudes[:, beyond - right :].sum(0)
        return sums

    def covariances(
        self,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        *,
        above_diagonal: bool = False,
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Posterior covariances piece by piece, within scikit-learn's ``working_memory``.

        With `above_diagonal`, for rows that equal the columns, most of what lies below the
        diagonal is left out.
        """
        # A block comes with the features of its rows and columns, and temporary copies of them.
        entries = int(get_config()["working_memory"] * 2**20) // (8 * 8)
        limit = max(_SMALLEST_SIDE, entries // self._n_features)
        height = min(_BLOCK_SHAPE[0], limit)
        width = min(_BLOCK_SHAPE[1], limit, max(_SMALLEST_SIDE, entries // height))
        for top in range(0, len(rows), height):
            for left in range(top if above_diagonal else 0, len(columns), width):
                others = slice(left, min(left + width, len(columns)))
                block = self._posterior.covariance(rows[top : top + height], columns[others])
                for first in range(0, len(block), _PIECE_ROWS):
                    piece = block[first : first + _PIECE_ROWS]
                    yield slice(top + first, top + first + len(piece)), others, piece
