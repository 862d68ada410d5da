"""The kinds of network features behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive.embedding._gradient_features import GradientFeatures
from skactive.embedding._gradients_factors import Outer
from skactive.embedding._inputs import n_rows
from skactive.embedding._layers import LayerFeatures
from skactive.embedding._loss_gradient import LossGradientFactors
from skactive.embedding._sketch import Sketch
from skactive.embedding._view import NetworkView


class Features(ABC):
    """Features of rows, batch by batch."""

    n_features: int
    layer: str | None = None  # the layer they come from
    bytes_per_row: float = 0.0  # held beside the activations of a batch

    def __init__(self, view: NetworkView) -> None:
        self._view = view

    @abstractmethod
    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        """Features of all rows in order."""

    def compute(self, X: Any, batch_size: int | None) -> NDArray[Any]:
        """Features of all rows as one matrix; None takes as many at a time as memory allows."""
        size = batch_size or self._view.batch_size(X, self.bytes_per_row)
        features = np.empty((n_rows(X), self.n_features), dtype=self.dtype)
        stop = 0
        for batch in self.batches(X, size):
            rows = slice(stop, stop := stop + len(batch))
            features[rows] = batch.cpu().numpy()
        return features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the features."""
        return torch.empty(0, dtype=self._view.feature_dtype).numpy().dtype

    def kernel_error(self, X: Any) -> float:
        """Relative Frobenius error of the Gram matrix, where features are sketched."""
        return 0.0


class LayerValues(Features):
    """What a layer gets or gives."""

    def __init__(self, view: NetworkView, values: LayerFeatures) -> None:
        super().__init__(view)
        self._values = values
        self.n_features, self.layer = values.n_features, values.layer

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        return self._values.batches(X, batch_size)


class SideBySide(Features):
    """The factors of the loss gradients."""

    def __init__(self, view: NetworkView, factors: LossGradientFactors) -> None:
        super().__init__(view)
        self._factors = factors
        self.n_features, self.layer = sum(factors.widths), factors.layer

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        for errors, inputs in self._factors.batches(X, batch_size):
            yield torch.cat([errors, inputs], 1)


class OuterProducts(Features):
    """The loss gradients themselves."""

    def __init__(self, view: NetworkView, factors: LossGradientFactors) -> None:
        super().__init__(view)
        self._factors = factors
        self.n_features = factors.widths[0] * factors.widths[1]
        self.layer = factors.layer
        self.bytes_per_row = 8.0 * self.n_features

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        for errors, inputs in self._factors.batches(X, batch_size):
            yield (errors[:, :, None] * inputs[:, None, :]).flatten(1)


class SketchedOuterProducts(Features):
    """The loss gradients, projected at random to fewer columns."""

    def __init__(
        self, view: NetworkView, factors: LossGradientFactors, n_columns: int, seed: int
    ) -> None:
        super().__init__(view)
        self._factors = factors
        self._sketch = Sketch(factors.widths[0] * factors.widths[1], n_columns, seed, view.device)
        self.n_features, self.layer = n_columns, factors.layer
        self.bytes_per_row = self._sketch.memory

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        for errors, inputs in self._factors.batches(X, batch_size):
            # Fourier transforms know no half precision.
            errors, inputs = (_at_least_float32(part) for part in (errors, inputs))
            product = Outer(0, errors[:, None, None, :], inputs[:, None, :], has_bias=False)
            yield self._sketch.rows([product], len(inputs), errors.dtype)

    def kernel_error(self, X: Any) -> float:
        factors = list(self._factors.batches(X, n_rows(X)))
        errors, inputs = factors[0].errors.double(), factors[0].inputs.double()
        exact = (errors @ errors.T) * (inputs @ inputs.T)
        sketched = torch.cat(list(self.batches(X, n_rows(X)))).double()
        difference = (sketched @ sketched.T - exact).norm()
        return float(difference / exact.norm()) if difference > 0 else 0.0


class TangentFeatures(Features):
    """Gradients of the summed outputs by the parameters."""

    def __init__(self, view: NetworkView, gradients: GradientFeatures) -> None:
        super().__init__(view)
        self._gradients = gradients
        self.n_features = gradients.n_features

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        yield torch.from_numpy(self._gradients.compute(X, batch_size))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._gradients.dtype

    def compute(self, X: Any, batch_size: int | None) -> NDArray[Any]:
        return self._gradients.compute(X, batch_size)

    def kernel_error(self, X: Any) -> float:
        return self._gradients.kernel_error(X)


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def make_features(
    view: NetworkView,
    example: Any,
    kind: str,
    *,
    layer: str | None,
    parameters: Sequence[str] | None,
    factored: bool,
    sketch_dim: int | None,
    seed: int,
) -> Features:
    """The features of that kind; the parameters are those of NetworkEmbedding.

    `example` holds a few prepared rows, to find shapes by.
    """
    if kind == "ntk":
        gradients = GradientFeatures(
            view, example, sketch_dim=sketch_dim, parameters=parameters, seed=seed
        )
        return TangentFeatures(view, gradients)
    if kind == "loss_gradient":
        factors = LossGradientFactors(view, example, layer)
        if factored:
            return SideBySide(view, factors)
        if sketch_dim is not None:
            return SketchedOuterProducts(view, factors, sketch_dim, seed)
        return OuterProducts(view, factors)
    values = LayerFeatures(view, example, layer, of_results=kind == "logits")
    return LayerValues(view, values)
