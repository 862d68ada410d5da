"""Copies of a pretrained network, trained on labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from skorch import NeuralNet, NeuralNetBinaryClassifier
from torch import Tensor, nn

from skactive.embedding._inputs import native_copy
from skactive.finetuning._linear_probe import LinearProbeFineTune


class Tuner:
    """Trains copies of a net, each from the same pretrained weights.

    Parameters
    ----------
    network : NeuralNetClassifier
        Its module is an instance with pretrained weights. Never trained itself.
    random_state : RandomState
        Seeds torch for each training; torch's own random state is left as it was.
    """

    def __init__(self, network: Any, random_state: np.random.RandomState) -> None:
        _check_network(network)
        self._network = network
        self._random_state = random_state
        self._pretrained = clone(network).initialize()
        self.n_finetunings = 0

    @property
    def pretrained(self) -> nn.Module:
        """The module with its pretrained weights, on the device of the net."""
        module: nn.Module = self._pretrained.module_
        return module

    def tune(
        self,
        X: NDArray[Any],
        codes: NDArray[np.int64],
        probe: LinearProbeFineTune | None = None,
    ) -> NeuralNet:
        """A copy trained on all of it; with a probe, its epochs come before those of the net.

        Parameters
        ----------
        X : ndarray of shape (n_samples, ...)
        codes : ndarray of shape (n_samples,)
            Classes as the positions of the network's outputs.
        probe : LinearProbeFineTune or None
        """
        net = clone(self._network)
        if probe is not None:
            _add_probe(net, probe)
        inputs = as_inputs(self.pretrained, X)
        is_binary = isinstance(net, NeuralNetBinaryClassifier)
        seed = int(self._random_state.randint(np.iinfo(np.int32).max))
        device = next((p.device for p in self.pretrained.parameters()), torch.device("cpu"))
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            self._check_outputs(inputs[:1], int(codes.max()) + 1)
            net.fit(inputs, codes.astype(np.float32 if is_binary else np.int64))
        self.n_finetunings += 1
        return net

    def _check_outputs(self, inputs: Tensor, n_classes: int) -> None:
        n_outputs = self._pretrained.predict_proba(inputs).shape[1]
        if n_outputs < n_classes:
            raise ValueError(
                f"network has {n_outputs} outputs, but there are {n_classes} classes. Give its "
                "last layer an output for every class before passing it in."
            )


def as_inputs(module: nn.Module, X: NDArray[Any]) -> Tensor:
    """Numbers in the floating-point type of the module; indices of embedding tables stay."""
    tensor = torch.from_numpy(native_copy(X))  # the array may be read-only
    reads_indices = any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in module.modules())
    if reads_indices and not tensor.is_floating_point():
        return tensor
    kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
    return tensor.to(kinds[0] if kinds else torch.float32)


def _add_probe(net: NeuralNet, probe: LinearProbeFineTune) -> None:
    """Let a net probe before all the epochs it has."""
    net.max_epochs += probe.probe_epochs
    disabled = isinstance(net.callbacks, str)  # "disable" would disable the probe too
    net.callbacks = [*(() if disabled else net.callbacks or ()), ("linear_probe", clone(probe))]
    if disabled:
        net.set_params(**{f"callbacks__{name}": None for name, _ in net.get_default_callbacks()})


def _check_network(network: Any) -> None:
    remedy = "for instance NeuralNetClassifier(module, criterion=torch.nn.CrossEntropyLoss)"
    if not isinstance(network, NeuralNet) or not is_classifier(network):
        raise TypeError(
            f"network == {network!r}, must be a skorch classifier around a module with pretrained "
            f"weights, {remedy}."
        )
    if not isinstance(network.module, nn.Module):
        raise ValueError(
            f"network.module == {network.module!r}, must be a module instance with pretrained "
            f"weights, {remedy}. The module of a fitted net is net.module_."
        )
    options = network.get_params_for("module")
    if options:
        raise ValueError(
            f"network has parameters of the module, {sorted(options)}: skorch would make a new "
            "module from them, without the pretrained weights. Leave module__... out."
        )
