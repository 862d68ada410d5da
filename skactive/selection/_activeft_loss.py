"""The losses of ActiveFT and their gradients.

Components are unit vectors: first those that stay where they are, the labeled rows, then the
centers being learned. Only the gradient of the latter is returned.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from skactive._rows import Rows
from skactive.selection._activeft_assignment import Assignment
from skactive.selection._activeft_repulsion import Repulsion
from skactive.selection._activeft_rows import batches, take


class Loss(ABC):
    """A loss with what it keeps from one evaluation to the next.

    Parameters
    ----------
    rows : Rows
        Pool of unit rows.
    components : tensor of shape (n_components, n_features)
        Where they are at first.
    n_fixed : int
        How many of the components, the first ones, are not learned.
    temperature, balance : float

    Attributes
    ----------
    assignment : Assignment
        The component of each row in the last evaluation.
    """

    def __init__(
        self, rows: Rows, components: Tensor, n_fixed: int, temperature: float, balance: float
    ) -> None:
        self._rows, self._n_fixed = rows, n_fixed
        self._temperature, self._balance = temperature, balance
        self.assignment = Assignment(rows, components)

    @abstractmethod
    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and its gradient of shape (n_components - n_fixed, n_features)."""


class KLLoss(Loss):
    """Attraction to the rows of a center against log-sum-exp repulsion between components.

    The sums of the rows of each component change only by the rows that move from one to another.
    """

    def __init__(
        self, rows: Rows, components: Tensor, n_fixed: int, temperature: float, balance: float
    ) -> None:
        super().__init__(rows, components, n_fixed, temperature, balance)
        self._repulsion = Repulsion(components[:n_fixed], temperature, own=False, mutual=True)
        self._sums = torch.zeros_like(components)
        for part, chunk in rows.chunks():
            self._sums.index_add_(0, self.assignment.nearest[part], chunk)

    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        self._move(*self.assignment.update(components))
        per_row = 1 / (self._rows.n_samples * self._temperature)
        loss = -per_row * torch.dot(self._sums.flatten(), components.flatten())
        if len(components) == 1:
            return loss, self._sums[self._n_fixed :] * -per_row
        share = self._balance / len(components)
        log_sums, gradient = self._repulsion(components)
        gradient.mul_(share / self._temperature)
        gradient.sub_(self._sums[self._n_fixed :], alpha=per_row)
        return loss + share * log_sums.sum(), gradient

    def _move(self, moved: Tensor, before: Tensor) -> None:
        """Carry rows from the sums they were in to those where they belong now."""
        for batch in batches(len(moved), self._rows.n_features, torch.float64):
            rows = take(self._rows, moved[batch])
            # Row by row, so that the batch size does not change a bit of the sums.
            index = torch.stack([before[batch], self.assignment.nearest[moved[batch]]], 1)
            self._sums.index_add_(0, index.flatten(), torch.stack([-rows, rows], 1).flatten(0, 1))


class ContrastiveLoss(Loss):
    """Each row tells its component from all components.

    The gradient takes the other components for constants.
    """

    def __init__(
        self, rows: Rows, components: Tensor, n_fixed: int, temperature: float, balance: float
    ) -> None:
        super().__init__(rows, components, n_fixed, temperature, balance)
        self._repulsion = Repulsion(components[:n_fixed], temperature, own=True, mutual=False)

    def __call__(self, components: Tensor) -> tuple[Tensor, Tensor]:
        self.assignment.update(components)
        log_sums, surroundings = self._repulsion(components)
        log_rivals = log_sums + (math.log(self._balance) if self._balance > 0 else -math.inf)
        costs = torch.zeros_like(log_sums[0])
        # By how much a row's cost falls per unit of similarity times temperature.
        slopes = torch.zeros_like(log_sums)
        sums = torch.zeros_like(components)
        for part, chunk in self._rows.chunks():
            nearest = self.assignment.nearest[part]
            logits = (chunk * components[nearest]).sum(1).div_(self._temperature)
            rivals = log_rivals[nearest]
            total = torch.logaddexp(logits, rivals)
            costs += (total - logits).sum()
            weights = rivals.sub_(total).exp_()
            # On the CPU index_add_ takes row after row: no chunk size changes a bit of the sums.
            slopes.index_add_(0, nearest, weights)
            sums.index_add_(0, nearest, chunk * weights[:, None])
        gradient = surroundings.mul_(slopes[self._n_fixed :, None]).sub_(sums[self._n_fixed :])
        n_samples = self._rows.n_samples
        return costs / n_samples, gradient.div_(n_samples * self._temperature)


LOSSES: dict[str, type[Loss]] = {"kl": KLLoss, "contrastive": ContrastiveLoss}
