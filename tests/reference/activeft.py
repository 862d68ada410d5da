"""ActiveFT row by row and center by center, after the formulas of the paper.

`components` are the labeled rows, `fixed`, above the centers, `theta`. Both losses return their
value and the gradient with respect to all components.
"""

import numpy as np

from tests.reference.coreset import unit

TIE = 1e-9


def nearest(f, components):
    similarity = components @ f
    return int(np.flatnonzero(similarity >= similarity.max() - TIE)[0])


def kl(F, components, tau, lam):
    N, C = len(F), len(components)
    value, gradient = 0.0, np.zeros_like(components)
    for f in F:
        c = nearest(f, components)
        value -= f @ components[c] / (N * tau)
        gradient[c] -= f / (N * tau)
    for j in range(C if C > 1 else 0):
        others = np.arange(C) != j
        e = np.exp(components[others] @ components[j] / tau)
        value += lam / C * np.log(e.sum())
        P = e / e.sum()
        gradient[j] += lam / (C * tau) * P @ components[others]
        gradient[others] += lam / (C * tau) * np.outer(P, components[j])
    return value, gradient


def contrastive(F, components, tau, lam):
    N = len(F)
    value, gradient = 0.0, np.zeros_like(components)
    for f in F:
        c = nearest(f, components)
        e = np.exp(f @ components[c] / tau)
        rivals = np.exp(components @ components[c] / tau)
        p = e / (e + lam * rivals.sum())
        value -= np.log(p) / N
        gradient[c] -= (1 - p) / (N * tau) * (f - rivals @ components / rivals.sum())
    return value, gradient


def adam(evaluate, fixed, theta, learning_rate, max_iter, rounding):
    """Centers after `max_iter` steps on the sphere, and the loss before each.

    Entries of the gradient below `rounding` count as 0: Adam would step by their signs.
    """
    m, v, curve = 0.0, 0.0, []
    for t in range(1, max_iter + 1):
        value, gradient = evaluate(np.vstack([fixed, theta]))
        curve.append(value)
        gradient = np.where(abs(gradient) < rounding, 0, gradient)[len(fixed) :]
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        step = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        theta = unit(theta - learning_rate * step)
    return theta, np.array(curve)


def activeft(X, labeled, starts, budget, loss, tau, lam, learning_rate, max_iter):
    """Picks, their centers and the loss curve for centers that start at the rows `starts`."""
    F = unit(X)
    available, directed = np.ones(len(F), dtype=bool), F.any(1)
    available[labeled] = False
    fixed = F[[i for i in labeled if directed[i]]]
    rounding = 1e-12 * (1 + lam) / tau
    theta, curve = adam(
        lambda T: loss(F, T, tau, lam), fixed, F[starts], learning_rate, max_iter, rounding
    )
    component_of = [nearest(f, np.vstack([fixed, theta])) for f in F]
    mass = [component_of.count(len(fixed) + j) for j in range(len(theta))]
    theta = theta[np.argsort(np.negative(mass), kind="stable")]
    picks, centers = [], []
    for t in range(budget):
        allowed = available & directed if (available & directed).any() else available
        centers.append(theta[t % len(theta)])
        similarity = np.where(allowed, F @ centers[-1], -np.inf)
        picks.append(int(np.flatnonzero(similarity >= similarity.max() - TIE)[0]))
        available[picks[-1]] = False
    return np.array(picks), np.array(centers), curve
