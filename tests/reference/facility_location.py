"""Facility location from the matrix of all similarities."""

import numpy as np

from tests.reference.coreset import unit
from tests.reference.ties import lowest_best


def similarities(X, targets, metric):
    """sim(i, s) of every target i and row s."""
    if metric == "cosine":
        return np.maximum(0, unit(targets) @ unit(X).T)
    center = X.mean(0)
    radius = np.linalg.norm(X - center, axis=1).max()
    radius += np.linalg.norm(targets - center, axis=1).max()
    return radius**2 - ((targets[:, None] - X[None]) ** 2).sum(-1)


def objective(sim, chosen):
    """Sum over the targets of the similarity to the most similar chosen row."""
    return sim[:, list(chosen)].max(1).sum() if len(chosen) else 0.0


def greedy_facility_location(sim, labeled, budget, last=()):
    """The row that raises the objective most."""
    n = sim.shape[1]
    available = ~np.isin(np.arange(n), labeled)
    postponed = np.isin(np.arange(n), last)
    covers = sim[:, labeled].max(1, initial=0.0)
    picks, scores = [], []
    for _ in range(budget):
        preferred = available & ~postponed
        choice = preferred if preferred.any() else available
        gains = np.maximum(0, sim - covers[:, None]).sum(0)
        picks.append(lowest_best(gains, choice, np.abs(sim).sum(0).max()))
        scores.append(gains[picks[-1]])
        covers = np.maximum(covers, sim[:, picks[-1]])
        available[picks[-1]] = False
    return np.array(picks), np.array(scores)
