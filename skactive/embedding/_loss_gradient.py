"""Gradients of the cross-entropy at the predicted label, with respect to the last layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skactive.embedding._inputs import Batch, n_rows
from skactive.embedding._layers import Passage, find_last_linear, pass_through
from skactive.embedding._rows_apart import refuse_mixed_rows
from skactive.embedding._view import NetworkView


class Factors(NamedTuple):
    """The two factors of a row's gradient, which is their outer product."""

    errors: Tensor  # (n_rows, n_outputs): p - e, the gradient with respect to the logits
    inputs: Tensor  # (n_rows, n_inputs): what the layer gets


class LossGradientFactors:
    """p − e and h of every row, whose outer product is the gradient by the layer's weights.

    Parameters
    ----------
    view : NetworkView
    example : inputs as prepared by the view
        A few rows, to find shapes by.
    layer : str or None
        Name of a linear layer; None finds the last one.
    """

    def __init__(self, view: NetworkView, example: Any, layer: str | None) -> None:
        if view.is_regressor:
            raise ValueError(
                "kind == 'loss_gradient' needs the class probabilities of a classifier; got a "
                "regression net. Use kind='last_layer' or kind='ntk'."
            )
        self.layer = find_last_linear(view, example) if layer is None else layer
        self._view = view
        self._module = view.submodule(self.layer, "layer")
        if not isinstance(self._module, nn.Linear):
            raise ValueError(
                f"layer == {self.layer!r} is a {type(self._module).__name__}, must be linear for "
                "kind='loss_gradient'. Use kind='ntk' with parameters=[...] for other layers."
            )
        batch = next(view.batches(example, n_rows(example)))
        passage = self._pass(batch)
        # Not the errors, which jump where two classes are as likely as each other.
        refuse_mixed_rows(
            f"features of layer {self.layer!r}",
            batch,
            torch.cat([passage.inputs, passage.results], 1),
            self._both_sides,
        )
        self.widths = passage.results.shape[1], passage.inputs.shape[1]

    def batches(self, X: Any, batch_size: int) -> Iterator[Factors]:
        """Factors of all rows in order, `batch_size` at a time."""
        dtype = self._view.feature_dtype
        for batch in self._view.batches(X, batch_size):
            passage = self._pass(batch)
            errors = self._errors(passage, batch)
            yield Factors(errors.to(dtype), passage.inputs.to(dtype))

    def _pass(self, batch: Batch) -> Passage:
        return pass_through(self._view, self._module, self.layer, batch)

    def _both_sides(self, batch: Batch) -> Tensor:
        passage = self._pass(batch)
        return torch.cat([passage.inputs, passage.results], 1)

    def _errors(self, passage: Passage, batch: Batch) -> Tensor:
        """Gradients of the loss by the layer's results."""
        probabilities = self._view.probabilities(passage.outputs)
        predicted = probabilities.argmax(1)
        logits = passage.results.to(probabilities.dtype)
        tolerance = self._view.tolerance
        if logits.shape[1] == 1:
            closed = logits.sigmoid()
            if torch.allclose(closed, probabilities[:, 1:], atol=tolerance):
                return closed - predicted[:, None]
        elif logits.shape == probabilities.shape and torch.allclose(
            logits.softmax(1), probabilities, atol=tolerance
        ):
            return probabilities - nn.functional.one_hot(predicted, logits.shape[1])
        return self._differentiated(batch, predicted)

    def _differentiated(self, batch: Batch, predicted: Tensor) -> Tensor:
        """The same where more than a softmax comes after the layer."""
        cut: list[Tensor] = []

        def restart(_module: nn.Module, _args: Any, result: Tensor) -> Tensor:
            cut.append(result.detach().requires_grad_())
            return cut[-1]

        with self._view.untouched(), torch.enable_grad():
            handle = self._module.register_forward_hook(restart)
            try:
                probabilities = self._view.probabilities(self._view.call(batch))
            finally:
                handle.remove()
            likelihood = probabilities.gather(1, predicted[:, None])
            (errors,) = torch.autograd.grad(-likelihood.log().sum(), cut[0])
        return errors
