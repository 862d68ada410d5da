"""DropQuery row by row and copy by copy."""

import numpy as np


def candidates(X, labeled, predict, rate, n_copies, random_state):
    """Unlabeled rows of which more than half of the dropped copies are of another class."""
    found = []
    for i, x in enumerate(X):
        n_changed = 0
        for _ in range(n_copies):
            dropped = random_state.random_sample(len(x)) < rate
            copy = np.where(dropped, 0.0, x / (1 - rate))
            n_changed += predict(copy[None])[0] != predict(x[None])[0]
        if n_changed > n_copies / 2 and i not in labeled:
            found.append(i)
    return np.array(found, dtype=int)


def nearest_candidates(X, rows, centers, assignment):
    """The lowest of the candidates nearest to the center of each cluster, in unit vectors."""
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    Z = X / np.where(norms > 0, norms, 1)
    picks, sizes = [], []
    for cluster, center in enumerate(centers):
        members = [row for row, own in zip(rows, assignment, strict=True) if own == cluster]
        if members:
            squares = [((Z[row] - center) ** 2).sum() for row in members]
            ties = [
                row for row, s in zip(members, squares, strict=True) if s <= min(squares) + 1e-12
            ]
            picks.append(ties[0])
            sizes.append(len(members))
    order = sorted(range(len(picks)), key=lambda i: (-sizes[i], picks[i]))
    return [picks[i] for i in order], [sizes[i] for i in order]
