"""k-center on a pool in parts: each keeps the distances of its rows to the nearest center."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Selection
from skactive._rows import Rows
from skactive.distributed._greedy import GreedyMethod, Lister, select_greedily
from skactive.distributed._listing import Choice, Merged, PartState
from skactive.distributed._part import Part
from skactive.distributed._pool import PartitionedPool
from skactive.distributed._starts import sum_of_rows
from skactive.distributed._two_round import pick_in_two_rounds
from skactive.selection._centers import Centers
from skactive.selection._cover import Cover
from skactive.selection._local_cover import LocalCover
from skactive.selection._radius_curve import curve_of_scores, radius_curve

_LABELED_ROWS = 1024  # sent at a time
_FEW_ROWS = 16  # among which a single one is sought


def select_core_set(selector: Any, pool: PartitionedPool) -> Selection:
    """The picks of `CoreSetSelector`."""
    if selector.method == "robust":
        raise ValueError(
            "method == 'robust' needs all pairwise distances, which a dask pool is too large for. "
            "Use method='greedy', or pass X.compute() of some hundred rows."
        )
    if selector.strategy == "two_round" and len(pool.parts) > 1:
        return _in_two_rounds(selector, pool)
    return select_greedily(PartitionedCoreSet(selector, pool))


def _in_two_rounds(selector: Any, pool: PartitionedPool) -> Selection:
    """Centers among those of the parts, and how far the rows of all parts are from them."""
    picks, labeled = pick_in_two_rounds(selector, pool), pool.parts.take(pool.labeled)
    curves = pool.parts.map(_radius_curve, (labeled, picks.points, selector._uses_unit_norm()))
    selector._describe_cover(np.max(curves, axis=0))
    return Selection(picks.rows, picks.scores)


def _radius_curve(
    part: Part, message: tuple[NDArray[Any], NDArray[Any], bool], own: None
) -> NDArray[np.float64]:
    labeled, centers, unit_norm = message
    prepare = Prepare(unit_norm, part.rows.device)
    points = prepare(np.concatenate([labeled, centers]))
    known, picks = points[: len(labeled)], points[len(labeled) :]
    return radius_curve(prepare.rows(part.rows), known, picks)


class Prepare(NamedTuple):
    """From rows as they are stored to the points between which distances are measured."""

    unit_norm: bool
    device: Any

    def __call__(self, raw: NDArray[Any]) -> Tensor:
        return self.rows(Rows(raw, self.device)).dense()

    def rows(self, rows: Rows) -> Rows:
        return rows.unit() if self.unit_norm else rows


class SentCenters(Centers):
    """Centers that may be rows of other parts, as they are stored."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare
        self._blocks: list[NDArray[Any]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> SentCenters:
        copied = copy(self)
        copied._blocks = list(self._blocks)  # which do not change
        return copied

    def append(self, centers: NDArray[Any]) -> None:
        self._blocks.append(centers)
        self.n_centers += len(centers)

    def take(self, some: NDArray[np.int64]) -> Tensor:
        starts = np.cumsum([0, *map(len, self._blocks)])
        in_block = np.searchsorted(starts, some, side="right") - 1
        taken = np.empty((len(some), self._blocks[0].shape[1]), dtype=self._blocks[0].dtype)
        for i in np.unique(in_block):
            here = in_block == i
            taken[here] = self._blocks[i][some[here] - starts[i]]
        return self._prepare(taken)


class CoverPart(PartState):
    """Distances of the rows of a part to the nearest center; before any, the preference."""

    def __init__(self, part: Part, unit_norm: bool) -> None:
        prepare = Prepare(unit_norm, part.rows.device)
        self.cover = Cover(prepare.rows(part.rows), SentCenters(prepare))
        self.preference: Tensor | None = None

    def sharpen(self, part: Part, choice: Tensor, size: int) -> None:
        if self.preference is None:
            self.cover.sharpen(choice, size)

    def upper(self, part: Part) -> Tensor:
        return self.cover.upper if self.preference is None else self.preference

    def exact(self, part: Part, rows: NDArray[np.int64], context: None) -> Tensor:
        if self.preference is not None:
            return self.preference[torch.as_tensor(rows)]
        return self.cover.exact(rows)[1]

    def details(self, part: Part, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        return {"score": self.exact(part, rows, None).cpu().numpy()}

    def apply(self, part: Part, command: NDArray[Any], own: None) -> None:
        self.preference = None
        self.cover.add(command)


class Opening(NamedTuple):
    unit_norm: bool
    wants_mean: bool  # for the first center


def open_cover(part: Part, message: Opening, own: None) -> NDArray[np.float64] | None:
    """Start without centers; the sum of all rows, where it is wanted."""
    part.state = CoverPart(part, message.unit_norm)
    return sum_of_rows(part, message.unit_norm, None) if message.wants_mean else None


def add_centers(part: Part, message: NDArray[Any], own: None) -> None:
    part.state.apply(part, message, own)


class Start(NamedTuple):
    mean: NDArray[np.float64]
    sign: float  # -1 for the row nearest to the mean, 1 for the farthest


def prefer(part: Part, message: Start, own: None) -> None:
    """Scores of the first center."""
    rows = part.state.cover.rows
    mean = torch.as_tensor(message.mean, device=rows.device)
    part.state.preference = message.sign * rows.distances(mean[None, :])[:, 0]


class PartitionedCoreSet(GreedyMethod):
    """The centers, whose number alone the driver keeps."""

    def start(self) -> None:
        pool, selector = self.pool, self.selector
        self._is_first = not len(pool.labeled)
        wants_mean = self._is_first and selector.init != "random"
        totals = pool.parts.map(open_cover, Opening(selector._uses_unit_norm(), wants_mean))
        if wants_mean:
            self._prefer_by_mean(np.sum(totals, axis=0) / pool.parts.n_samples)
        elif self._is_first:
            self._prefer_at_random()
        for start in range(0, len(pool.labeled), _LABELED_ROWS):
            rows = pool.labeled[start : start + _LABELED_ROWS]
            pool.parts.map(add_centers, pool.parts.take(rows))

    def _prefer_by_mean(self, mean: NDArray[np.float64]) -> None:
        sign = -1.0 if self.selector.init == "medoid" else 1.0
        self.pool.parts.map(prefer, Start(mean, sign))

    def _prefer_at_random(self) -> None:
        pool = self.pool
        order = pool.random_state.permutation(pool.parts.n_samples)
        if self.selector._uses_unit_norm() and pool.n_directed_candidates:
            order[pool.zeros] = -1
        pool.parts.map(prefer_row, int(order.argmax()), reads=False)

    def restrict(self, listed: Merged) -> LocalCover | Tensor:
        scores = torch.from_numpy(listed.details["score"])
        if self._is_first:
            return scores
        rows = Rows(listed.points, torch.device("cpu"))
        rows = rows.unit() if self.selector._uses_unit_norm() else rows
        return LocalCover(rows.dense(), scores, listed.rows, rows.product_dtype)

    def score(self, local: LocalCover | Tensor) -> Tensor:
        return local if isinstance(local, Tensor) else local.nearest

    def step(self, local: Any, position: int) -> Any:
        local.add(position)
        return local

    def floor(self, first_score: float) -> float:
        return float(self.selector._score_floor(None, first_score))

    def block_size(self) -> int:
        return 1 if self._is_first else self.list_size()

    def list_size(self) -> int:
        if self._is_first:  # a single pick
            return _FEW_ROWS
        return int(self.selector._n_listed(self.pool.parts.n_features))

    def commit(self, listed: Merged, count: int) -> tuple[NDArray[Any], None]:
        self._is_first = False
        positions = np.searchsorted(listed.rows, listed.picks[:count])
        return listed.points[positions], None

    def finish(self, selection: Selection, lister: Lister) -> Selection:
        pool, selector = self.pool, self.selector
        if not len(pool.labeled):
            selection.scores[0] = np.inf
        _, local = lister.best(Choice(0.0, every=True), _FEW_ROWS)
        zeros = pool.zeros if selector._uses_unit_norm() else pool.zeros[:0]
        selector._describe_cover(
            curve_of_scores(selection, float(self.score(local).max()), pool.labeled, zeros)
        )
        return selection


def prefer_row(part: Part, message: int, own: None) -> None:
    """Make one row the first center."""
    preference = torch.zeros(part.n_samples, dtype=torch.float64, device=part.rows.device)
    preference[torch.as_tensor(part.local(np.array([message])))] = 1.0
    part.state.preference = preference
