"""Similarity to targets and information density, row by row."""

import numpy as np

from tests.reference.coreset import unit
from tests.reference.ties import lowest_best
from tests.reference.uncertainty import entropy, least_confidence, margin


def cosines(X, Z):
    return unit(X) @ unit(Z).T


def mean_similarity(X, targets):
    return cosines(X, targets).mean(1)


def density(X, reference):
    """Mean over the reference rows of similarities from 0 to 1."""
    return ((1 + cosines(X, reference)) / 2).mean(1)


UNCERTAINTY = {"entropy": entropy, "margin": margin, "least_confidence": least_confidence}


def information_density(X, reference, probabilities, criterion, beta):
    uncertainty = np.array([UNCERTAINTY[criterion](p) for p in probabilities])
    return uncertainty * density(X, reference) ** beta


def best_rows(scores, labeled, budget, last=()):
    """Rows of the best scores, one after the other; rows `last` at the end."""
    available = ~np.isin(np.arange(len(scores)), labeled)
    postponed = np.isin(np.arange(len(scores)), last)
    picks = []
    for _ in range(budget):
        preferred = available & ~postponed
        choice = preferred if preferred.any() else available
        picks.append(lowest_best(scores, choice, 1.0))
        available[picks[-1]] = False
    return np.array(picks)
