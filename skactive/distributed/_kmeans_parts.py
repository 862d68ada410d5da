"""What a part of a pool keeps and answers while k-means clusters its rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skactive._kmeans import distant_rows
from skactive._kmeans_assignment import NearestCenters
from skactive._kmeans_sums import ClusterSums
from skactive._ties import tolerance
from skactive.distributed._part import Part


class Data(NamedTuple):
    """What is known of all rows."""

    unit_norm: bool
    mean: NDArray[np.float64]
    variance: float  # mean of those of the features
    largest: float  # squared norm


def measure(
    part: Part, message: tuple[bool, NDArray[np.float64]], own: None
) -> tuple[float, float]:
    """Sum of the squared distances from the mean, and the largest squared norm."""
    rows = part.rows.unit() if message[0] else part.rows
    squares = rows.squared_distances_from(torch.tensor(message[1], device=rows.device))
    return float(squares.sum()), float(rows.squared_norms().max())


class Centers(NamedTuple):
    """Where centers are now."""

    data: Data | None  # of the first call alone
    clusters: NDArray[np.int64]
    points: NDArray[np.float64]


class Sizes(NamedTuple):
    """What has become of the clusters of a part."""

    changed: NDArray[np.int64]
    weights: NDArray[np.float64]
    sizes: NDArray[np.int64]
    inertia: float


class Farthest(NamedTuple):
    """Candidates for the row of a part that is the farthest from its center; see `_records`."""

    rows: NDArray[np.int64]
    squares: NDArray[np.float64]
    clusters: NDArray[np.int64]


class PartClusters:
    """The rows of a part, each with the nearest of the centers."""

    def __init__(self, part: Part, data: Data, n_clusters: int) -> None:
        rows = part.rows.unit() if data.unit_norm else part.rows
        mean = torch.tensor(data.mean, device=rows.device)
        self.rows = rows
        self.weights = rows.squared_norms() if data.unit_norm else None  # 1 or 0
        self.nearest = NearestCenters(rows, mean, data.largest)
        self.sums = ClusterSums(rows, self.weights, mean, n_clusters)
        self.n_clusters = n_clusters
        self.distant: Any = None  # squared distances to the centers, rows that count

    def follow(self, message: Centers) -> Tensor:
        """Take over where centers are; the clusters that have changed by that."""
        device = self.rows.device
        points = torch.tensor(message.points, device=device)
        if message.data is None:
            centers = self.nearest.centers.clone()
            centers[torch.tensor(message.clusters, device=device)] = points
            points = centers
        moved, before = self.nearest.update(points)
        return self.distinct(before, self.nearest.nearest[moved])

    def distinct(self, *clusters: Tensor) -> Tensor:
        """Each cluster once, in ascending order."""
        found = torch.zeros(self.n_clusters, dtype=torch.bool, device=self.rows.device)
        for some in clusters:
            found[some] = True
        return found.nonzero()[:, 0]

    def sizes(self, changed: Tensor, inertia: float = 0.0) -> Sizes:
        nearest = self.nearest.nearest
        sizes = torch.bincount(nearest, minlength=self.n_clusters)
        weights = sizes.to(torch.float64)
        if self.weights is not None:
            weights = torch.bincount(nearest, self.weights, minlength=self.n_clusters)
        return Sizes(changed.cpu().numpy(), weights.cpu().numpy(), sizes.cpu().numpy(), inertia)


def follow(part: Part, message: Centers, own: None) -> Sizes:
    """Find the nearest centers, and sum up the clusters that have changed."""
    if message.data is not None:
        part.state = PartClusters(part, message.data, len(message.clusters))
    clusters: PartClusters = part.state
    changed = clusters.follow(message)
    renewed = changed
    if message.data is not None:
        renewed = torch.arange(clusters.n_clusters, device=changed.device)
    clusters.sums.renew(clusters.nearest.nearest, renewed)
    return clusters.sizes(changed)


class PartSums(NamedTuple):
    """Of the clusters that have rows in a part."""

    at: NDArray[np.int64]  # their places among those asked for
    sums: NDArray[np.float64]
    counts: NDArray[np.float64]


def give_sums(part: Part, message: NDArray[np.int64], own: None) -> PartSums:
    """Sums of the rows of some clusters."""
    sums = part.state.sums
    clusters = torch.tensor(message, device=sums.counts.device)
    at = (sums.counts[clusters] > 0).nonzero()[:, 0]
    kept = clusters[at]
    return PartSums(*(t.cpu().numpy() for t in (at, sums.sums[kept], sums.counts[kept])))


def find_farthest(part: Part, message: None, own: None) -> Farthest:
    """Measure how far each row is from its center."""
    clusters: PartClusters = part.state
    clusters.distant = distant_rows(clusters.nearest, clusters.rows, clusters.weights)
    return _farthest(part)


def find_next(part: Part, message: int, own: None) -> Farthest:
    """The same without one row more."""
    squares, left = part.state.distant
    left[part.local(np.array([message]))] = False
    return _farthest(part)


def _farthest(part: Part) -> Farthest:
    clusters: PartClusters = part.state
    squares, left = clusters.distant
    rows = np.flatnonzero(left)
    rows = rows[_records(squares[rows])]
    own = clusters.nearest.nearest.cpu().numpy()[rows]
    return Farthest(part.offset + rows, squares[rows], own)


def _records(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Those which tie with the largest and are larger than all before.

    Wherever the largest value of all parts lies, the lowest row of a part that ties with it is
    one of these.
    """
    if not len(values):
        return np.empty(0, dtype=np.int64)
    largest = float(values.max())
    near = np.flatnonzero(values >= largest - tolerance(largest, 0.0))
    before = np.maximum.accumulate(values[near])
    larger: NDArray[np.int64] = near[np.concatenate([[True], before[1:] > before[:-1]])]
    return larger


class Moves(NamedTuple):
    rows: NDArray[np.int64]
    clusters: NDArray[np.int64]


def assign_rows(part: Part, message: Moves, own: None) -> None:
    """Give rows to other clusters."""
    clusters: PartClusters = part.state
    inside = (message.rows >= part.offset) & (message.rows < part.offset + part.n_samples)
    rows = part.local(message.rows)
    before = clusters.nearest.nearest[torch.as_tensor(rows)]
    for row, cluster in zip(rows.tolist(), message.clusters[inside].tolist(), strict=True):
        clusters.nearest.assign(row, cluster)
    nearest = clusters.nearest.nearest
    clusters.sums.renew(nearest, clusters.distinct(before, nearest[torch.as_tensor(rows)]))


def finish(part: Part, message: Centers | None, own: None) -> Sizes:
    """Find the nearest centers for the last time."""
    clusters: PartClusters = part.state
    changed = clusters.nearest.nearest[:0]
    if message is not None:
        changed = clusters.follow(message)
    squares = clusters.nearest.own_squares()
    weighted = squares if clusters.weights is None else squares * clusters.weights
    return clusters.sizes(changed, float(weighted.sum()))
