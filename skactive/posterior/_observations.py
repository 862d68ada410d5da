"""Observations of points by their features: what the rows of a pool need to know of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, cast

import torch
from torch import Tensor

from skactive._rows import Rows
from skactive.posterior._message import Message
from skactive.posterior._proposal import Batch
from skactive.posterior._running import Columns, Magnitudes

if TYPE_CHECKING:
    from skactive.posterior._weights import Weights


@dataclass(frozen=True)
class Observations(Message):
    """b observations, one after the other, in weight space."""

    pivots: Tensor
    """As in `Batch`, of shape (b,)."""
    pool_is_target: bool
    """As in `Batch`."""
    falls: Tensor
    """M, of shape (b, n_features); times the rows it is the `fall` of `Columns`."""
    turns: Tensor | None
    """Times the rows it is the `turn`; of shape (b, n_features), where reductions are tracked."""
    curvature: Tensor | None
    """Of shape (b,), likewise."""

    @property
    def magnitudes(self) -> Magnitudes:
        """Of what is multiplied with the rows."""
        squares = self.falls.square().sum(1)
        if self.turns is None or self.curvature is None:
            return Magnitudes(float(squares.sum()))
        return Magnitudes(
            fall=float(squares.sum()),
            turn=float(self.turns.square().sum()),
            curved=float((squares * self.curvature.square()).sum()),
        )

    def first(self, count: int) -> Observations:
        """Without the last ones."""
        return replace(
            self,
            pivots=self.pivots[:count],
            falls=self.falls[:count],
            turns=None if self.turns is None else self.turns[:count],
            curvature=None if self.curvature is None else self.curvature[:count],
        )


class WeightSpaceBatch(Batch):
    """Observations of points, and the rows they tell about.

    Parameters
    ----------
    observations : Observations
    rows : Rows
        All of the pool, or a part of it.
    weights : Weights or None
        What `commit` changes. None where somebody else does that: on a part of the pool.
    """

    def __init__(
        self, observations: Observations, rows: Rows, weights: Weights | None = None
    ) -> None:
        self.pivots = observations.pivots
        self.pool_is_target = observations.pool_is_target
        self._observations = observations
        self._rows = rows
        self._weights = weights

    @property
    def magnitudes(self) -> Magnitudes:
        return self._observations.magnitudes

    def first(self, count: int) -> Self:
        part = copy(self)
        part._observations = self._observations.first(count)
        part.pivots = part._observations.pivots
        return part

    @classmethod
    def visit(cls, batches: Sequence[Batch], visit: Callable[[slice, list[Columns]], None]) -> None:
        members = [member._observations for member in cast(Sequence[WeightSpaceBatch], batches)]
        parts = [part for member in members for part in (member.falls, member.turns)]
        points = torch.cat([part for part in parts if part is not None])  # one sweep for all
        cast(WeightSpaceBatch, batches[0])._rows.visit_products(
            points, lambda rows, products: visit(rows, _split(members, products))
        )

    def target_falls(self) -> Tensor:
        assert self._weights is not None  # a part of the pool does not know the targets
        return self._weights.target_falls(self._observations)

    def commit(self) -> None:
        if self._weights is not None:
            self._weights.commit(self._observations)


def _split(members: Sequence[Observations], products: Tensor) -> list[Columns]:
    columns = []
    for member in members:
        b = len(member.pivots)
        fall, products = products[:b], products[b:]
        turn = curvature = None
        if member.curvature is not None:
            turn, products = products[:b], products[b:]
            curvature = member.curvature[:, None].to(products)
        columns.append(Columns(fall, turn, curvature))
    return columns
