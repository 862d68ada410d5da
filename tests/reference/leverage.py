"""Leverage scores and pivotal sampling, step by step."""

import numpy as np


def leverage_scores(X, alpha=0.0):
    """Diagonal of the hat matrix."""
    if alpha > 0:
        return np.diag(X @ np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T))
    return np.diag(X @ np.linalg.pinv(X))


def inclusion_probabilities(scores, budget):
    """Proportional to the scores; what exceeds 1 is cut, and the rest of the budget shared anew."""
    certain = np.zeros(len(scores), dtype=bool)
    while True:
        left = budget - certain.sum()
        chances = np.where(certain, 1.0, scores * left / max(scores[~certain].sum(), 1e-300))
        if (chances <= 1 + 1e-9).all():
            return chances.clip(max=1.0)
        certain |= chances > 1


def principal_projections(X):
    """Along the principal axis; the first row is not on the positive side."""
    centered = X - X.mean(0)
    projections = centered @ np.linalg.svd(centered, full_matrices=True)[2][0]
    return -projections if projections[0] > 0 else projections


def tree(X, rows, method, depth=0):
    """Nested pairs of rows, halved along a direction; ties go to the lowest row."""
    rows = sorted(rows)
    if len(rows) == 1:
        return rows[0]
    if method == "pca":
        values = principal_projections(X[rows])
    else:
        values = X[rows, depth % X.shape[1]]
    ordered = [rows[i] for i in np.argsort(values, kind="stable")]
    half = len(rows) // 2
    return tuple(tree(X, part, method, depth + 1) for part in (ordered[:half], ordered[half:]))


def leaves(node):
    return leaves(node[0]) + leaves(node[1]) if isinstance(node, tuple) else [node]


def pivotal(node, chances, rng, drawn):
    """Row of the node that is still undecided and its chance; decided ones go to `drawn`."""
    if not isinstance(node, tuple):
        return node, chances[node]
    i, p = pivotal(node[0], chances, rng, drawn)
    j, q = pivotal(node[1], chances, rng, drawn)
    if p + q <= 1:
        winner = i if p + q == 0 or rng.uniform() < p / (p + q) else j
        if p + q < 1 - 1e-9:
            return winner, p + q
        drawn.append(winner)
        return winner, 0.0
    if rng.uniform() < (1 - q) / (2 - p - q):
        i, j = j, i
    drawn.append(j)  # and i goes on
    return i, p + q - 1
