"""Gradients as features: those of the summed outputs, whole or sketched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from skactive._memory import check_memory
from skactive.embedding._gradients import Gradients
from skactive.embedding._gradients_factors import Factor
from skactive.embedding._inputs import Batch, n_rows, take_rows
from skactive.embedding._sketch import Sketch
from skactive.embedding._tangent_kernel import TangentKernel
from skactive.embedding._view import NetworkView

# Rows on which the kernel of the features is compared with the exact one.
_MAX_COMPARED = 256


class GradientFeatures:
    r"""Features whose inner products are the pNTK, or close to it on average.

    Row :math:`x` becomes :math:`\nabla s(x)`, with :math:`s = C^{-1/2} \sum_c f_c` the scaled sum
    of the outputs, or a random projection of it that is computed layer by layer.

    Parameters
    ----------
    view : NetworkView
    example : prepared inputs
        The first rows serve to choose how gradients are computed.
    sketch_dim : int or None
        Columns of the random projection; None: one column for each entry of the parameters.
    parameters : list of str or None, default=None
        Names of parameters, or of modules with all inside; None: those that require gradients.
    seed : int
        Seed of the projection.

    Attributes
    ----------
    n_features : int
    """

    def __init__(
        self,
        view: NetworkView,
        example: Any,
        *,
        sketch_dim: int | None,
        parameters: Sequence[str] | None = None,
        seed: int,
    ) -> None:
        self._view = view
        self._parameters = parameters
        self._gradients = Gradients(view, example, parameters)
        self._sketch: Sketch | None = None
        n_parameters = self._gradients.n_parameters
        if sketch_dim is not None:
            self._sketch = Sketch(n_parameters, sketch_dim, seed, view.device)
        self.n_features = n_parameters if sketch_dim is None else sketch_dim
        n_outputs = self._gradients.n_outputs
        self._cotangents = torch.ones((1, n_outputs), dtype=torch.float64) / math.sqrt(n_outputs)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the features: that of the network, at least float32."""
        return torch.empty(0, dtype=self._dtype).numpy().dtype

    def compute(self, X: Any, batch_size: int | None = None) -> NDArray[Any]:
        """Features of prepared inputs, of shape (n_rows, n_features)."""
        n = n_rows(X)
        check_memory(
            self.dtype.itemsize * n * self.n_features,
            torch.device("cpu"),
            f"The gradients of {n} rows with {self.n_features} columns each",
            "Lower sketch_dim, or choose fewer parameters.",
        )
        result = np.zeros((n, self.n_features), dtype=self.dtype)
        stop, batch_size = 0, batch_size or self._batch_size(X)
        with self._gradients.session():
            for batch in self._view.batches(X, batch_size):
                rows = slice(stop, stop := stop + n_rows(batch))
                self._fill(result[rows], batch)
        if not np.isfinite(result).all():
            raise ValueError(
                "The network's gradients must be finite; got NaN or infinity. Look for NaN in X "
                "and for diverged weights."
            )
        return result

    def kernel_error(self, X: Any) -> float:
        """Relative Frobenius error of the kernel of the features, on at most 256 rows spread
        evenly over X."""
        n = n_rows(X)
        sample = take_rows(X, np.unique(np.linspace(0, n - 1, min(n, _MAX_COMPARED)).astype(int)))
        features = torch.from_numpy(self.compute(sample)).double()
        exact = TangentKernel(self._view, "pntk", sample, parameters=self._parameters).gram(sample)
        difference = (features @ features.T - exact.cpu()).norm()
        return float(difference / exact.norm()) if difference > 0 else 0.0

    def _batch_size(self, X: Any) -> int:
        needs = _n_entries if self._sketch is None else self._sketch.n_numbers
        with self._gradients.session():
            bytes_per_row = self._gradients.bytes_per_row(needs)[0]
        if self._sketch is not None:
            bytes_per_row += self._sketch.memory
        return self._view.batch_size(X, bytes_per_row)

    def _fill(self, rows: NDArray[Any], batch: Batch) -> None:
        factors = self._gradients.factors(batch, self._cotangents)
        if self._sketch is not None:
            rows[:] = self._sketch.rows(factors, len(rows), self._dtype).cpu().numpy()
            return
        for factor in factors:
            for start, values in factor.pieces():
                rows[:, start : start + values.shape[2]] = values[:, 0].cpu().numpy()

    @property
    def _dtype(self) -> torch.dtype:
        """What gradients are computed in."""
        return torch.promote_types(self._view.dtype, torch.float32)


def _n_entries(factor: Factor) -> int:
    return sum(values.numel() for _, values in factor.pieces())
