"""Lloyd's iteration over the rows of a pool, wherever they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from skactive._memory import check_memory
from skactive._ties import tolerance

# Matrices of the size of the centers: those before and after, shifted ones, sums.
_N_MATRICES = 6
COINCIDENT = 1e-24  # squared distance from the own center, as a share of the squares


class AssignedPool(ABC):
    """Rows of which each belongs to the nearest of some centers."""

    @abstractmethod
    def update(self, centers: Tensor) -> Tensor:
        """Follow the centers to where they are now; the clusters that gained or lost rows."""

    @abstractmethod
    def sizes(self) -> tuple[Tensor, Tensor]:
        """Weight of each cluster, float64, and the number of its rows; may be changed."""

    @abstractmethod
    def farthest(self) -> Iterator[tuple[int, int]]:
        """Rows and their clusters, the farthest from its center first.

        Of those that tie the lowest row comes first. Rows that lie at their centers, or have no
        weight, are left out.
        """

    @abstractmethod
    def assign(self, rows: list[int], clusters: list[int]) -> None:
        """Give rows to other clusters, until the next update finds the nearest."""

    @abstractmethod
    def sums(self, clusters: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted sums of the rows of some clusters, as differences from the mean; weights."""

    @abstractmethod
    def finish(self, centers: Tensor) -> float:
        """Follow the centers for the last time; the inertia."""


@dataclass(frozen=True)
class Problem:
    """What k-means is to do, beside where it starts."""

    mean: Tensor
    """Of all rows."""
    variance: float
    """Mean of those of the features."""
    fixed: Tensor
    """Centers that do not move."""
    max_iter: int
    tol: float


@dataclass(frozen=True)
class Settled:
    """Where the centers have come to rest."""

    centers: Tensor
    """The fixed ones first."""
    inertia: float
    n_iter: int


def lloyd(pool: AssignedPool, problem: Problem, start: Tensor) -> Settled:
    """Move centers to the means of their rows until that changes little."""
    n_fixed = len(problem.fixed)
    centers = torch.cat([problem.fixed, start])
    limit = problem.tol * problem.variance
    n_iter = 0
    while n_iter < problem.max_iter:
        n_iter += 1
        changed = pool.update(centers)
        changed = torch.cat([changed, _fill_empty(pool, n_fixed).to(changed)])
        if n_iter > 1 and not len(changed):
            break
        is_changed = torch.full_like(centers[:, 0], n_iter == 1, dtype=torch.bool)
        is_changed[changed] = True
        changed = is_changed.nonzero()[:, 0]
        after = centers.clone()
        after[changed] = _means(pool, changed, problem.mean, centers)
        after[:n_fixed] = problem.fixed
        shift = float((after - centers).square().sum())
        centers = after
        if shift <= limit:
            break
    return Settled(centers, pool.finish(centers), n_iter)


def _means(pool: AssignedPool, clusters: Tensor, origin: Tensor, centers: Tensor) -> Tensor:
    """The means; that of an empty cluster is where its center is."""
    sums, counts = pool.sums(clusters)
    means = sums / counts[:, None] + origin
    return torch.where(counts[:, None] > 0, means, centers[clusters])


def _fill_empty(pool: AssignedPool, n_fixed: int) -> Tensor:
    """Give the row farthest from its center to each center without rows; the clusters changed."""
    weights, sizes = pool.sizes()
    weights[:n_fixed] = 1  # which need no rows
    empty = (weights == 0).nonzero()[:, 0].tolist()
    rows: list[int] = []
    clusters: list[int] = []
    before: list[int] = []
    farthest = pool.farthest() if empty else iter(())
    for cluster in empty:
        for row, own in farthest:  # goes on where it stopped
            if own < n_fixed or int(sizes[own]) > 1:
                sizes[own] -= 1
                rows.append(row)
                clusters.append(cluster)
                before.append(own)
                break
    if rows:
        pool.assign(rows, clusters)
    return torch.tensor(before + clusters, dtype=torch.int64)


class _HasInertia(Protocol):
    @property
    def inertia(self) -> float: ...


Found = TypeVar("Found", bound=_HasInertia)


def best_of(tries: Iterable[Found]) -> Found:
    """The first of those with the smallest inertia."""
    best: Found | None = None
    for found in tries:
        if best is None or found.inertia < best.inertia - tolerance(best.inertia, 0.0):
            best = found
    assert best is not None  # n_init >= 1
    return best


def check_centers(n_centers: int, n_features: int, device: torch.device) -> None:
    """Refuse more centers than fit in memory."""
    check_memory(
        8 * _N_MATRICES * n_centers * n_features,
        device,
        f"k-means with {n_centers} centers of {n_features} features",
        "Lower budget, or reduce the features, for instance with sklearn.decomposition.PCA.",
    )
