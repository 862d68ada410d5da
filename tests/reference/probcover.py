"""Maximum coverage by balls of one radius, from all pairwise distances."""

import math
from bisect import bisect_left

import numpy as np

from tests.reference.ties import lowest_best


def balls(distances, radius):
    """near[i, j]: row j lies in the open ball around row i, or is row i."""
    return (distances < radius * (1 - 1e-9)) | np.eye(len(distances), dtype=bool)


def max_coverage(near, labeled, budget, last=()):
    """The row whose ball holds most rows not covered yet, then most of those covered least."""
    available = ~np.isin(np.arange(len(near)), labeled)
    postponed = np.isin(np.arange(len(near)), last)
    times = near[labeled].sum(0)
    level = 0
    picks, scores, coverage = [], [], []
    for _ in range(budget):
        preferred = available & ~postponed
        choice = preferred if preferred.any() else available
        while not (near[choice] & (times <= level)).any():
            level += 1
        gains = (near & (times <= level)).sum(1)
        picks.append(lowest_best(gains, choice, 0.0))
        scores.append(gains[picks[-1]])
        times = times + near[picks[-1]]
        available[picks[-1]] = False
        coverage.append((times > 0).mean())
    return np.array(picks), np.array(scores), np.array(coverage)


def share_of_pure_balls(distances, labels, radius, centers):
    """Share of the open balls around the centers that hold one label only."""
    return np.mean([(labels[distances[i] < radius] == labels[i]).all() for i in centers])


def largest_pure_radius(distances, labels, purity, centers):
    """The largest distance between rows of different labels that is a radius of enough purity."""
    radii = np.unique(distances[labels[:, None] != labels])
    if not len(radii):
        return math.inf
    # Balls only lose their purity as they grow: the first radius without enough of it.
    too_large = bisect_left(
        radii,
        True,
        key=lambda radius: share_of_pure_balls(distances, labels, radius, centers) < purity,
    )
    return radii[too_large - 1]
