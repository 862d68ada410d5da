"""k-means on a pool in parts: each keeps the clusters of its rows and their sums.

An iteration takes two calls, of which one reads rows. Each part is sent the centers that have
moved, and answers with the sums of its rows in clusters that have changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._base import Selection
from skactive._kmeans_lloyd import (
    AssignedPool,
    Problem,
    Settled,
    best_of,
    check_centers,
    lloyd,
)
from skactive._rows import Rows
from skactive._ties import tolerance
from skactive.distributed._kmeans_parts import (
    Centers,
    Data,
    Farthest,
    Moves,
    Sizes,
    assign_rows,
    find_farthest,
    find_next,
    finish,
    follow,
    give_sums,
    measure,
)
from skactive.distributed._nearest_rows import nearest_rows
from skactive.distributed._partitions import Partitions
from skactive.distributed._pool import PartitionedPool
from skactive.distributed._starts import k_means_plus_plus, sum_of_rows
from skactive.selection._kmeans import Ranked

_CPU = torch.device("cpu")


def select_k_means(selector: Any, pool: PartitionedPool) -> Selection:
    """The picks of `KMeansSelector`."""
    parts, fixed = pool.parts, pool.labeled
    unit_norm = selector._uses_unit_norm()
    n_candidates, last = pool.n_candidates, pool.zeros[:0]
    if unit_norm:
        n_candidates = pool.n_directed_candidates
        fixed = fixed[~np.isin(fixed, pool.zeros)]
        last = np.setdiff1d(pool.zeros, pool.labeled)
    n_clusters = min(pool.n_picks, n_candidates)
    last = last[: pool.n_picks - n_clusters]
    points = _points(parts, last, unit_norm)
    ranked, indices = Ranked.none(points[:0]), last[:0]
    if n_clusters:
        data = _measure(parts, unit_norm)
        found = _cluster(selector, pool, data, fixed, n_clusters)
        ranked = Ranked.of(found.settled, found.sizes, len(fixed))
        indices = nearest_rows(parts, ranked.centers.numpy(), data.largest, unit_norm)
    selection: Selection = selector._complete(ranked, indices, last, points)
    return selection


class _Found(NamedTuple):
    """Clusters of one start."""

    settled: Settled
    sizes: Tensor

    @property
    def inertia(self) -> float:
        return self.settled.inertia


def _cluster(
    selector: Any,
    pool: PartitionedPool,
    data: Data,
    fixed: NDArray[np.int64],
    n_clusters: int,
) -> _Found:
    parts = pool.parts
    check_centers(n_clusters + len(fixed), parts.n_features, _CPU)
    problem = Problem(
        mean=torch.from_numpy(data.mean),
        variance=data.variance,
        fixed=_points(parts, fixed, data.unit_norm),
        max_iter=int(selector.max_iter),
        tol=1e-4,
    )

    def tries() -> Iterator[_Found]:
        for _ in range(int(selector.n_init)):
            starts, _ = k_means_plus_plus(
                pool,
                n_clusters,
                unit_norm=data.unit_norm,
                centers=fixed,
                random_state=pool.random_state,
                mean=data.mean,
            )
            assigned = _AssignedParts(parts, data)
            settled = lloyd(assigned, problem, _points(parts, starts, data.unit_norm))
            yield _Found(settled, assigned.sizes()[0])

    return best_of(tries())


def _points(parts: Partitions, positions: NDArray[np.int64], unit_norm: bool) -> Tensor:
    """Rows as float64, divided by their norms under `unit_norm`."""
    if not len(positions):
        return torch.empty(0, parts.n_features, dtype=torch.float64)
    rows = Rows(parts.take(positions), _CPU)
    return (rows.unit() if unit_norm else rows).dense()


def _measure(parts: Partitions, unit_norm: bool) -> Data:
    mean = np.sum(parts.map(sum_of_rows, unit_norm), axis=0) / parts.n_samples
    measured = parts.map(measure, (unit_norm, mean))
    variance = sum(m[0] for m in measured) / parts.n_samples / parts.n_features
    return Data(unit_norm, mean, variance, max(m[1] for m in measured))


class _AssignedParts(AssignedPool):
    """What the driver knows of the clusters."""

    def __init__(self, parts: Partitions, data: Data) -> None:
        self._parts, self._data = parts, data
        self._sent: Tensor | None = None

    def update(self, centers: Tensor) -> Tensor:
        self._replies: list[Sizes] = self._parts.map(follow, self._moved(centers))
        return torch.from_numpy(np.concatenate([r.changed for r in self._replies]))

    def _moved(self, centers: Tensor) -> Centers:
        clusters, data = np.arange(len(centers)), None if self._sent is not None else self._data
        if self._sent is not None:
            clusters = (centers != self._sent).any(1).nonzero()[:, 0].numpy()
        self._sent = centers
        return Centers(data, clusters, centers[torch.from_numpy(clusters)].numpy())

    def sizes(self) -> tuple[Tensor, Tensor]:
        weights = np.sum([r.weights for r in self._replies], axis=0)
        sizes = np.sum([r.sizes for r in self._replies], axis=0)
        return torch.from_numpy(weights), torch.from_numpy(sizes)

    def farthest(self) -> Iterator[tuple[int, int]]:
        found: list[Farthest] = self._parts.map(find_farthest)
        while True:
            squares = np.concatenate([f.squares for f in found])
            if not len(squares):
                return
            largest = float(squares.max())
            at = int((squares >= largest - tolerance(largest, 0.0)).argmax())
            row = int(np.concatenate([f.rows for f in found])[at])
            yield row, int(np.concatenate([f.clusters for f in found])[at])
            found = self._parts.map(find_next, row, reads=False)

    def assign(self, rows: list[int], clusters: list[int]) -> None:
        self._parts.map(assign_rows, Moves(np.array(rows), np.array(clusters)))

    def sums(self, clusters: Tensor) -> tuple[Tensor, Tensor]:
        sums = np.zeros((len(clusters), self._parts.n_features))
        counts = np.zeros(len(clusters))
        for reply in self._parts.map(give_sums, clusters.numpy(), reads=False):
            sums[reply.at] += reply.sums
            counts[reply.at] += reply.counts
        return torch.from_numpy(sums), torch.from_numpy(counts)

    def finish(self, centers: Tensor) -> float:
        message = None if centers is self._sent else self._moved(centers)
        self._replies = self._parts.map(finish, message)
        return float(sum(r.inertia for r in self._replies))
