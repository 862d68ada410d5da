"""Linearized outputs that vary together: kernel "full"."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive.embedding._inputs import take_rows
from skactive.posterior._linalg import whiten
from skactive.selection._linearized_posterior import (
    LinearizedPosterior,
    Response,
    add_noise,
    cholesky_factors,
    index_of,
    noisy_factors,
    whiten_,
)


class CoupledResponse(Response):
    """Each output follows the labels of all.

    Parameters
    ----------
    covariances : tensor of shape (n_candidates, n_outputs, n_reference, n_outputs)
    factors : tensor of shape (n_candidates, n_outputs, n_outputs)
        Lower Cholesky factors of the covariances of an observation.
    """

    def __init__(self, covariances: Tensor, factors: Tensor) -> None:
        n_rows, n_outputs, n_columns, _ = covariances.shape
        self._shape = n_rows, n_columns, n_outputs
        matrices = covariances.reshape(n_rows, n_outputs, -1)
        self._whitened = torch.linalg.solve_triangular(factors, matrices, upper=False)
        self._weights = torch.linalg.solve_triangular(factors.mT, self._whitened, upper=True)

    def moved(self, residuals: Tensor) -> Tensor:
        return self._outputs_first(residuals[:, None, :] @ self._weights)

    def spread(self, variances: Tensor) -> Tensor:
        return self._outputs_first(variances[:, None, :] @ self._weights.square())

    def explained(self) -> Tensor:
        return self._outputs_first(self._whitened.square().sum(1))

    def _outputs_first(self, values: Tensor) -> Tensor:
        return values.reshape(self._shape).permute(2, 0, 1)


class CoupledPosterior(LinearizedPosterior):
    """Outputs that vary together: kernel "full". Row i, output c is number i·C + c."""

    def _learn(self, labeled: NDArray[np.int64], residuals: Tensor) -> None:
        prior, C = self._prior, self._n_outputs
        variances = prior.variances
        self.pending = residuals.new_zeros(len(prior.rows), C)
        self._whitened = variances.new_zeros(len(labeled) * C, len(prior.rows), C)
        if len(labeled):
            L = take_rows(prior.inputs, labeled)
            factor = noisy_factors(prior.kernel.gram(L), prior.noise_variance)
            everything = self._inputs(np.arange(len(prior.rows)))
            whitened = whiten_(factor, prior.kernel.gram(L, everything))
            self.pending = (whitened.T @ whiten(factor, residuals.reshape(-1, 1))).reshape(-1, C)
            self._whitened = whitened.reshape(len(labeled) * C, len(prior.rows), C)
            by_row = self._whitened.permute(1, 0, 2)
            variances = variances - by_row.mT @ by_row
        self.variances = add_noise(variances, prior.noise_variance)

    def _numbers_per_pair(self) -> int:
        return self._n_outputs**2

    def _fresh(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        left, right = (self._whitened[:, index_of(part)].flatten(1) for part in (rows, columns))
        matrix = self._gram(rows, columns).addmm_(left.T, right, alpha=-1)
        return matrix.reshape(len(rows), self._n_outputs, len(columns), self._n_outputs)

    def _from_held(
        self, held: Tensor, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> Tensor:
        return held[index_of(rows)][:, :, index_of(columns)]

    def _transposed(self, covariances: Tensor) -> Tensor:
        return covariances.permute(2, 3, 0, 1).contiguous()

    def _response(self, covariances: Tensor, rows: NDArray[np.int64], part: slice) -> Response:
        return CoupledResponse(covariances[part], cholesky_factors(self.variances[rows[part]]))

    def condition_on(self, row: int) -> None:
        assert self._held is not None
        matrix = self._held.view(self.pending.numel(), -1)
        columns = self._held[row].reshape(self._n_outputs, -1)
        whitened = whiten(cholesky_factors(self.variances[row]), columns)
        matrix.addmm_(whitened.T, whitened, alpha=-1)
        variances = self._held.diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        self.variances = add_noise(variances, self._prior.noise_variance)

    def moved_by(
        self, candidates: NDArray[np.int64], reference: NDArray[np.int64], residuals: Tensor
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Through the kernel applied to vectors: the blocks of pairs are never made."""
        if self._held is not None:
            yield from super().moved_by(candidates, reference, residuals)
            return
        factors = cholesky_factors(self.variances[candidates])
        vectors = torch.cholesky_solve(residuals[:, :, None], factors)[:, :, 0]
        explained = torch.einsum("lac,ac->la", self._whitened[:, index_of(candidates)], vectors)
        applied = self._prior.kernel.applied
        for others, some, tile in applied(
            self._inputs(reference), self._inputs(candidates), vectors
        ):
            known = self._whitened[:, index_of(reference[others])].flatten(1)
            change = tile.double() - (known.T @ explained[:, some]).reshape(tile.shape)
            yield some, others, change.permute(1, 2, 0)
