"""Networks lent for a while and given back as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Modes, hooks and some of torch's switches hold for all threads at once.
_IN_USE = threading.RLock()


@contextmanager
def untouched(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode inside, without gradients and autocast; one thread at a time.

    Modes, buffers, tensors kept as attributes and torch's random state are as before
    afterwards, and so are tables that reading renormalises.
    """
    with _IN_USE:
        # Not by eval(): where a class has its own, its effects on weights would stay.
        modes = {inner: inner.training for inner in module.modules()}
        held = {inner: _tensors_of(inner) for inner in modes}
        values = [
            (tensor, tensor.detach().clone())
            for tensor in (*module.buffers(), *_renormalised_tables(module))
        ]
        devices = [device] if device.type == "cuda" else []
        with (
            torch.random.fork_rng(devices),
            torch.inference_mode(False),
            torch.no_grad(),
            torch.autocast(device.type, enabled=False),
        ):
            try:
                for inner in modes:
                    inner.training = False
                yield
            finally:
                for inner, training in modes.items():
                    inner.training = training
                    _put_back(inner, held[inner])
                for tensor, saved in values:
                    if not torch.equal(tensor, saved):
                        tensor.copy_(saved)


def _renormalised_tables(module: nn.Module) -> Iterator[Tensor]:
    for inner in module.modules():
        if isinstance(inner, (nn.Embedding, nn.EmbeddingBag)) and inner.max_norm is not None:
            yield inner.weight


def _tensors_of(module: nn.Module) -> dict[str, Any]:
    """Buffers, and tensors that are plain attributes; not the parameters."""
    plain = {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
    return plain | dict(module._buffers.items())


def _put_back(module: nn.Module, held: dict[str, Any]) -> None:
    """The tensors that forward put others in the place of; none that it left behind."""
    now = _tensors_of(module)
    for name in now.keys() - held.keys():
        delattr(module, name)
    for name, value in held.items():
        if now.get(name) is not value:
            setattr(module, name, value)
