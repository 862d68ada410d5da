"""The losses of ActiveFT and their gradients.

Components are unit vectors: first those that stay where they are, the labeled rows, then the
centers being learned. Only the gradient of the latter is returned.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from skactive.selection._activeft_repulsion import Repulsion
from skactive.selection._activeft_segments import Segments


class Loss(ABC):
    """A loss with what it keeps from one evaluation to the next.

    Parameters
    ----------
    segments : Segments
        The rows of the pool, by their components.
    fixed : tensor of shape (n_fixed, n_features)
        The first components, which are not learned.
    temperature, balance : float
    """

    def __init__(
        self, segments: Segments, fixed: Tensor, temperature: float, balance: float
    ) -> None:
        self._segments, self._n_fixed = segments, len(fixed)
        self._temperature, self._balance = temperature, balance

    @abstractmethod
    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and its gradient of shape (n_components - n_fixed, n_features)."""


class KLLoss(Loss):
    """Attraction to the rows of a center against log-sum-exp repulsion between components."""

    def __init__(
        self, segments: Segments, fixed: Tensor, temperature: float, balance: float
    ) -> None:
        super().__init__(segments, fixed, temperature, balance)
        self._repulsion = Repulsion(fixed, temperature, own=False, mutual=True)

    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        sums = self._segments.sums(components)
        per_row = 1 / (self._segments.n_samples * self._temperature)
        loss = -per_row * torch.dot(sums.flatten(), components.flatten())
        if len(components) == 1:
            return loss, sums[self._n_fixed :] * -per_row
        share = self._balance / len(components)
        log_sums, gradient = self._repulsion(components)
        gradient.mul_(share / self._temperature)
        gradient.sub_(sums[self._n_fixed :], alpha=per_row)
        return loss + share * log_sums.sum(), gradient


class ContrastiveLoss(Loss):
    """Each row tells its component from all components.

    The gradient takes the other components for constants.
    """

    def __init__(
        self, segments: Segments, fixed: Tensor, temperature: float, balance: float
    ) -> None:
        super().__init__(segments, fixed, temperature, balance)
        self._repulsion = Repulsion(fixed, temperature, own=True, mutual=False)

    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        log_sums, surroundings = self._repulsion(components)
        log_rivals = log_sums + (math.log(self._balance) if self._balance > 0 else -math.inf)
        costs, slopes, sums = self._segments.pull(components, log_rivals, self._temperature)
        gradient = surroundings.mul_(slopes[self._n_fixed :, None]).sub_(sums[self._n_fixed :])
        n_samples = self._segments.n_samples
        return costs / n_samples, gradient.div_(n_samples * self._temperature)


LOSSES: dict[str, type[Loss]] = {"kl": KLLoss, "contrastive": ContrastiveLoss}
