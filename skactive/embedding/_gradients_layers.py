"""Gradients of the parameters of a layer from its inputs and the gradients at its outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skactive.embedding._gradients_factors import Dense, Factor, Lookup, Outer

# From the module, its input (n, ...), the gradients at its output (n, k, ...), and the first
# columns of those parameters that count, by their names in the module.
Rule = Callable[[Any, Tensor, Tensor, Mapping[str, int]], Iterator[Factor]]


def rule_of(module: nn.Module) -> Rule | None:
    """How to find the gradients of a layer; only for layers that are not some subclass."""
    # Renormalised tables change while they are read, frequencies scale the gradients of a batch
    # by all its rows, and batch statistics mix the rows.
    if isinstance(module, nn.Embedding) and (
        module.max_norm is not None or module.scale_grad_by_freq
    ):
        return None
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
        return None
    return _RULES.get(type(module))


def _linear(
    module: nn.Linear, x: Tensor, left: Tensor, columns: Mapping[str, int]
) -> Iterator[Factor]:
    n, k = left.shape[:2]
    yield from _affine(
        left.reshape(n, k, -1, left.shape[-1]), x.reshape(n, -1, x.shape[-1]), columns
    )


def _affine(left: Tensor, right: Tensor, columns: Mapping[str, int]) -> Iterator[Factor]:
    follows = False
    if "weight" in columns:
        end = columns["weight"] + left.shape[3] * right.shape[2]
        follows = columns.get("bias") == end
        yield Outer(columns["weight"], left, right, follows)
    if "bias" in columns and not follows:
        yield Dense(columns["bias"], left.sum(2))


def _convolution(
    module: Any, x: Tensor, left: Tensor, columns: Mapping[str, int]
) -> Iterator[Factor]:
    n, k = left.shape[:2]
    left = left.reshape(n, k, module.out_channels, -1)  # (n, k, n_out, n_positions)
    if "weight" not in columns:
        yield Dense(columns["bias"], left.sum(3))
        return
    patches = _patches(module, x)
    if module.groups == 1:
        yield from _affine(left.transpose(2, 3), patches.transpose(1, 2), columns)
        return
    groups = module.groups
    in_groups = patches.reshape(n, 1, groups, -1, patches.shape[-1])
    weight = left.reshape(n, k, groups, -1, left.shape[-1]) @ in_groups.mT
    yield Dense(columns["weight"], weight.flatten(2))
    if "bias" in columns:
        yield Dense(columns["bias"], left.sum(3))


def _patches(module: Any, x: Tensor) -> Tensor:
    """What each output position of a convolution sees, of shape (n, n_in, n_positions)."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    x = F.pad(x, module._reversed_padding_repeated_twice, mode=mode)
    n_dimensions = len(module.kernel_size)
    for axis in range(n_dimensions):
        size, dilation = module.kernel_size[axis], module.dilation[axis]
        x = x.unfold(2 + axis, (size - 1) * dilation + 1, module.stride[axis])[..., ::dilation]
    # (n, channels, positions..., offsets...) -> offsets before positions, as in the weight
    order = [0, 1, *range(2 + n_dimensions, 2 + 2 * n_dimensions), *range(2, 2 + n_dimensions)]
    x = x.permute(order)
    return x.reshape(len(x), x.shape[1 : 2 + n_dimensions].numel(), -1)


def _batch_norm(
    module: Any, x: Tensor, left: Tensor, columns: Mapping[str, int]
) -> Iterator[Factor]:
    x = F.batch_norm(x, module.running_mean, module.running_var, eps=module.eps)
    yield from _scaling(x, left, columns)


def _group_norm(
    module: nn.GroupNorm, x: Tensor, left: Tensor, columns: Mapping[str, int]
) -> Iterator[Factor]:
    yield from _scaling(F.group_norm(x, module.num_groups, eps=module.eps), left, columns)


def _scaling(x: Tensor, left: Tensor, columns: Mapping[str, int]) -> Iterator[Factor]:
    """A weight and a bias for each channel, which is the second axis of x."""
    n, k, n_channels = left.shape[:3]
    left = left.reshape(n, k, n_channels, -1)
    if "weight" in columns:
        x = x.reshape(n, n_channels, -1)
        yield Dense(columns["weight"], torch.einsum("nkct,nct->nkc", left, x))
    if "bias" in columns:
        yield Dense(columns["bias"], left.sum(3))


def _layer_norm(
    module: nn.LayerNorm, x: Tensor, left: Tensor, columns: Mapping[str, int]
) -> Iterator[Factor]:
    (n, k), size = left.shape[:2], math.prod(module.normalized_shape)
    left = left.reshape(n, k, -1, size)
    if "weight" in columns:
        x = F.layer_norm(x, module.normalized_shape, eps=module.eps).reshape(n, -1, size)
        yield Dense(columns["weight"], torch.einsum("nktc,ntc->nkc", left, x))
    if "bias" in columns:
        yield Dense(columns["bias"], left.sum(2))


def _embedding(
    module: nn.Embedding, x: Tensor, left: Tensor, columns: Mapping[str, int]
) -> Iterator[Factor]:
    n, k = left.shape[:2]
    numbers = x.reshape(n, -1).long()
    left = left.reshape(n, k, -1, module.embedding_dim)
    if module.padding_idx is not None:
        left = left * (numbers != module.padding_idx)[:, None, :, None]
    yield Lookup(columns["weight"], left, numbers, module.num_embeddings)


_RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.Conv3d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.Embedding: _embedding,
}
