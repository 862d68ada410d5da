"""What goes into and comes out of one layer of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn

from skactive.embedding._inputs import Batch, n_rows
from skactive.embedding._view import NetworkView


class Passage(NamedTuple):
    """One batch on its way through the network."""

    inputs: Tensor  # of the layer, (n_rows, n_inputs)
    results: Tensor  # of the layer, (n_rows, n_results)
    outputs: Tensor  # of the network, (n_rows, n_outputs)


class LayerFeatures:
    """Inputs or results of one layer as features of the rows.

    Parameters
    ----------
    view : NetworkView
    example : inputs as prepared by the view
        A few rows, to find shapes by.
    layer : str or None
        Name of the layer; None finds the last linear one.
    of_results : bool
        Whether to take what the layer gives, not what it gets.
    """

    def __init__(
        self, view: NetworkView, example: Any, layer: str | None, *, of_results: bool
    ) -> None:
        self.layer = find_last_linear(view, example) if layer is None else layer
        self._view = view
        self._module = view.submodule(self.layer, "layer")
        self._of_results = of_results
        self.n_features = next(self.batches(example, n_rows(example))).shape[1]

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        """Features of all rows in order, `batch_size` at a time."""
        for batch in self._view.batches(X, batch_size):
            passage = pass_through(self._view, self._module, self.layer, batch)
            yield passage.results if self._of_results else passage.inputs


def pass_through(view: NetworkView, module: nn.Module, layer: str, batch: Batch) -> Passage:
    """Run a batch and keep what passes the layer, flattened to a row a sample."""
    seen: list[tuple[Any, Any]] = []
    handle = module.register_forward_hook(lambda _module, args, result: seen.append((args, result)))
    try:
        with view.untouched():
            outputs = view.call(batch)
    finally:
        handle.remove()
    if len(seen) != 1:
        raise ValueError(
            f"layer == {layer!r}, must be a module that the network calls once; it was called "
            f"{len(seen)} times. Other modules: {', '.join(map(repr, view.names()))}."
        )
    args, result = seen[0]
    n_samples = len(outputs)
    return Passage(
        _rows_of(args[0] if args else None, n_samples, layer, "gets"),
        _rows_of(result, n_samples, layer, "gives"),
        outputs,
    )


def _rows_of(value: Any, n_samples: int, layer: str, verb: str) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim < 2 or len(value) != n_samples:
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(
            f"layer == {layer!r} {verb} {found}, must be a tensor with one row for each of the "
            f"{n_samples} samples. Name another layer."
        )
    return value.reshape(n_samples, -1)


def find_last_linear(view: NetworkView, example: Any) -> str:
    """Name of the linear layer that makes the network's outputs."""
    calls: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str) -> Any:
        return lambda _module, _args, result: calls.append((name, tuple(result.shape)))

    linear = {n: m for n, m in view.module.named_modules() if isinstance(m, nn.Linear)}
    handles = [module.register_forward_hook(note(name)) for name, module in linear.items()]
    try:
        with view.untouched():
            outputs = view.call(next(view.batches(example, n_rows(example))))
    finally:
        for handle in handles:
            handle.remove()
    # Networks that end in a softmax or scale their logits have as many outputs as the layer.
    names = [name for name, shape in calls if shape == tuple(outputs.shape)]
    if not names or not calls[-1][0] == names[-1] or names.count(names[-1]) > 1 or not names[-1]:
        raise ValueError(
            f"The network's last linear layer, which makes its {outputs.shape[1]} outputs, was not "
            "found. Name the layer whose input (for 'last_layer') or result (for 'logits') is "
            f"meant, layer=...: {', '.join(map(repr, view.names())) or 'it has no modules inside'}."
        )
    return names[-1]
