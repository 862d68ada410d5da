"""Whether a network treats each row of a batch by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skactive.embedding._inputs import Batch, single_rows

_REMEDY = (
    "each must depend on its own row of X alone, and on nothing random. Look for batch statistics "
    "(track_running_stats=False), for attention along the wrong axis (batch_first=False) and for "
    "dropout that ignores evaluation mode."
)


def refuse_mixed_rows(
    what: str, batch: Batch, together: Tensor, compute: Callable[[Batch], Tensor]
) -> None:
    """Compare what a batch gives with what its rows give one by one.

    Parameters
    ----------
    what : str
        The numbers compared, for the error.
    batch : Batch
    together : tensor whose first axis are the rows
    compute : callable
        From a batch to such a tensor.
    """
    try:
        alone = torch.cat([compute(row) for row in single_rows(batch)])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"The network fails on a batch of one row: {_REMEDY}") from error
    if alone.shape != together.shape or not is_close(alone, together, together.new_zeros(())):
        raise ValueError(
            f"The network's {what} for a row differ with the other rows of its batch, or from "
            f"one call to the next: {_REMEDY}"
        )


def is_close(values: Tensor, truth: Tensor, scale: Tensor) -> bool:
    """Whether numbers agree up to rounding, relative to the norm of all or to a larger scale."""
    tolerance = min(0.1, 10 * torch.finfo(truth.dtype).eps ** 0.5)
    wide = torch.promote_types(truth.dtype, torch.float32)
    values, truth = values.to(wide), truth.to(wide)
    return bool((values - truth).norm() <= tolerance * torch.maximum(truth.norm(), scale))
