"""Measures of picks and learning curves, written out."""

from itertools import permutations
from math import lcm

import numpy as np

from tests.reference.coreset import unit


def radius(X, picks, metric, quantile):
    """The smallest distance to the nearest pick that enough rows do not exceed."""
    X = unit(X) if metric == "cosine" else X
    nearest = [min(np.linalg.norm(x - X[s]) for s in picks) for x in X]
    return min(r for r in nearest if sum(d <= r for d in nearest) / len(X) >= quantile)


def mmd2(X, Y, kernel, unbiased):
    """Means of the kernel over all pairs, those of a row with itself left out if unbiased."""

    def mean(A, B, skip):
        pairs = [
            kernel(a, b) for i, a in enumerate(A) for j, b in enumerate(B) if not (skip and i == j)
        ]
        return sum(pairs) / len(pairs)

    return mean(X, X, unbiased) + mean(Y, Y, unbiased) - 2 * mean(X, Y, False)


def copies(X, Y):
    """Both samples repeated to the same size, which leaves the shares of the rows equal."""
    size = lcm(len(X), len(Y))
    return np.repeat(X, size // len(X), axis=0), np.repeat(Y, size // len(Y), axis=0)


def wasserstein(X, Y, p):
    """The best of all matchings of copies of the rows."""
    X, Y = copies(X, Y)
    costs = [
        np.mean([np.linalg.norm(x - Y[j]) ** p for x, j in zip(X, matching, strict=True)])
        for matching in permutations(range(len(Y)))
    ]
    return min(costs) ** (1 / p)


def sliced(X, Y, p, n_projections, seed):
    """Along each direction the matching of the sorted copies, which is the best one."""
    directions = np.random.RandomState(seed).standard_normal((n_projections, X.shape[1]))
    costs = []
    for direction in directions / np.linalg.norm(directions, axis=1, keepdims=True):
        x, y = copies(np.sort(X @ direction), np.sort(Y @ direction))
        costs.append(np.mean(np.abs(x - y) ** p))
    return np.mean(costs) ** (1 / p)


def balance(y, classes):
    """Entropy in units of the logarithm of the number of classes."""
    shares = [sum(label == c for label in y) / len(y) for c in classes]
    return sum(-share * np.log(share) for share in shares if share > 0) / np.log(len(classes))


def area(n_labels, scores, low, high, scale, n_steps=200_000):
    """Mean of the curve at many places."""
    forth = np.log if scale == "log" else np.asarray
    places = np.linspace(forth(low), forth(high), n_steps + 1)
    middles = (places[1:] + places[:-1]) / 2
    return np.interp(middles, forth(np.asarray(n_labels, dtype=float)), scores).mean()


def needed(n_labels, scores, goal, n_steps=200_000):
    """The first of many places at which the curve is high enough."""
    places = np.union1d(np.linspace(n_labels[0], n_labels[-1], n_steps + 1), n_labels)
    high = np.interp(places, n_labels, scores) >= goal
    return places[high.argmax()] if high.any() else np.inf
