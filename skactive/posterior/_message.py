"""What the driver of a selection tells those that hold the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class Message:
    """Base of records of tensors, which travel as arrays, without the rest of their storage."""

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value.numpy() if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Copies: what has travelled may be read-only, which torch does not know.
        vars(self).update(
            (name, torch.tensor(value) if isinstance(value, np.ndarray) else value)
            for name, value in state.items()
        )
