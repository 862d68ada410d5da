"""What goes into and comes out of one layer of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor, nn

from skactive.embedding._inputs import Batch, n_rows
from skactive.embedding._rows_apart import refuse_mixed_rows
from skactive.embedding._view import NetworkView, refuse_infinite


class Passage(NamedTuple):
    """One batch on its way through the network."""

    layer: str
    given: Any  # what the layer got
    returned: Any  # what it gave
    outputs: Tensor  # of the network, (n_rows, n_outputs)

    @property
    def inputs(self) -> Tensor:
        """Inputs of the layer, of shape (n_rows, n_inputs)."""
        return _rows_of(self.given, len(self.outputs), self.layer, "gets")

    @property
    def results(self) -> Tensor:
        """Results of the layer, of shape (n_rows, n_results)."""
        return _rows_of(self.returned, len(self.outputs), self.layer, "gives")


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
        batch = next(view.batches(example, n_rows(example)))
        features = self._compute(batch)
        refuse_mixed_rows(f"features of layer {self.layer!r}", batch, features, self._compute)
        self.n_features = features.shape[1]

    def batches(self, X: Any, batch_size: int) -> Iterator[Tensor]:
        """Features of all rows in order, `batch_size` at a time."""
        for batch in self._view.batches(X, batch_size):
            yield self._compute(batch)

    def _compute(self, batch: Batch) -> Tensor:
        passage = pass_through(self._view, self._module, self.layer, batch)
        features = passage.results if self._of_results else passage.inputs
        features = features.to(self._view.feature_dtype)
        refuse_infinite(features, f"features of layer {self.layer!r}")
        return features


def pass_through(view: NetworkView, module: nn.Module, layer: str, batch: Batch) -> Passage:
    """Run a batch and keep what passes the layer, flattened to a row a sample."""
    seen: list[tuple[Any, Any]] = []

    def note(_module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        given = args[0] if args else next(iter(kwargs.values()), None)
        seen.append((_copied(given), _copied(result)))

    with view.untouched():
        handle = module.register_forward_hook(note, with_kwargs=True)
        try:
            outputs = view.call(batch)
        finally:
            handle.remove()
    if len(seen) != 1:
        raise ValueError(
            f"layer == {layer!r}, must be a module that the network calls once; it was called "
            f"{len(seen)} times. Other modules: {', '.join(map(repr, view.names()))}."
        )
    return Passage(layer, *seen[0], outputs)


def _copied(value: Any) -> Any:
    """As it is now: later layers may work in place."""
    return value.clone() if isinstance(value, Tensor) else value


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
    with view.untouched():
        handles = [module.register_forward_hook(note(name)) for name, module in linear.items()]
        try:
            outputs = view.call(next(view.batches(example, n_rows(example))))
        finally:
            for handle in handles:
                handle.remove()
    none = "it has no modules inside, put it into a torch.nn.Sequential"
    # Networks that end in a softmax or scale their logits have as many outputs as the layer.
    names = [name for name, shape in calls if shape == tuple(outputs.shape)]
    if not names or not calls[-1][0] == names[-1] or names.count(names[-1]) > 1 or not names[-1]:
        raise ValueError(
            f"The network's last linear layer, which makes its {outputs.shape[1]} outputs, was not "
            "found. Name the layer whose input (for 'last_layer') or result (for 'logits') is "
            f"meant, NetworkEmbedding(layer=...): {', '.join(map(repr, view.names())) or none}."
        )
    return names[-1]
