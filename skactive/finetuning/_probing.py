"""Forward passes in which only the head of a network learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Probing:
    """Holds everything but the head of a network still, during forward passes only.

    Modes and `requires_grad` are changed when a forward pass begins and put back when it ends,
    also by an exception. So nothing has to be repaired when training is cut off: skorch tells
    its callbacks of a regular end only.

    Parameters
    ----------
    module : nn.Module
    head : nn.Module
        A module inside.
    """

    def __init__(self, module: nn.Module, head: nn.Module) -> None:
        inside = set(head.modules())
        learning = {id(parameter) for parameter in head.parameters()}
        self.armed = False
        self._modules = [m for m in module.modules() if m not in inside]
        self._parameters = [p for p in module.parameters() if id(p) not in learning]
        self._modes: list[tuple[nn.Module, bool]] = []
        self._flags: list[tuple[nn.Parameter, bool]] = []
        self._handles = [
            module.register_forward_pre_hook(self._freeze),
            module.register_forward_hook(self._thaw, always_call=True),
        ]

    def remove(self) -> None:
        """Take the hooks off the network."""
        self._restore()
        for handle in self._handles:
            handle.remove()

    def _freeze(self, _module: nn.Module, _args: Any) -> None:
        if not self.armed or not torch.is_grad_enabled():
            return
        self._modes = [(module, module.training) for module in self._modules]
        self._flags = [(parameter, parameter.requires_grad) for parameter in self._parameters]
        for module in self._modules:
            module.training = False
        for parameter in self._parameters:
            parameter.requires_grad_(False)

    def _thaw(self, _module: nn.Module, _args: Any, _result: Any) -> None:
        if self._modes:
            self.armed = False
            self._restore()

    def _restore(self) -> None:
        for module, training in self._modes:
            module.training = training
        for parameter, requires_grad in self._flags:
            parameter.requires_grad_(requires_grad)
        self._modes, self._flags = [], []
