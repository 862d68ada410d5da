"""Look-ahead selection that retrains the linearized network for every candidate and label.

`jacobian` gives J of shape (n, C, P); `tangent_kernel` makes of it the covariance of all outputs at
all rows, of shape (n, C, n, C), whatever the kind. `f` are outputs of shape (n, C).
"""

from itertools import product

import numpy as np
import torch

from tests.reference.ties import lowest_best


def jacobian(module, X):
    """Gradient of every output at every row with respect to all parameters, one by one."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    rows = []
    for x in X:
        outputs = module(x[None])[0]
        gradients = [
            torch.autograd.grad(output, parameters, retain_graph=True) for output in outputs
        ]
        rows.append([torch.cat([g.flatten() for g in gradient]) for gradient in gradients])
    return np.array([[g.double().numpy() for g in row] for row in rows])


def tangent_kernel(J, kind):
    n, C, _ = J.shape
    full = np.einsum("icp,jdp->icjd", J, J)
    if kind == "full":
        return full
    if kind == "diagonal":
        return np.einsum("icjd,cd->icjd", full, np.eye(C))
    return np.einsum("ij,cd->icjd", full.sum((1, 3)) / C, np.eye(C))


def mean_variance(K):
    n, C = K.shape[:2]
    return np.trace(K.reshape(n * C, n * C)) / (n * C)


def retrain(K, f, rows, Y, noise):
    """Outputs everywhere: f + K_xL (K_LL + noise I)^-1 (Y - f_L)."""
    n, C = f.shape
    rows = list(rows)
    if not rows:
        return f.copy()
    known = K[rows][:, :, rows].reshape(len(rows) * C, -1) + noise * np.eye(len(rows) * C)
    weights = np.linalg.solve(known, (np.asarray(Y) - f[rows]).ravel())
    return f + (K[:, :, rows].reshape(n * C, -1) @ weights).reshape(n, C)


def variances(K, rows, noise):
    """Posterior variance of every output at every row, of shape (n, C)."""
    n, C = K.shape[:2]
    rows = list(rows)
    matrix = K.reshape(n * C, n * C)
    if rows:
        cross = K[:, :, rows].reshape(n * C, -1)
        known = K[rows][:, :, rows].reshape(len(rows) * C, -1) + noise * np.eye(len(rows) * C)
        matrix = matrix - cross @ np.linalg.solve(known, cross.T)
    return np.diag(matrix).reshape(n, C)


class Softmax:
    """Classes with one-hot targets."""

    def __init__(self, n_outputs):
        self.codes = np.eye(n_outputs)

    def probabilities(self, f):
        e = np.exp(f - f.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)


class Shares(Softmax):
    """The outputs are probabilities themselves."""

    def probabilities(self, f):
        clipped = np.clip(f, 0, 1)
        return clipped / clipped.sum(-1, keepdims=True)


class Logit:
    """Two classes, one output."""

    codes = np.array([[-1.0], [1.0]])

    def probabilities(self, f):
        p = 1 / (1 + np.exp(-f))
        return np.concatenate([1 - p, p], axis=-1)


def class_score(labels, criterion, K, f, current, known, Y, noise, U, x):
    def after(code):
        return retrain(K, f, [*known, x], [*Y, code], noise)[U]

    p = labels.probabilities(current)[x]
    if criterion == "output_change":
        code = labels.codes[np.flatnonzero(p >= p.max() - 1e-9)[0]]
        return np.linalg.norm(after(code) - current[U], axis=1).sum()
    if criterion == "expected_output_change":
        changes = [np.linalg.norm(after(code) - current[U], axis=1).sum() for code in labels.codes]
        return p @ changes
    errors = [(1 - labels.probabilities(after(code)).max(1)).mean() for code in labels.codes]
    return -p @ errors


def indicator_score(criterion, K, f, current, known, Y, noise, U, x):
    """Independent labels -1 and 1 with logits: sums over all sets of labels."""
    C = f.shape[1]

    def after(code):
        return retrain(K, f, [*known, x], [*Y, code], noise)[U]

    p = 1 / (1 + np.exp(-current[x]))
    if criterion == "output_change":
        return np.linalg.norm(after(np.where(p > 0.5, 1, -1)) - current[U], axis=1).sum()
    if criterion == "expected_output_change":
        squares = 0.0
        for code in product((-1, 1), repeat=C):
            probability = np.prod(np.where(np.array(code) > 0, p, 1 - p))
            squares = squares + probability * ((after(code) - current[U]) ** 2).sum(1)
        return np.sqrt(squares).sum()
    error = 0.0
    for c in range(C):
        for value, probability in ((1, p[c]), (-1, 1 - p[c])):
            code = 2 * p - 1
            code[c] = value
            q = 1 / (1 + np.exp(-after(code)[:, c]))
            error += probability * np.minimum(q, 1 - q).mean() / C
    return -error


def value_score(criterion, K, f, current, known, Y, noise, U, x):
    fall = (variances(K, known, noise) - variances(K, [*known, x], noise))[U]
    if criterion == "expected_error":
        return fall.sum() / f.shape[1]
    pending = (retrain(K, f, known, Y, noise) - current)[U]
    return np.sqrt((pending**2 + fall).sum(1)).sum()


def score(labels, *case):
    if labels == "values":
        return value_score(*case)
    if labels == "indicators":
        return indicator_score(*case)
    return class_score(labels, *case)


def most_likely(labels, current, predicted, x):
    if labels == "values":
        return predicted[x]
    if labels == "indicators":
        return np.where(current[x] > 0, 1.0, -1.0)
    p = labels.probabilities(current)[x]
    return labels.codes[np.flatnonzero(p >= p.max() - 1e-9)[0]]


def select(labels, criterion, K, f, labeled, Y, noise, budget, *, sequential=False):
    """Picks and their scores."""
    available = ~np.isin(np.arange(len(f)), labeled)
    offset = 1.0 if criterion == "expected_error" and labels != "values" else 0.0
    known, Y, current = [*labeled], [*Y], f
    picks, picked_scores = [], []
    for _ in range(budget):
        if sequential or not picks:
            U = np.setdiff1d(np.arange(len(f)), known)
            scores = np.full(len(f), -np.inf)
            for x in U:
                scores[x] = score(labels, criterion, K, f, current, known, Y, noise, U, x)
        first = picked_scores[0] + offset if picks else 0.0
        x = lowest_best(scores + offset, available, first)
        picks.append(x)
        picked_scores.append(scores[x])
        available[x] = False
        if sequential:
            Y.append(most_likely(labels, current, retrain(K, f, known, Y, noise), x))
            known.append(x)
            current = retrain(K, f, known, Y, noise)
    return np.array(picks), np.array(picked_scores)
