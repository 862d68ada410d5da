"""k-means and k-means++ by the book."""

import numpy as np

from tests.reference.coreset import unit


def squares_between(A, B):
    return ((A[:, None] - B[None]) ** 2).sum(-1)


def first_ties(squares, floor):
    """Lowest column within rounding of the smallest of each row."""
    best = squares.min(1, keepdims=True)
    return (squares <= best + np.maximum(1e-9 * best, floor)).argmax(1)


def lloyd(X, start, fixed=(), weights=None, max_iter=300, tol=1e-4):
    """Centers (fixed ones first), assignment, inertia and iterations from the given start."""
    weights = np.ones(len(X)) if weights is None else weights
    fixed = list(fixed)
    centers = np.vstack([X[fixed], start])
    scale = (X**2).sum(1).max() if len(X) else 0.0
    limit = tol * ((X - X.mean(0)) ** 2).mean()
    previous, n_iter = None, 0
    while n_iter < max_iter:
        n_iter += 1
        assignment = first_ties(squares_between(X, centers), 1e-24 * scale)
        assignment = fill_empty(X, centers, assignment, len(fixed), weights, scale)
        if previous is not None and (assignment == previous).all():
            break
        previous, before = assignment, centers.copy()
        for j in range(len(fixed), len(centers)):
            total = weights[assignment == j].sum()
            if total > 0:
                centers[j] = weights[assignment == j] @ X[assignment == j] / total
        if ((centers - before) ** 2).sum() <= limit:
            break
    assignment = first_ties(squares_between(X, centers), 1e-24 * scale)
    inertia = weights @ squares_between(X, centers)[np.arange(len(X)), assignment]
    return centers, assignment, inertia, n_iter


def fill_empty(X, centers, assignment, n_fixed, weights, scale):
    """Each center without weight takes the farthest row of a cluster that keeps others."""
    assignment = assignment.copy()
    squares = squares_between(X, centers)[np.arange(len(X)), assignment]
    sizes = np.bincount(assignment, minlength=len(centers))
    left = (squares > 1e-24 * scale) & (weights > 0)
    totals = np.bincount(assignment, weights, minlength=len(centers))
    for j in np.flatnonzero(totals[n_fixed:] == 0) + n_fixed:
        while left.any():
            best = squares[left].max()
            row = np.flatnonzero(left & (squares >= best * (1 - 1e-12)))[0]
            left[row] = False
            if assignment[row] < n_fixed or sizes[assignment[row]] > 1:
                sizes[assignment[row]] -= 1
                assignment[row] = j
                break
    return assignment


def nearest_rows(X, centers, available):
    """For each center in turn its nearest row that is left."""
    available, scale = np.array(available, dtype=bool), (X**2).sum(1).max()
    picks = []
    for center in centers:
        squares = np.where(available, ((X - center) ** 2).sum(1), np.inf)
        picks.append(first_ties(squares[None], 1e-24 * scale)[0])
        available[picks[-1]] = False
    return np.array(picks, dtype=int)


def pick_by_k_means(X, starts, labeled, metric):
    """Picks, sizes, inertia: Lloyd from the given rows, then the nearest rows, zeros last."""
    Z = unit(X) if metric == "cosine" else X
    directed = Z.any(1) if metric == "cosine" else np.ones(len(Z), dtype=bool)
    fixed = [i for i in labeled if directed[i]]
    centers, assignment, inertia, _ = lloyd(Z, Z[starts], fixed, directed.astype(float))
    sizes = np.bincount(assignment[directed], minlength=len(centers))[len(fixed) :]
    order = np.argsort(-sizes, kind="stable")
    available = directed & ~np.isin(np.arange(len(Z)), labeled)
    return nearest_rows(Z, centers[len(fixed) :][order], available), sizes[order], inertia


def d_squared_chances(X, known, candidates):
    """Probability of each row to be the next draw of k-means++."""
    chances = np.zeros(len(X))
    chances[candidates] = squares_between(X[candidates], X[known]).min(1)
    return chances / chances.sum()
