"""What the selectors around a selector should do, for pools of a few rows."""

from itertools import product

import numpy as np

from tests.reference.coreset import greedy_k_center


def weights(scores, mode, temperature):
    """Kirsch et al. (2023), table 1, with coldness 1 / temperature."""
    beta = 1 / temperature
    if mode == "power":
        return scores**beta
    if mode == "softmax":
        return np.exp(beta * scores)
    # The average rank: one half of the equal scores stand above a row.
    ranks = [(scores > s).sum() + ((scores == s).sum() + 1) / 2 for s in scores]
    return np.array(ranks) ** -beta


def batch_probability(weights, batch):
    """Of drawing these rows in this order, without replacement."""
    left, probability = weights.sum(), 1.0
    for row in batch:
        probability *= weights[row] / left
        left -= weights[row]
    return probability


def most_even_totals(known, available, n_picks):
    """Labels and picks of each class, sorted, for the most balanced of all possible quotas."""
    totals = [
        sorted(np.add(known, quotas).tolist())
        for quotas in product(*(range(m + 1) for m in available))
        if sum(quotas) == n_picks
    ]
    return max(totals)


def class_turns(known, available, n_picks):
    """Class of each pick: the first one with the smallest total that has a candidate left."""
    totals, left, turns = list(known), list(available), []
    for _ in range(n_picks):
        open_classes = [k for k in range(len(totals)) if left[k] > 0]
        k = min(open_classes, key=lambda k: (totals[k], k))
        totals[k] += 1
        left[k] -= 1
        turns.append(k)
    return np.array(turns)


def balanced_k_center(X, labeled, turns, predicted):
    """k-center within each class, after the labeled rows and the picks of classes before it."""
    indices = np.full(len(turns), -1)
    for code in dict.fromkeys(turns.tolist()):
        earlier = indices[indices >= 0].tolist()
        others = np.flatnonzero(predicted != code)
        count = int((turns == code).sum())
        known = [*labeled, *earlier]
        indices[turns == code] = _k_center_among(X, known, others, count)
    return indices


def _k_center_among(X, known, closed, count):
    """The k-center method, where some rows are no candidates though they are no centers."""
    order = np.concatenate([known, np.setdiff1d(np.arange(len(X)), known)]).astype(int)
    is_open = ~np.isin(order, [*known, *closed])
    picks = []
    for _ in range(count):
        rows = order[(is_open & ~np.isin(order, picks)) | np.isin(order, [*known, *picks])]
        places = np.flatnonzero(np.isin(rows, [*known, *picks]))
        found, _ = greedy_k_center(X[rows], places.tolist(), 1, preference=None)
        picks.append(int(rows[found[0]]))
    return picks
