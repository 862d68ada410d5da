"""The answers of all members of an ensemble about all rows, and how much they disagree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Pool
from skactive._memory import check_memory
from skactive._rows import Rows
from skactive.selection._pool_model import check_probabilities, entropy_error, rounding_error

# Slices of rows, their probabilities (n_rows, n_members, n_classes), rounding error.
Answers = Iterator[tuple[slice, NDArray[np.float64], float]]


class MemberTable(NamedTuple):
    """What is kept of the answers of all members."""

    rows: Rows  # of n_members · n_classes features
    n_members: int
    own_entropy: Tensor  # (n_samples,) mean entropy of the members, in nats
    rounding: float  # of entropies

    def restrict(self, positions: NDArray[np.int64]) -> MemberTable:
        """The answers about a few rows."""
        rows = Rows(self.rows.take(positions), self.rows.device)
        return self._replace(rows=rows, own_entropy=self.own_entropy[torch.as_tensor(positions)])


def precomputed_answers(pool: Pool) -> Answers:
    """The pool itself as the answers of all members."""
    shape = np.shape(pool.inputs)
    if len(shape) != 3:
        raise ValueError(
            f"estimator == 'precomputed' needs X of shape (n_samples, n_members, n_classes); got "
            f"{shape}. Stack the probabilities by all members, np.stack(answers, axis=1)."
        )
    for part, chunk in pool.rows.chunks():
        values = chunk.cpu().numpy().reshape(-1, shape[2])
        error = rounding_error(values)
        checked = check_probabilities(values, len(values), "X")
        yield part, checked.reshape(-1, *shape[1:]), error


def disagreement(answers: Answers, n_samples: int, device: torch.device) -> tuple[Tensor, float]:
    """Information of the label of each row about the member, and its rounding error."""
    scores = torch.empty(n_samples, dtype=torch.float64, device=device)
    rounding = 0.0
    for part, values, error in answers:
        probabilities = torch.from_numpy(values).to(device)
        total = torch.special.entr(probabilities.mean(1)).sum(1)
        scores[part] = (total - _mean_entropy(probabilities)).clamp_(min=0)
        rounding = max(rounding, entropy_error(error, values.shape[2]))
    return scores, rounding


def member_table(answers: Answers, n_samples: int, device: torch.device) -> MemberTable:
    """All answers, read once."""
    table = None
    for part, values, error in answers:
        probabilities = torch.from_numpy(values).to(device)
        _, n_members, n_classes = values.shape
        if table is None:
            table = _empty_table(n_samples, n_members * n_classes, error, device)
            own = torch.empty(n_samples, dtype=torch.float64, device=device)
            rounding = 0.0
        table[part] = probabilities.flatten(1).to(table.dtype)
        own[part] = _mean_entropy(probabilities)
        rounding = max(rounding, entropy_error(error, n_classes))
    assert table is not None  # a pool has rows
    return MemberTable(Rows(table, device), n_members, own, rounding)


def _empty_table(n_samples: int, width: int, error: float, device: torch.device) -> Tensor:
    # Single precision loses nothing where the members have no more.
    is_double = error <= rounding_error(np.empty(0))
    dtype = torch.float64 if is_double else torch.float32
    check_memory(
        n_samples * width * dtype.itemsize,
        device,
        f"What the members say about {n_samples} rows, {width} numbers each,",
        "Use strategy='top', fewer members, or a part of the pool.",
    )
    return torch.empty(n_samples, width, dtype=dtype, device=device)


def _mean_entropy(probabilities: Tensor) -> Tensor:
    """Of the members, for each row of (n_rows, n_members, n_classes)."""
    entropies: Tensor = torch.special.entr(probabilities).sum(2).mean(1)
    return entropies
