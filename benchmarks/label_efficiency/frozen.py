"""ActiveFT whose rows stay with the center that was nearest at the start: the paper's ablation."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from skactive import ActiveFTSelector
from skactive.selection import _activeft
from skactive.selection._activeft_loss import KLLoss


class FirstAssignment:
    """The assignment of another at the time it was made."""

    def __init__(self, nearest: Tensor) -> None:
        self.nearest = nearest

    def update(self, components: Tensor) -> tuple[Tensor, Tensor]:
        """No row moves: none, and none that it was in before."""
        none = torch.empty(0, dtype=torch.int64, device=self.nearest.device)
        return none, none


class FrozenKLLoss(KLLoss):
    """The loss with the assignment of its first evaluation."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.assignment = FirstAssignment(self.assignment.nearest.clone())


class FrozenActiveFT(ActiveFTSelector):
    """ActiveFTSelector with ``loss="kl"``, but for the assignment."""

    def _optimize(self, *args: Any) -> Tensor:
        with patch.dict(_activeft.LOSSES, {self.loss: FrozenKLLoss}):
            return super()._optimize(*args)
