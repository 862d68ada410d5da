"""k-center by brute force."""

from itertools import combinations

import numpy as np

from tests.reference.ties import lowest_best


def unit(X):
    """Rows divided by their norms; rows of zeros stay zero."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.divide(X, norms, out=np.zeros_like(X), where=norms > 0)


def pairwise_distances(X):
    return np.linalg.norm(X[:, None] - X[None], axis=-1)


def greedy_k_center(X, labeled, budget, preference, last=()):
    """The row farthest from all centers; the largest preference where there is no center yet."""
    distances = pairwise_distances(X)
    available = ~np.isin(np.arange(len(X)), labeled)
    postponed = np.isin(np.arange(len(X)), last)
    picks, scores = [], []
    for _ in range(budget):
        centers = [*labeled, *picks]
        current = distances[:, centers].min(1) if centers else preference
        preferred = available & ~postponed
        choice = preferred if preferred.any() else available
        picks.append(lowest_best(current, choice, scores[0] if scores else 0.0))
        scores.append(current[picks[-1]])
        available[picks[-1]] = False
    return np.array(picks), np.array(scores)


def radius(distances, centers, n_outliers=0):
    """Distance of the farthest row to its nearest center, the n_outliers farthest rows aside."""
    nearest = np.sort(distances[:, list(centers)].min(1))
    return nearest[len(nearest) - 1 - n_outliers]


def smallest_radius(distances, candidates, labeled, budget, n_outliers=0):
    """The best of all subsets of the candidates."""
    return min(
        radius(distances, [*labeled, *subset], n_outliers)
        for subset in combinations(candidates, budget)
    )
