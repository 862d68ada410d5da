"""Posterior of a linearized network's outputs, given labeled rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from torch import Tensor

from skactive._memory import check_memory
from skactive.embedding._inputs import take_rows
from skactive.embedding._tangent_kernel import TangentKernel

# What is computed from a tile of covariances at a time stays in the caches.
_PIECE_BYTES = 4 * 2**20
_REMEDY = (
    "Set n_candidates and n_reference, to score and sum over samples of the pool, or choose the "
    "smaller kernel ntk='pntk'."
)


class Response(ABC):
    r"""The map :math:`c_{xx'} (c_{x'x'} + \rho^2 I)^{-1}` for a tile of pairs.

    It leads from the residual of a label at a candidate :math:`x'` to the change of the outputs
    at a reference row :math:`x`; :math:`c` is the posterior covariance.
    """

    @abstractmethod
    def moved(self, residuals: Tensor) -> Tensor:
        """Change of the outputs, of shape (n_outputs, n_candidates, n_reference).

        Parameters
        ----------
        residuals : tensor of shape (n_candidates, n_outputs)
        """

    @abstractmethod
    def spread(self, variances: Tensor) -> Tensor:
        """Variance of that change for independent residuals with these variances."""

    @abstractmethod
    def explained(self) -> Tensor:
        """Fall of each output's variance, of shape (n_blocks, n_candidates, n_reference).

        One block stands for all outputs where they share a kernel.
        """


class TangentPrior(NamedTuple):
    """The linearized network before any label: outputs as a Gaussian process."""

    kernel: TangentKernel
    inputs: Any  # prepared inputs of the whole pool
    rows: NDArray[np.int64]  # where candidates and reference rows stand in the pool
    variances: Tensor  # of these rows, as `kernel.diagonal` gives them
    noise_variance: float


class LinearizedPosterior(ABC):
    r"""Covariances :math:`c_{xx'} = \Theta_{xx'} - \Theta_{xL} H \Theta_{Lx'}` between rows.

    :math:`H = (\Theta_{LL} + \rho^2 I)^{-1}`. Rows are given by their places in ``prior.rows``.

    Parameters
    ----------
    prior : TangentPrior
    labeled : ndarray of shape (n_labeled,)
        Rows of the pool.
    residuals : tensor of shape (n_labeled, n_outputs)
        Labels minus outputs.
    """

    def __init__(self, prior: TangentPrior, labeled: NDArray[np.int64], residuals: Tensor) -> None:
        self._prior = prior
        self._n_outputs = residuals.shape[1]
        self._held: Tensor | None = None
        n_labeled, n_rows = len(labeled), len(prior.rows)
        check_memory(
            8 * self._numbers_per_pair() * (2 * n_labeled * n_rows + 3 * n_labeled**2),
            residuals.device,
            f"The tangent kernel between {n_labeled} labeled and {n_rows} other rows with "
            f"{self._n_outputs} outputs",
            _REMEDY,
        )
        self._learn(labeled, residuals)

    variances: Tensor
    """c_xx + ρ² of every row, of an observation; as the kernel's diagonal in shape."""
    pending: Tensor
    """Θ_xL H R: how the labeled rows change the outputs, of shape (n_rows, n_outputs)."""

    @abstractmethod
    def _learn(self, labeled: NDArray[np.int64], residuals: Tensor) -> None:
        """Set the variances, the pending change, and what covariances are computed from."""

    @abstractmethod
    def _numbers_per_pair(self) -> int:
        """Covariances of one pair of rows."""

    @abstractmethod
    def _fresh(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Covariances computed from the kernel."""

    @abstractmethod
    def _from_held(
        self, held: Tensor, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> Tensor:
        """Covariances looked up."""

    @abstractmethod
    def _transposed(self, covariances: Tensor) -> Tensor:
        """The same with rows and columns exchanged."""

    @abstractmethod
    def _response(self, covariances: Tensor, rows: NDArray[np.int64], part: slice) -> Response:
        """That of the given part of the rows."""

    @abstractmethod
    def condition_on(self, row: int) -> None:
        """Learn the label of one row; the covariances must be held."""

    def hold(self) -> None:
        """Keep all covariances, for rows that are learned one by one."""
        n_rows = len(self._prior.rows)
        check_memory(
            2 * 8 * self._numbers_per_pair() * n_rows**2,
            self.variances.device,
            f"The covariances of {n_rows} rows, kept because sequential=True,",
            _REMEDY,
        )
        everything = np.arange(n_rows)
        self._held = self._fresh(everything, everything)

    def responses(
        self, candidates: NDArray[np.int64], reference: NDArray[np.int64]
    ) -> Iterator[tuple[slice, slice, Response]]:
        """Responses of the reference to the candidates, piece by piece."""
        for some, others, tile in self._tiles(candidates, reference):
            n_columns = others.stop - others.start
            size = max(1, _PIECE_BYTES // (8 * self._n_outputs * n_columns))
            rows = candidates[some]
            for first in range(0, len(rows), size):
                part = slice(first, min(first + size, len(rows)))
                piece = slice(some.start + part.start, some.start + part.stop)
                yield piece, others, self._response(tile, rows, part)

    def moved_by(
        self, candidates: NDArray[np.int64], reference: NDArray[np.int64], residuals: Tensor
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Change of the outputs by one label for each candidate, piece by piece.

        Of shape (n_outputs, n_candidates, n_reference), for residuals of shape
        (n_candidates, n_outputs).
        """
        for some, others, response in self.responses(candidates, reference):
            yield some, others, response.moved(residuals[some])

    def moved_everywhere(self, row: int, residual: Tensor) -> Tensor:
        """Change at all rows by a label of one, of shape (n_rows, n_outputs)."""
        one, everything = np.array([row]), np.arange(len(self._prior.rows))
        covariances = self._covariances(one, everything)
        return self._response(covariances, one, slice(0, 1)).moved(residual)[:, 0].T

    def _tiles(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Covariances within ``working_memory``, computed once for both orders of a pair."""
        budget = int(get_config()["working_memory"] * 2**20)
        side = max(1, isqrt(budget // (4 * 8 * self._numbers_per_pair())))
        symmetric = np.array_equal(rows, columns)
        for some in _slices(len(rows), side):
            for others in _slices(len(columns), side):
                if symmetric and others.start < some.start:
                    continue
                tile = self._covariances(rows[some], columns[others])
                yield some, others, tile
                if symmetric and others.start > some.start:
                    yield others, some, self._transposed(tile)

    def _covariances(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        if self._held is None:
            return self._fresh(rows, columns)
        return self._from_held(self._held, rows, columns)

    def _inputs(self, rows: NDArray[np.int64]) -> Any:
        return take_rows(self._prior.inputs, self._prior.rows[rows])

    def _gram(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Tensor:
        """Prior covariances as the kernel gives them."""
        A = self._inputs(rows)
        B = None if np.array_equal(rows, columns) else self._inputs(columns)
        return self._prior.kernel.gram(A, B)


def noisy_factors(kernel: Tensor, noise_variance: float) -> Tensor:
    """Lower Cholesky factors of Θ + ρ²I, one for each block."""
    return cholesky_factors(add_noise(kernel, noise_variance))


def whiten_(factors: Tensor, matrices: Tensor) -> Tensor:
    """L⁻¹ M in the place of M, for lower Cholesky factors L."""
    torch.linalg.solve_triangular(factors, matrices, upper=False, out=matrices)
    return matrices


def cholesky_factors(matrices: Tensor) -> Tensor:
    """Lower Cholesky factors of one or several covariances of observations."""
    factors: Tensor
    factors, info = torch.linalg.cholesky_ex(matrices)
    if bool((info != 0).any()):
        raise ValueError(
            "The tangent kernel plus noise is not positive definite in the precision of the "
            "network. Raise noise_ratio, or convert the network to float64."
        )
    return factors


def add_noise(matrices: Tensor, noise_variance: float) -> Tensor:
    """Covariances of observations from those of outputs."""
    noisy = matrices.clone()
    noisy.diagonal(dim1=-2, dim2=-1).add_(noise_variance)
    return noisy


def _slices(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def index_of(places: NDArray[np.int64]) -> Any:
    """A slice where the places follow each other, for a view in place of a copy."""
    if len(places) and places[-1] - places[0] == len(places) - 1 and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return torch.as_tensor(places)
