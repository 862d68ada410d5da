"""BADGE with the gradients written out."""

import numpy as np


def loss_gradients(probabilities, features):
    """(p - onehot(argmax p)) ⊗ h of every row, as rows of n_classes * n_features entries."""
    errors = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(1)]
    return np.array([np.outer(e, h).ravel() for e, h in zip(errors, features, strict=True)])


def squared_distances(gradients):
    """Between all rows."""
    return ((gradients[:, None] - gradients[None]) ** 2).sum(-1)


def draw_shares(gradients, picks, candidates, origin=False):
    """Probability of each row to be the next pick; the longest gradient is the first one.

    With `origin`, the origin counts as a pick as well.
    """
    norms = (gradients**2).sum(1)
    shares = np.zeros(len(gradients))
    if not len(picks):
        shares[np.where(candidates, norms, -np.inf).argmax()] = 1
        return shares
    nearest = squared_distances(gradients)[:, picks].min(1)
    if origin:
        nearest = np.minimum(nearest, norms)
    nearest[~candidates] = nearest[picks] = 0
    return nearest / nearest.sum()


def pick_shares(gradients, candidates, n_picks, origin=False):
    """Probability of each row to be each of the picks, of shape (n_picks, n_samples)."""
    sequences = {(): 1.0}
    shares = []
    for _ in range(n_picks):
        longer = {}
        for picks, probability in sequences.items():
            next_shares = draw_shares(gradients, list(picks), candidates, origin)
            for row in np.flatnonzero(next_shares):
                longer[*picks, int(row)] = probability * next_shares[row]
        sequences = longer
        total = np.zeros(len(gradients))
        for picks, probability in sequences.items():
            total[picks[-1]] += probability
        shares.append(total)
    return np.array(shares)
