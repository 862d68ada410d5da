"""LCMD by the book."""

import numpy as np

from tests.reference.ties import lowest_best


def largest_cluster_maximum_distance(X, labeled, budget, preference, last=(), floor=0.0):
    """The row farthest from its center in the cluster with the largest sum of squares."""
    squares = ((X[:, None] - X[None]) ** 2).sum(-1)
    squares[squares < 1e-24 * (X**2).sum(1).max()] = 0
    available = ~np.isin(np.arange(len(X)), labeled)
    counted = available & ~np.isin(np.arange(len(X)), last)
    centers, picks, distances = list(labeled), [], []
    for _ in range(budget):
        if centers:
            own, best = nearest_centers(squares[:, centers])
            sizes = np.bincount(own, best * counted, minlength=len(centers))
            largest = int(np.flatnonzero(sizes >= sizes.max() * (1 - 1e-12))[0])
            scores = np.where(own == largest, best, -np.inf) if sizes.max() > 0 else best
        else:
            scores = preference
        choice = available & counted
        picks.append(lowest_best(scores, choice if choice.any() else available, floor))
        distances.append(np.sqrt(scores[picks[-1]]) if centers else np.inf)
        available[picks[-1]] = False
        centers.append(picks[-1])
    return np.array(picks), np.array(distances)


def nearest_centers(squares):
    """The earliest center, unless a later one is nearer by more than rounding."""
    own, best = np.zeros(len(squares), dtype=int), squares[:, 0].copy()
    for j in range(1, squares.shape[1]):
        closer = squares[:, j] < best * (1 - 1e-9)
        own[closer], best[closer] = j, squares[closer, j]
    return own, best
