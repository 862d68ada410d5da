"""Linearized outputs that do not vary together: kernels "pntk" and "diagonal"."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from skactive.embedding._inputs import take_rows
from skactive.posterior._linalg import whiten
from skactive.selection._linearized_posterior import (
    LinearizedPosterior,
    Response,
    index_of,
    noisy_factors,
    whiten_,
)


class SeparateResponse(Response):
    """Each output follows its own label only.

    Parameters
    ----------
    covariances : tensor of shape (n_blocks, n_candidates, n_reference)
        One block for each output, or one for all.
    variances : tensor of shape (n_blocks, n_candidates)
        Those of an observation.
    """

    def __init__(self, covariances: Tensor, variances: Tensor) -> None:
        self._covariances = covariances
        self._weights = covariances / variances[:, :, None]

    def moved(self, residuals: Tensor) -> Tensor:
        return self._weights * residuals.T[:, :, None]

    def spread(self, variances: Tensor) -> Tensor:
        return self._weights.square() * variances.T[:, :, None]

    def explained(self) -> Tensor:
        return self._weights * self._covariances


class SeparatePosterior(LinearizedPosterior):
    """Outputs that do not vary together: kernels "pntk" and "diagonal".

    All tensors begin with an axis of blocks: one for each output, or one for all.
    """

    def _learn(self, labeled: NDArray[np.int64], residuals: Tensor) -> None:
        prior = self._prior
        variances = _blocks(prior.variances, 2)
        self.pending = residuals.new_zeros(len(prior.rows), self._n_outputs)
        self._whitened = variances.new_zeros(len(variances), len(labeled), len(prior.rows))
        if len(labeled):
            L = take_rows(prior.inputs, labeled)
            factor = noisy_factors(_blocks(prior.kernel.gram(L), 3), prior.noise_variance)
            everything = self._inputs(np.arange(len(prior.rows)))
            self._whitened = whiten_(factor, _blocks(prior.kernel.gram(L, everything), 3))
            # (1, n_labeled, n_outputs), or (n_outputs, n_labeled, 1)
            known = residuals[None] if len(variances) == 1 else residuals.T[:, :, None]
            pending = self._whitened.mT @ whiten(factor, known)
            self.pending = pending[0] if len(variances) == 1 else pending[:, :, 0].T
            variances = variances - self._whitened.square().sum(1)
        self.variances = variances.clamp(min=0) + prior.noise_variance

    def _numbers_per_pair(self) -> int:
        return len(_blocks(self._prior.variances, 2))

    def _fresh(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        left, right = (self._whitened[:, :, index_of(part)] for part in (rows, columns))
        return _blocks(self._gram(rows, columns), 3).baddbmm_(left.mT, right, alpha=-1)

    def _from_held(
        self, held: Tensor, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> Tensor:
        return held[:, index_of(rows)][:, :, index_of(columns)]

    def _transposed(self, covariances: Tensor) -> Tensor:
        return covariances.mT.contiguous()

    def _response(self, covariances: Tensor, rows: NDArray[np.int64], part: slice) -> Response:
        return SeparateResponse(covariances[:, part], self.variances[:, rows[part]])

    def condition_on(self, row: int) -> None:
        assert self._held is not None
        column = self._held[:, :, row, None].clone()
        weights = column / self.variances[:, None, row, None]
        self._held.baddbmm_(weights, column.mT, alpha=-1)
        diagonal = self._held.diagonal(dim1=1, dim2=2)
        self.variances = diagonal.clamp(min=0) + self._prior.noise_variance


def _blocks(values: Tensor, n_axes: int) -> Tensor:
    """An axis of blocks before the values of a kernel that all outputs share."""
    return values if values.ndim == n_axes else values[None]
