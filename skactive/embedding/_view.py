"""A network as embeddings see it: something to call that stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from skactive.embedding._inputs import (
    Batch,
    Reader,
    as_array,
    n_rows,
    refuse_sparse,
    take_rows,
)
from skactive.embedding._state import untouched

# Rows in one batch at most: beyond this, larger ones are no faster.
_MAX_BATCH = 512
_FIRST = np.zeros(1, dtype=np.int64)
_LAZY = (UninitializedParameter, UninitializedBuffer)


class NetworkView:
    """A network to run on raw inputs, without any trace left in it.

    Parameters
    ----------
    module : nn.Module
    net : NeuralNet or None
        The fitted skorch net it belongs to.
    preprocess : callable or None
        From the raw inputs to those of the network.
    """

    def __init__(
        self, module: nn.Module, net: Any = None, preprocess: Callable[[Any], Any] | None = None
    ) -> None:
        self.module = module
        self.device, self.dtype = _placement(module)
        self._net = net
        self._preprocess = preprocess
        self._reader = Reader(module, net, self.device, self.dtype)

    @property
    def classes(self) -> NDArray[Any] | None:
        """The labels of the outputs, where the net knows them."""
        classes: NDArray[Any] | None = getattr(self._net, "classes_", None)
        return classes

    @property
    def feature_dtype(self) -> torch.dtype:
        """The type of the parameters, where NumPy has it."""
        return torch.float32 if self.dtype == torch.bfloat16 else self.dtype

    @property
    def is_regressor(self) -> bool:
        """Whether the net says that its outputs are quantities."""
        return self._net is not None and is_regressor(self._net)

    def prepare(self, X: Any) -> Any:
        """Raw inputs as the network itself reads them."""
        if self._preprocess is not None:
            X = self._preprocess(X)
        refuse_sparse(X)
        if self._reads_columns(X):
            X = {name: X[[name]] for name in X.columns}
        X = as_array(X)
        if n_rows(X) == 0:
            raise ValueError("X has no rows, must have at least one. Pass some inputs.")
        return X

    def reads_raw(self, X: Any) -> bool:
        """Whether such inputs are no array to the network: steps come before it, or columns."""
        return self._preprocess is not None or self._reads_columns(X)

    def _reads_columns(self, X: Any) -> bool:
        """Whether a frame stands for arguments of ``forward``, as it does for skorch."""
        if self._net is None or not hasattr(X, "columns"):
            return False
        return set(X.columns) <= set(signature(self.module.forward).parameters)

    def batches(self, X: Any, batch_size: int) -> Iterator[Batch]:
        """Prepared inputs in order, on the network's device."""
        return self._reader.batches(X, batch_size)

    def arguments(self, batch: Batch) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of the module for a batch: copies of its own.

        A module may work on them in place; what it was given is a view of the user's data.
        """
        if isinstance(batch, dict):
            return (), {name: values.detach().clone() for name, values in batch.items()}
        return (batch.detach().clone(),), {}

    def call(self, batch: Batch) -> Tensor:
        """Outputs for a batch, of shape (n_rows, n_outputs)."""
        args, kwargs = self.arguments(batch)
        return self.checked(self.module(*args, **kwargs), batch)

    def checked(self, outputs: Any, batch: Batch) -> Tensor:
        """What the module returned, as a matrix with one finite row a sample."""
        matrix = _as_matrix(outputs, n_rows(batch))
        refuse_infinite(matrix, "outputs")
        return matrix

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Class probabilities from outputs: of shape (n_rows, max(2, n_outputs))."""
        nonlinearity = getattr(self._net, "predict_nonlinearity", None)
        is_probability = isinstance(getattr(self._net, "criterion_", None), nn.BCELoss)
        if callable(nonlinearity):
            outputs, is_probability = _as_matrix(nonlinearity(outputs), len(outputs)), True
        if outputs.shape[1] == 1:
            positive = outputs if is_probability else outputs.sigmoid()
            return torch.cat([1 - positive, positive], 1)
        if self.are_shares(outputs):
            return outputs
        logs = outputs.exp() if bool((outputs <= 0).all()) else outputs
        return logs if self.are_shares(logs) else outputs.softmax(1)

    def are_shares(self, outputs: Tensor) -> bool:
        """Whether the outputs of each row are probabilities that sum to 1."""
        if outputs.shape[1] == 1 or bool((outputs < 0).any()):
            return False
        sums = outputs.sum(1, dtype=torch.promote_types(outputs.dtype, torch.float32))
        return bool(((sums - 1).abs() < self.tolerance).all())

    @property
    def tolerance(self) -> float:
        """How far off probabilities may be by rounding."""
        return max(1e-4, torch.finfo(self.dtype).eps)

    def submodule(self, name: str, parameter: str) -> nn.Module:
        """The module of that name."""
        modules: dict[str, nn.Module] = dict(self.module.named_modules())
        if not isinstance(name, str) or name not in modules or not name:
            raise ValueError(
                f"{parameter} == {name!r}, must be the name of a module of the network: "
                f"{', '.join(map(repr, self.names()))}."
            )
        return modules[name]

    def names(self) -> list[str]:
        """Names of all modules inside."""
        return [name for name, _ in self.module.named_modules() if name]

    def batch_size(self, X: Any, bytes_per_row: float = 0.0) -> int:
        """Rows whose activations, and `bytes_per_row` beside, fit into ``working_memory``."""
        per_row = self._activation_bytes(X) + bytes_per_row
        return int(max(1, min(_MAX_BATCH, get_config()["working_memory"] * 2**20 // per_row)))

    def _activation_bytes(self, X: Any) -> int:
        """What one row makes of numbers on its way through the network."""
        total = 1

        def count(_module: nn.Module, _args: Any, output: Any) -> None:
            nonlocal total
            outputs = output if isinstance(output, (tuple, list)) else [output]
            total += sum(o.numel() * o.element_size() for o in outputs if isinstance(o, Tensor))

        with self.untouched():
            first = next(iter(self.batches(take_rows(X, _FIRST), 1)))
            handles = [
                module.register_forward_hook(count)
                for module in self.module.modules()
                if not isinstance(module, torch.jit.ScriptModule)  # which have no hooks
            ]
            try:
                self.call(first)
            finally:
                for handle in handles:
                    handle.remove()
        return total

    def untouched(self) -> AbstractContextManager[None]:
        """Evaluation mode inside; modes, buffers and random state are as before afterwards.

        Gradients are off; switch them on inside where they are needed.
        """
        return untouched(self.module, self.device)


def view_network(
    network: Any, estimator: Any = None, *, owner: str = "NetworkEmbedding"
) -> NetworkView:
    """The network to use: `network` itself, or where it is None the estimator handed to ``fit``.

    Parameters
    ----------
    network : NeuralNet, nn.Module, Pipeline ending in a net, FrozenEstimator around one, or None
    estimator : the same
        The model of the round before.
    owner : str
        Who asks, for errors.
    """
    if network is None and estimator is None:
        raise NotFittedError(
            f"{owner} has no network: network is None, and fit got no estimator=. Pass a fitted "
            "network, FrozenEstimator(net), or use it in an ActiveLearningLoop that trains one; "
            "there, init_selector picks the first batch, before any network is trained."
        )
    model = estimator if network is None else network
    preprocess = None
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    if isinstance(model, Pipeline):
        preprocess, model = model[:-1].transform if len(model) > 1 else None, model[-1]
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    if isinstance(model, NeuralNet):
        _refuse_unfitted(model, owner)
        return NetworkView(model.module_, model, preprocess)
    if isinstance(model, nn.Module):
        return NetworkView(model, None, preprocess)
    raise TypeError(
        f"network == {model!r}, must be a skorch net, a torch.nn.Module, or a Pipeline or "
        "FrozenEstimator around one. Wrap other models in a module, or compute their features "
        "beforehand."
    )


def _refuse_unfitted(net: Any, owner: str) -> None:
    if not getattr(net, "initialized_", False):
        raise NotFittedError(
            f"{owner} got a {type(net).__name__} that is not fitted. Where it was fitted, "
            "scikit-learn's clone has dropped its weights: wrap the fitted net, "
            "network=sklearn.frozen.FrozenEstimator(net)."
        )


def _placement(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating-point type of the parameters."""
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    lazy = [name for name, p in tensors.items() if isinstance(p, _LAZY)]
    if lazy:
        raise ValueError(
            f"The network's tensor {lazy[0]!r} has no shape yet. Run the lazy module on one "
            "batch first."
        )
    places: dict[torch.device, str] = {}
    for name, tensor in tensors.items():
        places.setdefault(tensor.device, name)
    if len(places) > 1:
        raise ValueError(
            "The network must be on one device; got "
            + ", ".join(f"{name!r} on {device}" for device, name in places.items())
            + ". Move it with .to(device)."
        )
    device = next(iter(places), torch.device("cpu"))
    kinds = [t.dtype for t in module.parameters() if t.is_floating_point()]
    return device, kinds[0] if kinds else torch.float32


def refuse_infinite(matrix: Tensor, what: str) -> None:
    """Raise ValueError for NaN or infinity, with the row."""
    bad = (~matrix.detach().isfinite().all(1)).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"The network's {what} must be finite; got NaN or infinity for {len(bad)} of "
            f"{len(matrix)} rows of a batch, first in its row {bad[0]}. Look for NaN in X and "
            "for diverged weights."
        )


def _as_matrix(outputs: Any, n_samples: int) -> Tensor:
    if isinstance(outputs, (tuple, list)) and outputs:
        outputs = outputs[0]  # as skorch reads them
    if not isinstance(outputs, Tensor) or outputs.ndim not in (1, 2) or len(outputs) != n_samples:
        found = (
            f"a tensor of shape {tuple(outputs.shape)}"
            if isinstance(outputs, Tensor)
            else f"a {type(outputs).__name__}"
        )
        raise ValueError(
            f"The network must return a tensor of shape (n_samples, n_outputs), here with "
            f"{n_samples} rows; got {found}. Wrap it in a module that does, for instance with "
            "nn.Flatten at its end."
        )
    return outputs.reshape(n_samples, -1)
