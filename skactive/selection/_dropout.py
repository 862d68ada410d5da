"""A network with dropout as an ensemble of networks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skactive.embedding._inputs import Batch
from skactive.embedding._view import view_network

_WHOLE_CHANNELS = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout)
_LAYERS = (nn.Dropout, nn.AlphaDropout, *_WHOLE_CHANNELS)
# The limit of SELU for large negative inputs, which is what alpha dropout puts for a zero.
_SELU_FLOOR = -1.0507009873554805 * 1.6732632423543772


class DropoutMembers:
    """Forward passes of a network with dropout; each pass is one member.

    A member keeps its mask for all rows, so that it is one network, whatever the batches are.
    All other layers are in evaluation mode.

    Parameters
    ----------
    model : skorch net, or Pipeline or FrozenEstimator around one
        Fitted.
    n_members : int
    seed : int
    owner : str
        Who asks, for errors.
    """

    def __init__(self, model: Any, n_members: int, seed: int, owner: str) -> None:
        self._view = view_network(model, owner=owner)
        self._n_members = n_members
        self._seed = seed
        modules = self._view.module.modules()
        self._layers = [layer for layer in modules if isinstance(layer, _LAYERS) and layer.p > 0]
        if not self._layers:
            raise ValueError(
                f"{owner} asks a network with different dropout masks, but {model!r} has no "
                "dropout modules with p > 0. Add torch.nn.Dropout layers (dropout by "
                "torch.nn.functional cannot be seen), or pass an ensemble or a list of "
                "classifiers as estimator."
            )

    def __call__(self, batch: Any) -> Iterator[NDArray[Any]]:
        """Class probabilities by each member, of shape (n_rows, n_classes)."""
        X = self._view.prepare(batch)
        with self._view.untouched():
            pieces = [
                self._passes(piece) for piece in self._view.batches(X, self._view.batch_size(X))
            ]
        return iter([np.concatenate(parts) for parts in zip(*pieces, strict=True)])

    def _passes(self, piece: Batch) -> list[NDArray[Any]]:
        values = []
        for member in range(self._n_members):
            with self._masks(member):
                probabilities = self._view.probabilities(self._view.call(piece))
            values.append(probabilities.to(self._view.feature_dtype).cpu().numpy())
        return values

    @contextmanager
    def _masks(self, member: int) -> Iterator[None]:
        """Forward passes inside are those of one member."""
        calls: Counter[int] = Counter()

        def hook(number: int, layer: Any, output: Tensor) -> Tensor:
            calls[number] += 1
            key = [self._seed, member, number, calls[number]]
            return _dropped(layer, output, np.random.default_rng(key))

        handles = [
            layer.register_forward_hook(
                lambda layer, _args, output, number=number: hook(number, layer, output)
            )
            for number, layer in enumerate(self._layers)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _dropped(layer: Any, values: Tensor, rng: np.random.Generator) -> Tensor:
    """What the layer makes of values in training mode, with one mask for all rows."""
    shape = values.shape[1:]
    if isinstance(layer, _WHOLE_CHANNELS):
        shape = torch.Size([*shape[:1], *[1] * (values.ndim - 2)])
    p = float(layer.p)
    kept = torch.from_numpy(rng.random(tuple(shape)) >= p).to(values)
    if not isinstance(layer, (nn.AlphaDropout, nn.FeatureAlphaDropout)):
        return values * kept / (1 - p) if p < 1 else torch.zeros_like(values)
    if p == 1:
        return torch.zeros_like(values)
    # Scaled and shifted so that mean and variance stay (Klambauer et al., 2017, section 2).
    scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_FLOOR**2))
    mixed: Tensor = torch.where(kept > 0, values, _SELU_FLOOR)
    return scale * (mixed - p * _SELU_FLOOR)
