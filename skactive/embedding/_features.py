"""The kinds of network features behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from skactive.embedding._layers import LayerFeatures
from skactive.embedding._loss_gradient import LossGradientFactors
from skactive.embedding._view import NetworkView


class Features(ABC):
    """Features of rows, batch by batch."""

    n_features: int
    layer: str | None = None  # the layer they come from
    bytes_per_row: float = 0.0  # held beside the activations of a batch

    @abstractmethod
    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        """Features of all rows in order."""


class LayerValues(Features):
    """What a layer gets or gives."""

    def __init__(self, values: LayerFeatures) -> None:
        self._values = values
        self.n_features, self.layer = values.n_features, values.layer

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        return self._values.batches(X, batch_size)


class SideBySide(Features):
    """The factors of the loss gradients."""

    def __init__(self, factors: LossGradientFactors) -> None:
        self._factors = factors
        self.n_features, self.layer = sum(factors.widths), factors.layer

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        for errors, inputs in self._factors.batches(X, batch_size):
            yield torch.cat([errors, inputs], 1)


class OuterProducts(Features):
    """The loss gradients themselves."""

    def __init__(self, factors: LossGradientFactors) -> None:
        self._factors = factors
        self.n_features = factors.widths[0] * factors.widths[1]
        self.layer = factors.layer
        self.bytes_per_row = 8.0 * self.n_features

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        for errors, inputs in self._factors.batches(X, batch_size):
            yield (errors[:, :, None] * inputs[:, None, :]).flatten(1)


class TangentFeatures(Features):
    """Gradients of the summed outputs by the parameters."""

    def __init__(self, gradients: Any) -> None:
        self._gradients = gradients
        self.n_features = gradients.n_features

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        yield torch.from_numpy(self._gradients.compute(X, batch_size))

    def kernel_error(self, X: Any) -> float:
        return float(self._gradients.kernel_error(X))


def make_features(
    view: NetworkView,
    example: Any,
    kind: str,
    *,
    layer: str | None,
    parameters: Iterable[str] | None,
    factored: bool,
    sketch_dim: int | None,
    seed: int,
) -> Features:
    """The features of that kind; the parameters are those of NetworkEmbedding.

    `example` holds a few prepared rows, to find shapes by.
    """
    if kind == "ntk":
        from skactive.embedding._gradient_features import GradientFeatures

        return TangentFeatures(
            GradientFeatures(view, example, sketch_dim=sketch_dim, parameters=parameters, seed=seed)
        )
    if kind == "loss_gradient":
        factors = LossGradientFactors(view, example, layer)
        return SideBySide(factors) if factored else OuterProducts(factors)
    return LayerValues(LayerFeatures(view, example, layer, of_results=kind == "logits"))
