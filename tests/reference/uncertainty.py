"""Uncertainty sampling, BALD and BatchBALD, one row and one configuration of labels at a time."""

from itertools import product
from math import log

import numpy as np

from tests.reference.ties import lowest_best


def entropy(p):
    return -sum(value * log(value) for value in p if value > 0)


def least_confidence(p):
    return 1 - max(p)


def margin(p):
    second, first = sorted(p)[-2:]
    return 1 - (first - second)


def best_rows(scores, labeled, budget):
    """The largest scores one after the other."""
    available = ~np.isin(np.arange(len(scores)), labeled)
    picks = []
    for _ in range(budget):
        picks.append(lowest_best(scores, available, scores[picks[0]] if picks else 0.0))
        available[picks[-1]] = False
    return np.array(picks)


def bald(members):
    """Information of the label of one row, given its probabilities (n_members, n_classes)."""
    return entropy(members.mean(0)) - np.mean([entropy(p) for p in members])


def joint_information(members):
    """The same for the labels of several rows, (n_rows, n_members, n_classes), by enumeration."""
    n_rows, n_members, n_classes = members.shape
    joint = [
        np.mean([np.prod([members[i, k, y[i]] for i in range(n_rows)]) for k in range(n_members)])
        for y in product(range(n_classes), repeat=n_rows)
    ]
    own = [np.mean([entropy(p) for p in members[i]]) for i in range(n_rows)]
    return entropy(joint) - sum(own)


def batch_bald(members, labeled, budget):
    """Greedy picks by joint information, and that of all picks so far after each."""
    available = ~np.isin(np.arange(len(members)), labeled)
    picks, information, first = [], [], 0.0
    for _ in range(budget):
        before = information[-1] if information else 0.0
        gains = np.full(len(members), -np.inf)
        for row in np.flatnonzero(available):
            gains[row] = joint_information(members[[*picks, row]]) - before
        picks.append(lowest_best(gains, available, first))
        first = first or gains[picks[0]]
        information.append(before + gains[picks[-1]])
        available[picks[-1]] = False
    return np.array(picks), np.array(information)
