"""Look-ahead selection that refits the kernel ridge for every candidate and every label.

`K` is the kernel matrix of the pool, `rows` the labeled rows, `Y` their labels as a matrix of
shape (n_labeled, n_outputs), `kind` what they are: "classes" (one-hot), "indicators", "values", or
None where nothing is labeled.
"""

import numpy as np
from scipy.stats import chi

from tests.reference.ties import lowest_best

ROUNDING = 1e-9


def fit(K, rows, Y, noise):
    """Outputs at all rows: K_xL (K_LL + noise I)^-1 Y."""
    return K[:, rows] @ np.linalg.solve(K[np.ix_(rows, rows)] + noise * np.eye(len(rows)), Y)


def refit(K, rows, Y, noise, x, label):
    return fit(K, [*rows, x], np.vstack([Y, label]), noise)


def posterior(K, rows, noise):
    return K - fit(K, rows, K[rows], noise)


def most_likely(kind, outputs):
    """The label at a row, given its outputs: lowest class where several are as likely."""
    if kind == "classes":
        best = np.flatnonzero(outputs >= outputs.max() - ROUNDING)[0]
        return np.eye(len(outputs))[best]
    if kind == "indicators":
        return (outputs > 0.5 + ROUNDING).astype(float)
    return outputs


def probabilities(outputs):
    """Outputs clipped to [0, 1] and normalised; uniform where all are 0."""
    clipped = np.clip(outputs, 0, 1)
    total = clipped.sum(-1, keepdims=True)
    uniform = np.full_like(clipped, 1 / clipped.shape[-1])
    return np.where(total > ROUNDING, clipped / np.maximum(total, ROUNDING), uniform)


def change(K, rows, Y, noise, U, x, label):
    """How far the outputs at the rows U move when row x gets the label."""
    difference = refit(K, rows, Y, noise, x, label) - fit(K, rows, Y, noise)
    return np.linalg.norm(difference[U], axis=1).sum()


def first_change(K, rows, noise, U, x):
    """The same for the first label of all; `rows` have been picked and count as known."""
    P = posterior(K, rows, noise)
    return np.abs(fit(P, [x], np.ones((1, 1)), noise)[U]).sum()


def output_change(kind, K, rows, Y, noise, U, x):
    if kind == "values":
        return expected_output_change(kind, K, rows, Y, noise, U, x)
    label = most_likely(kind, fit(K, rows, Y, noise)[x])
    return change(K, rows, Y, noise, U, x, label)


def expected_output_change(kind, K, rows, Y, noise, U, x):
    outputs = fit(K, rows, Y, noise)[x]
    k = len(outputs)
    if kind == "classes":
        p = probabilities(outputs)
        return sum(p[c] * change(K, rows, Y, noise, U, x, np.eye(k)[c]) for c in range(k))
    direction = np.eye(k)[0]
    change_per_unit = change(K, rows, Y, noise, U, x, outputs + direction)
    if kind == "values":
        return change_per_unit * np.sqrt(posterior(K, rows, noise)[x, x] + noise) * chi(k).mean()
    p = np.clip(outputs, 0, 1)
    squares = [p[c] * (1 - outputs[c]) ** 2 + (1 - p[c]) * outputs[c] ** 2 for c in range(k)]
    return change_per_unit * np.sqrt(sum(squares))


def expected_error(kind, K, rows, Y, noise, U, x):
    """Minus the expected error, or the fall of the summed variance."""
    if kind == "values":
        before, after = posterior(K, rows, noise), posterior(K, [*rows, x], noise)
        return np.trace((before - after)[np.ix_(U, U)])
    outputs = fit(K, rows, Y, noise)[x]
    k = len(outputs)
    if kind == "classes":
        if k == 1:
            return output_change(kind, K, rows, Y, noise, U, x)
        p = probabilities(outputs)
        after = [refit(K, rows, Y, noise, x, np.eye(k)[c])[U] for c in range(k)]
        return -sum(p[c] * (1 - probabilities(after[c]).max(1)).mean() for c in range(k))
    p = np.clip(outputs, 0, 1)
    error = 0.0
    for c in range(k):
        for value, probability in ((0, 1 - p[c]), (1, p[c])):
            q = np.clip(refit(K, rows, Y[:, [c]], noise, x, [[value]])[U], 0, 1)
            error += probability * np.minimum(q, 1 - q).mean() / k
    return -error


CRITERIA = {
    "output_change": output_change,
    "expected_output_change": expected_output_change,
    "expected_error": expected_error,
}


def scores(criterion, kind, K, rows, Y, noise, U, candidates):
    """Score of every candidate, -inf elsewhere."""
    values = np.full(len(K), -np.inf)
    for x in candidates:
        if kind is None:
            values[x] = first_change(K, rows, noise, U, x)
        else:
            values[x] = CRITERIA[criterion](kind, K, rows, Y, noise, U, x)
    return values


def select(criterion, kind, K, labeled, Y, noise, budget, *, sequential=False, last=()):
    """Picks and their scores; rows `last` only when nothing else remains."""
    available = ~np.isin(np.arange(len(K)), labeled)
    postponed = np.isin(np.arange(len(K)), last)
    # Scores that are errors tie relative to accuracies.
    many_classes = kind == "indicators" or (kind == "classes" and Y.shape[1] > 1)
    offset = 1.0 if criterion == "expected_error" and many_classes else 0.0
    known, picks, picked_scores = [*labeled], [], []
    for _ in range(budget):
        if sequential or not picks:
            U = np.setdiff1d(np.arange(len(K)), known)
            current = scores(criterion, kind, K, known, Y, noise, U, U)
        preferred = available & ~postponed
        choice = preferred if preferred.any() else available
        first = picked_scores[0] + offset if picks else 0.0
        x = lowest_best(current + offset, choice, first)
        picks.append(x)
        picked_scores.append(current[x])
        available[x] = False
        if sequential:
            if kind is not None:
                Y = np.vstack([Y, most_likely(kind, fit(K, known, Y, noise)[x])])
            known.append(x)
    return np.array(picks), np.array(picked_scores)
