"""ActiveFT on a pool in parts: each knows the components of its rows, the driver moves these.

An iteration is one call. The centers go to all parts, ``8 n_picks d`` bytes for each worker. Back
comes with ``loss="kl"`` what the rows that changed their component do to the sums of these, 16 d
bytes for each such component of a part, few after some iterations; and with "contrastive" the sums
of all components that have rows in the part, 8 d bytes each. Labeled rows are sent once.

The driver keeps a few matrices of the size of the components; the random starts are the first
ones of a permutation of all candidates, 8 bytes for each row of the pool, and each start
of "k-means++" is drawn by sums that the parts report. A part keeps about 50 bytes a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Selection
from skactive._rows import Rows
from skactive.distributed._activeft_picks import pick_rows
from skactive.distributed._part import Part
from skactive.distributed._partitions import Partitions
from skactive.distributed._pool import PartitionedPool
from skactive.distributed._starts import Measure, draw_by_distance
from skactive.selection._activeft_assignment import Turns
from skactive.selection._activeft_picks import distances_to_nearest
from skactive.selection._activeft_segments import (
    Change,
    LocalSegments,
    Pull,
    RowSums,
    Segments,
)
from skactive.selection._activeft_starts import Directions, draw_directions

_CPU = torch.device("cpu")


def select_activeft(selector: Any, pool: PartitionedPool) -> Selection:
    """The picks of `ActiveFTSelector`."""
    parts = pool.parts
    fixed = pool.labeled[~np.isin(pool.labeled, pool.zeros)]
    stored = parts.take(np.append(fixed, _starts(selector, pool, fixed)))
    components = _units(stored, _CPU)
    segments = PartSegments(parts, stored[: len(fixed)], components)
    centers = selector._optimize(segments, components, len(fixed))
    indices = pick_rows(pool, centers)
    picks = parts.take(indices)
    units = _units(picks, _CPU)
    has_zeros = len(fixed) < len(pool.labeled) or not bool(units.any(1).all())
    costs = parts.map(_transport, _Representatives(picks, has_zeros))
    selector.emd_bound_ = sum(costs) / parts.n_samples
    centers = centers[torch.arange(pool.n_picks) % len(centers)]
    selector.centers_ = centers.numpy()
    return Selection(indices, (units * centers).sum(1).numpy())


def _units(stored: NDArray[Any], device: torch.device) -> Tensor:
    if not len(stored):
        return torch.zeros(stored.shape, dtype=torch.float64, device=device)
    return Rows(stored, device).unit().dense()


def _starts(selector: Any, pool: PartitionedPool, fixed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows where the centers start: at least one."""
    if selector.init == "random":
        starts = _random_starts(pool, fixed)
    else:
        starts = draw_by_distance(
            pool,
            pool.n_picks,
            measure=DirectionMeasure(),
            centers=fixed,
            random_state=pool.random_state,
        )
    if len(starts):
        return starts
    # Only copies of labeled rows are left, or only rows of zeros.
    candidates = _candidates(pool, directed=pool.n_directed_candidates > 0)
    return candidates[:1]


def _candidates(pool: PartitionedPool, *, directed: bool) -> NDArray[np.int64]:
    free = np.ones(pool.parts.n_samples, dtype=bool)
    free[pool.labeled] = False
    if directed:
        free[pool.zeros] = False
    return np.flatnonzero(free)


def _random_starts(pool: PartitionedPool, fixed: NDArray[np.int64]) -> NDArray[np.int64]:
    parts = pool.parts

    def products(positions: NDArray[np.int64], probe: NDArray[np.float64]) -> NDArray[np.float64]:
        owner = np.searchsorted(parts.offsets, positions, side="right") - 1
        values = np.empty(len(positions))
        values[np.argsort(owner, kind="stable")] = np.concatenate(
            parts.map(_products, probe, parts.split(positions))
        )
        return values

    order = _candidates(pool, directed=True)
    pool.random_state.shuffle(order)  # as a permutation, without a copy
    return draw_directions(
        products, order, fixed, pool.n_picks, parts.n_features, pool.random_state
    )


def _products(
    part: Part, message: NDArray[np.float64], own: NDArray[np.int64]
) -> NDArray[np.float64]:
    values: NDArray[np.float64] = (_units(part.raw(own), _CPU) @ torch.tensor(message)).numpy()
    return values


@final
class DirectionMeasure(Measure):
    """Distances between directions."""

    unit_norm = True
    unknown_square = Directions.unknown_square

    def points(self, rows: Rows) -> Directions:
        return Directions(rows.unit())


class _Fixed:
    """The fixed components as they are stored: all calls share them."""

    def __init__(self, stored: NDArray[Any]) -> None:
        self.stored = stored

    def __deepcopy__(self, memo: dict[int, Any]) -> _Fixed:
        return self


class _State:
    """What a part keeps: the components of its rows."""

    def __init__(self, part: Part, fixed: NDArray[Any], step: _Step, n_samples: int) -> None:
        self.fixed = _Fixed(fixed)
        rows = part.rows.unit()
        self.local = LocalSegments(rows, self.components(part, step.centers), n_samples)
        self.rows = rows

    def components(self, part: Part, centers: NDArray[np.float64]) -> Tensor:
        device = part.rows.device
        return torch.cat([_units(self.fixed.stored, device), _tensor(centers, part)])


def _tensor(values: NDArray[Any], part: Part) -> Tensor:
    """Of an array that came with a message, which may not be writable."""
    return torch.tensor(values, device=part.rows.device)


class _Step(NamedTuple):
    """Where the centers are now."""

    centers: NDArray[np.float64]
    turns: NDArray[np.float64]  # of all components


class _Start(NamedTuple):
    fixed: NDArray[Any]
    step: _Step
    n_samples: int  # of the pool


class _PullStep(NamedTuple):
    step: _Step
    log_rivals: NDArray[np.float64]
    temperature: float


class _Representatives(NamedTuple):
    picks: NDArray[Any]
    has_zeros: bool  # whether one of all representatives has no direction


def _open(part: Part, message: _Start, own: None) -> None:
    part.state = _State(part, message.fixed, message.step, message.n_samples)


def _follow(part: Part, message: _Step) -> tuple[Tensor, Tensor]:
    """Components and turns."""
    return part.state.components(part, message.centers), _tensor(message.turns, part)


def _change(part: Part, message: _Step, own: None) -> list[NDArray[Any]]:
    """The non-zero rows of a `Change`."""
    change = part.state.local.change(*_follow(part, message))
    some = (change.high != 0).any(1) | (change.low != 0).any(1)
    return [values[some].cpu().numpy() for values in change]


def _pull(part: Part, message: _PullStep, own: None) -> list[NDArray[Any]]:
    """A `Pull` of the components that have rows here, after which they are."""
    components, turns = _follow(part, message.step)
    log_rivals = _tensor(message.log_rivals, part)
    local = part.state.local
    pull = local.pull(components, turns, log_rivals, message.temperature)
    some = torch.unique(local.assignment.nearest)
    found = some, pull.costs, pull.slopes[some], pull.sums[some]
    return [values.cpu().numpy() for values in found]


def _sizes(part: Part, message: _Step, own: None) -> NDArray[np.int64]:
    sizes: NDArray[np.int64] = part.state.local.sizes(*_follow(part, message)).cpu().numpy()
    return sizes


def _transport(part: Part, message: _Representatives, own: None) -> float:
    """Sum of the distances of the rows to the nearest representative."""
    picks = _units(message.picks, part.rows.device)
    representatives = part.state.components(part, picks[picks.any(1)].cpu().numpy())
    if message.has_zeros:
        representatives = torch.cat([representatives, torch.zeros_like(picks[:1])])
    return float(distances_to_nearest(part.state.rows, representatives).sum())


@final
class PartSegments(Segments):
    """The rows of all parts.

    Parameters
    ----------
    parts : Partitions
    fixed : ndarray of shape (n_fixed, n_features)
        The first components as they are stored.
    components : tensor of shape (n_components, n_features)
        Where they are at first.
    """

    def __init__(self, parts: Partitions, fixed: NDArray[Any], components: Tensor) -> None:
        self.n_samples = parts.n_samples
        self._parts = parts
        self._n_fixed = len(fixed)
        self._turns = Turns(components)
        self._sums = RowSums(components)
        parts.map(_open, _Start(fixed, self._step(components), parts.n_samples))

    def _step(self, components: Tensor) -> _Step:
        turns = self._turns.follow(components).numpy()
        return _Step(components[self._n_fixed :].numpy().copy(), turns)

    def sums(self, components: Tensor) -> Tensor:
        for reply in self._parts.map(_change, self._step(components)):
            self._sums.add(Change(*map(torch.tensor, reply)))
        return self._sums.total()

    def pull(self, components: Tensor, log_rivals: Tensor, temperature: float) -> Pull:
        message = _PullStep(self._step(components), log_rivals.numpy(), temperature)
        total = Pull(
            torch.zeros_like(log_rivals[0]),
            torch.zeros_like(log_rivals),
            torch.zeros_like(components),
        )
        for reply in self._parts.map(_pull, message):
            some, costs, slopes, sums = map(torch.tensor, reply)
            total.costs.add_(costs)
            total.slopes.index_add_(0, some, slopes)
            total.sums.index_add_(0, some, sums)
        return total

    def sizes(self, components: Tensor) -> Tensor:
        return torch.from_numpy(np.sum(self._parts.map(_sizes, self._step(components)), axis=0))
