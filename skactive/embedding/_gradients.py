"""Gradients of the outputs of a network with respect to its parameters, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from skactive.embedding._gradients_engines import (
    Engine,
    HookEngine,
    LoopEngine,
    VmapEngine,
)
from skactive.embedding._gradients_factors import Factor
from skactive.embedding._gradients_layers import rule_of
from skactive.embedding._inputs import Batch, n_rows, take_rows
from skactive.embedding._rows_apart import is_close, refuse_mixed_rows
from skactive.embedding._view import NetworkView

# Rows on which the fast ways are compared with plain autograd, and how many numbers they may have.
_MIN_PROBED, _MAX_PROBED = 3, 8
_PROBED_NUMBERS = 2**24


class Gradients:
    """Per-row gradients by the fastest way that proves right on a few rows.

    Parameters
    ----------
    view : NetworkView
    example : prepared inputs
        The first rows are tried.
    parameters : list of str or None, default=None
        Names of parameters, or of modules with all inside; None: those that require gradients.

    Attributes
    ----------
    n_parameters : int
        Columns: entries of all these parameters, in their order in the module.
    n_outputs : int
    """

    def __init__(
        self, view: NetworkView, example: Any, parameters: Sequence[str] | None = None
    ) -> None:
        self.view = view
        self._wanted = _selected(view.module, parameters)
        sizes = [parameter.numel() for parameter in self._wanted.values()]
        starts = np.cumsum([0, *sizes])[:-1].tolist()
        self.columns = dict(zip(self._wanted, starts, strict=True))
        self.n_parameters = sum(sizes)
        with self.session():
            n_probed = _PROBED_NUMBERS // self.n_parameters
            n_probed = min(n_rows(example), max(_MIN_PROBED, min(_MAX_PROBED, n_probed)))
            # A single row comes twice: what a layer reads as one row need not be this one.
            numbers = np.arange(max(2, n_probed)) % n_rows(example)
            batch = next(iter(view.batches(take_rows(example, numbers), len(numbers))))
            outputs = self._checked_outputs(batch)
            self.n_outputs = outputs.shape[1]
            self._engines = self._choose(batch, outputs)
            self._probe = batch

    @contextmanager
    def session(self) -> Iterator[None]:
        """Around all use: the network is left as it was found."""
        wanted = set(self._wanted.values())
        with self.view.untouched(), sdpa_kernel(SDPBackend.MATH):
            flags = {p: p.requires_grad for p in self.view.module.parameters()}
            fused = torch.backends.mha.get_fastpath_enabled()
            try:
                for parameter, flag in flags.items():
                    if flag != (parameter in wanted):
                        parameter.requires_grad_(not flag)
                torch.backends.mha.set_fastpath_enabled(False)  # it has no gradients
                yield
            finally:
                torch.backends.mha.set_fastpath_enabled(fused)
                for parameter, flag in flags.items():
                    if flag != parameter.requires_grad:
                        parameter.requires_grad_(flag)

    def factors(self, batch: Batch, cotangents: Tensor) -> Iterator[Factor]:
        """Gradients of weighted sums of the outputs, a layer at a time, inside of a session.

        Parameters
        ----------
        batch : as from ``view.batches``
        cotangents : tensor of shape (k, n_outputs) or (n, k, n_outputs)
            The weights, the same for all rows or not.
        """
        if cotangents.ndim == 2:
            cotangents = cotangents.expand(n_rows(batch), *cotangents.shape)
        cotangents = cotangents.to(self.view.device, self.view.dtype)
        for engine in self._engines:
            yield from engine.factors(batch, cotangents)

    def bytes_per_row(self, needs: Callable[[Factor], int]) -> tuple[int, int]:
        """Memory for one row and one cotangent, inside of a session.

        Parameters
        ----------
        needs : callable
            How many numbers the use of a factor needs.

        Returns
        -------
        passing, total : int
            Bytes needed on the way to a factor, and those that all factors need.
        """
        n, passing = n_rows(self._probe), 0
        for engine in self._engines:
            if isinstance(engine, HookEngine):
                passing += sum(call.n_numbers for call in engine.run(self._probe)[1])
            else:  # all at once, as they come and flat
                passing += 2 * n * sum(self._wanted[name].numel() for name in engine.columns)
        numbers = []
        largest = 0
        for factor in self.factors(self._probe, torch.ones(1, self.n_outputs)):
            numbers.append(needs(factor))
            largest = max(largest, factor.n_numbers() + numbers[-1])
        size = max(4, self.view.dtype.itemsize)
        return size * (passing + largest) // n, size * sum(numbers) // n

    def _checked_outputs(self, batch: Batch) -> Tensor:
        """Outputs of the first rows, which depend on the parameters but not on each other."""
        with torch.enable_grad():
            outputs = self.view.call(batch)
        self._refuse_unused(outputs)
        outputs = outputs.detach()
        refuse_mixed_rows("outputs", batch, outputs, self.view.call)
        return outputs

    def _refuse_unused(self, outputs: Tensor) -> None:
        found: Sequence[Tensor | None] = []
        if outputs.requires_grad:
            wanted = list(self._wanted.values())
            ones = torch.ones_like(outputs)
            found = torch.autograd.grad(outputs, wanted, ones, allow_unused=True)
        if all(gradient is None for gradient in found):
            raise ValueError(
                "The network's outputs do not depend on the parameters chosen: "
                f"{', '.join(map(repr, self._wanted))}. Name others in parameters=."
            )

    def _choose(self, batch: Batch, outputs: Tensor) -> list[Engine]:
        """Hooks where they are right, else torch.func where it works, else a loop."""
        generator = torch.Generator().manual_seed(0)
        weights = torch.randn(len(outputs), 1, outputs.shape[1], generator=generator)
        weights = weights.to(outputs)
        truth = self._rows(LoopEngine(self.view, self.columns), batch, weights)
        if not truth.isfinite().all():
            raise ValueError(
                "The network's gradients must be finite; got NaN or infinity in the first rows of "
                "X. Look for roots and logarithms of zero in the network."
            )

        def wrong(engine: Engine) -> dict[str, int]:
            found = self._rows(engine, batch, weights)
            return {
                name: start
                for name, start in engine.columns.items()
                if not is_close(
                    found[:, start : start + self._wanted[name].numel()],
                    truth[:, start : start + self._wanted[name].numel()],
                    # Gradients that ought to cancel leave rounding errors.
                    truth.norm() / 1000,
                )
            }

        engines: list[Engine] = []
        hooks = self._hook_engine(batch)
        hooked = _without(hooks.columns, wrong(hooks))
        if hooked:
            engines.append(HookEngine(self.view, hooked))
        rest = _without(self.columns, hooked)
        if rest:
            vmap = VmapEngine(self.view, rest)
            try:
                is_right = not wrong(vmap)
            except Exception:  # of many kinds; autograd, which has just run, needs no vmap
                is_right = False
            engines.append(vmap if is_right else LoopEngine(self.view, rest))
        return engines

    def _hook_engine(self, batch: Batch) -> HookEngine:
        """The hooks for all layers that read the rows of a batch along their first axis."""
        columns = {}
        owners = Counter(id(p) for m in self.view.module.modules() for p in m.parameters(False))
        for layer, module in self.view.module.named_modules():
            for name, parameter in module.named_parameters(layer, recurse=False):
                if name in self.columns and rule_of(module) and owners[id(parameter)] == 1:
                    columns[name] = self.columns[name]
        _, calls = HookEngine(self.view, columns).run(batch)
        apart = {call.layer for call in calls if not call.is_rowwise(batch)}
        rowwise = {n: start for n, start in columns.items() if n.rpartition(".")[0] not in apart}
        return HookEngine(self.view, rowwise)

    def _rows(self, engine: Engine, batch: Batch, weights: Tensor) -> Tensor:
        """All gradients of one weighted sum of the outputs, of shape (n, n_parameters)."""
        rows: Tensor | None = None
        for factor in engine.factors(batch, weights):
            for start, values in factor.pieces():
                if rows is None:
                    rows = values.new_zeros(len(values), self.n_parameters)
                rows[:, start : start + values.shape[2]] = values[:, 0]
        return torch.zeros(len(weights), self.n_parameters) if rows is None else rows


def _selected(module: nn.Module, parameters: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """The parameters that count, in their order in the module."""
    floating = {n: p for n, p in module.named_parameters() if p.is_floating_point()}
    if parameters is None:
        trainable = {n: p for n, p in floating.items() if p.requires_grad}
        if not trainable:
            raise ValueError(
                "The network must have parameters that require gradients; got "
                f"{len(floating)} frozen ones. Name those to use in parameters=."
            )
        return trainable
    if isinstance(parameters, str) or len(parameters) == 0:
        raise ValueError(
            f"parameters == {parameters!r}, must be None or a list of names of parameters or "
            "modules. None stands for all that require gradients."
        )
    prefixes = {n[:i] for n in floating for i in range(1, len(n) + 1) if n[i : i + 1] in (".", "")}
    unknown = [name for name in parameters if name not in prefixes]
    if unknown:
        raise ValueError(
            f"parameters has {unknown[0]!r}, must hold names of parameters of the network, or of "
            f"modules that have some: {', '.join(map(repr, sorted(prefixes)))}."
        )
    return {
        name: parameter
        for name, parameter in floating.items()
        if any(f"{name}.".startswith(f"{chosen}.") for chosen in parameters)
    }


def _without(columns: Mapping[str, int], others: Mapping[str, int]) -> dict[str, int]:
    return {name: start for name, start in columns.items() if name not in others}
