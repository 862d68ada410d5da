"""Transductive selection with dense matrices.

`K` holds the prior covariances of all points of interest: the n pool rows, then the targets, if
any. `posterior` is the textbook formula; everything else is read off it.
"""

import numpy as np

from tests.reference.ties import lowest_best


def posterior(K, observed, noise):
    """k(x, x') - k(x, D) (K_DD + noise)^-1 k(D, x'), with one noise variance an observation."""
    inverse = np.linalg.inv(K[np.ix_(observed, observed)] + np.diag(noise))
    return K - K[:, observed] @ inverse @ K[observed, :]


def observe(K, rows, noise, targets=(), target_noise=1.0):
    """Posterior covariances after noisy observations of rows and of targets."""
    observed = np.array([*rows, *targets], dtype=int)
    return posterior(K, observed, [noise] * len(rows) + [target_noise] * len(targets))


def itl_scores(K, n, targets, known, noise, target_noise):
    """Mutual information of each row's label and the (noisy) targets; of f without targets."""
    variance = np.diag(observe(K, known, noise))[:n]
    if not len(targets):
        return 0.5 * np.log1p(variance / noise)
    given_targets = np.diag(observe(K, known, noise, targets, target_noise))[:n]
    return 0.5 * np.log((variance + noise) / (given_targets + noise))


def vtl_scores(K, n, targets, known, noise, target_noise=None):
    """How far a row's label lowers the summed variance of the targets; of the pool without."""
    P = observe(K, known, noise)
    points = targets if len(targets) else range(n)
    return (P[points, :n] ** 2).sum(0) / (np.diag(P)[:n] + noise)


def greedy(
    scores_of, K, n, targets, labeled, budget, noise, target_noise=None, *, last=(), top=False
):
    """Row by row the best score, conditioning on each pick unless `top`; rows `last` at the end."""
    available = ~np.isin(np.arange(n), labeled)
    postponed = np.isin(np.arange(n), last)
    picks, scores = [], []
    for _ in range(budget):
        known = [*labeled] if top else [*labeled, *picks]
        current = scores_of(K, n, targets, known, noise, target_noise)
        preferred = available & ~postponed
        choice = preferred if preferred.any() else available
        picks.append(lowest_best(current, choice, scores[0] if scores else 0.0))
        scores.append(current[picks[-1]])
        available[picks[-1]] = False
    return np.array(picks), np.array(scores)


def log_det(matrix):
    return np.linalg.slogdet(matrix)[1]


def information_gain(K, targets, labeled, picks, noise, target_noise):
    """Entropy of the noisy targets before the picks' labels, minus the entropy after."""
    extra = target_noise * np.eye(len(targets))
    block = np.ix_(targets, targets)
    before = observe(K, labeled, noise)[block] + extra
    after = observe(K, [*labeled, *picks], noise)[block] + extra
    return 0.5 * (log_det(before) - log_det(after))


def information_gain_undirected(K, labeled, picks, noise):
    """½ log det(I + P_SS/ρ²), the information about f in the labels of S."""
    P = observe(K, labeled, noise)[np.ix_(picks, picks)]
    return 0.5 * log_det(np.eye(len(picks)) + P / noise)


def log_det_design(K, n, labeled, budget, noise):
    """Greedy maximization of log det(I + K_S/ρ²), each candidate's determinant computed anew."""
    chosen, picks, first = list(labeled), [], 0.0
    for _ in range(budget):
        start = log_det(np.eye(len(chosen)) + K[np.ix_(chosen, chosen)] / noise)
        gains = np.full(n, -np.inf)
        for x in set(range(n)) - set(chosen):
            S = [*chosen, x]
            gains[x] = 0.5 * (log_det(np.eye(len(S)) + K[np.ix_(S, S)] / noise) - start)
        picks.append(lowest_best(gains, np.isfinite(gains), first))
        first = first or gains[picks[0]]
        chosen.append(picks[-1])
    return np.array(picks)
