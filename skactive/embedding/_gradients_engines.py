"""Three ways to the gradients of each row of a batch, from the fastest to the most general.

Each takes a batch and its cotangents, of shape (n, k, n_outputs): the weights of the k sums of
outputs whose gradients are wanted, for every row.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from skactive.embedding._gradients_factors import Dense, Factor
from skactive.embedding._gradients_layers import rule_of
from skactive.embedding._inputs import Batch, n_rows, single_rows
from skactive.embedding._view import NetworkView


class Engine(ABC):
    """Gradients with respect to some parameters.

    Parameters
    ----------
    view : NetworkView
    columns : dict from the names of the parameters to their first columns
    """

    def __init__(self, view: NetworkView, columns: Mapping[str, int]) -> None:
        self._view = view
        self.columns = columns

    @abstractmethod
    def factors(self, batch: Batch, cotangents: Tensor) -> Iterator[Factor]:
        """The gradients, a layer at a time; what is left out is zero."""


class Call(NamedTuple):
    """One call of a layer."""

    layer: str
    input: Tensor
    output: GradientEdge
    n_numbers: int  # at the output

    def is_rowwise(self, batch: Batch) -> bool:
        """Whether the layer saw the rows of the batch along its first axis."""
        return self.input.ndim > 0 and len(self.input) == n_rows(batch)


class HookEngine(Engine):
    """Layer by layer, from the inputs of the layers and the gradients at their outputs.

    One forward pass and k backward passes for a whole batch, without gradients of weights.
    """

    def __init__(self, view: NetworkView, columns: Mapping[str, int]) -> None:
        super().__init__(view, columns)
        self._modules = dict(view.module.named_modules())
        self._columns: dict[str, dict[str, int]] = {}  # of each layer
        for name, start in columns.items():
            layer, _, parameter = name.rpartition(".")
            self._columns.setdefault(layer, {})[parameter] = start

    def factors(self, batch: Batch, cotangents: Tensor) -> Iterator[Factor]:
        outputs, calls = self.run(batch)
        if not calls:
            return
        apart = [call.layer for call in calls if not call.is_rowwise(batch)]
        if apart:
            raise RuntimeError(
                f"The layer {apart[0]!r} got one input for each row of the first batch, but not of "
                f"this one of {n_rows(batch)} rows. Leave its parameters out of parameters=."
            )
        edges = [call.output for call in calls]
        passes = []
        for j in range(cotangents.shape[1]):
            is_last = j == cotangents.shape[1] - 1
            passes.append(
                torch.autograd.grad(
                    outputs, edges, cotangents[:, j], retain_graph=not is_last, allow_unused=True
                )
            )
        # Later layers were called later: their inputs are freed before those of the earlier ones.
        for layer in dict.fromkeys(call.layer for call in reversed(calls)):
            yield from self._of_layer(layer, calls, passes)

    def _of_layer(
        self, layer: str, calls: Sequence[Call], passes: Sequence[Sequence[Tensor | None]]
    ) -> Iterator[Factor]:
        module = self._modules[layer]
        rule = rule_of(module)
        found: dict[int, Factor] = {}
        for i, call in enumerate(calls):
            gradients = [of_outputs[i] for of_outputs in passes]
            if call.layer != layer or rule is None or any(g is None for g in gradients):
                continue
            left = torch.stack([_wide(g) for g in gradients if g is not None], 1)
            for factor in rule(module, _wide(call.input), left, self._columns[layer]):
                before = found.get(factor.start)
                found[factor.start] = factor if before is None else before.joined(factor)
        yield from found.values()

    def run(self, batch: Batch) -> tuple[Tensor, list[Call]]:
        """Outputs, and the calls of layers on the way to them."""
        calls: list[Call] = []

        def recorder(layer: str) -> Any:
            def record(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
                # The edge stays that of this output even if it is overwritten in place.
                if isinstance(output, Tensor) and output.requires_grad:
                    x = args[0] if args else next(iter(kwargs.values()))
                    edge = get_gradient_edge(output)
                    calls.append(Call(layer, x.detach(), edge, output.numel()))

            return record

        handles = [
            self._modules[layer].register_forward_hook(
                recorder(layer), prepend=True, with_kwargs=True
            )
            for layer in self._columns
        ]
        try:
            with torch.enable_grad():
                outputs = self._view.call(batch)
        finally:
            for handle in handles:
                handle.remove()
        return outputs, calls


class VmapEngine(Engine):
    """All rows at once by torch.func, for whatever it can vectorise."""

    def factors(self, batch: Batch, cotangents: Tensor) -> Iterator[Factor]:
        everything = dict(self._view.module.named_parameters())
        parameters = {name: everything[name].detach() for name in self.columns}

        def outputs(values: dict[str, Tensor], row: Batch) -> Tensor:
            args, kwargs = self._view.arguments(_alone(row))
            result = torch.func.functional_call(self._view.module, values, args, kwargs)
            flat: Tensor = (result[0] if isinstance(result, (tuple, list)) else result).reshape(-1)
            return flat

        def weighted(values: dict[str, Tensor], row: Batch, weights: Tensor) -> Tensor:
            return (outputs(values, row) * weights).sum()

        # One sum of outputs after the other: nested, torch's rules for some operations (PReLU's
        # in torch 2.13) mix up the two axes.
        gradient = torch.func.vmap(torch.func.grad(weighted), in_dims=(None, 0, 0))
        with warnings.catch_warnings():
            # An operation without a batching rule is slow, but no slower than a loop.
            warnings.filterwarnings("ignore", message="There is a performance drop")
            sums = [gradient(parameters, batch, weights) for weights in cotangents.unbind(1)]
        for name, start in self.columns.items():
            values = torch.stack([found[name].detach() for found in sums], 1)
            yield Dense(start, _wide(values).flatten(2))


class LoopEngine(Engine):
    """Row after row by plain autograd."""

    def factors(self, batch: Batch, cotangents: Tensor) -> Iterator[Factor]:
        everything = dict(self._view.module.named_parameters())
        parameters = [everything[name] for name in self.columns]
        rows = [
            self._row(row, weights, parameters)
            for row, weights in zip(single_rows(batch), cotangents, strict=True)
        ]
        for i, start in enumerate(self.columns.values()):
            yield Dense(start, torch.stack([row[i] for row in rows]))

    def _row(self, row: Batch, weights: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
        with torch.enable_grad():
            outputs = self._view.call(row)[0]
        flat: list[list[Tensor]] = [[] for _ in parameters]
        for w in weights:
            found: Sequence[Tensor | None] = [None] * len(parameters)
            if outputs.requires_grad:
                found = torch.autograd.grad(
                    outputs, parameters, w, retain_graph=True, allow_unused=True
                )
            for parts, gradient, parameter in zip(flat, found, parameters, strict=True):
                dense = torch.zeros_like(parameter) if gradient is None else gradient.to_dense()
                parts.append(_wide(dense.detach()).flatten())
        return [torch.stack(parts) for parts in flat]


def _alone(row: Batch) -> Batch:
    if isinstance(row, dict):
        return {name: values[None] for name, values in row.items()}
    return row[None]


def _wide(values: Tensor) -> Tensor:
    """Half precision is too coarse for what follows."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
