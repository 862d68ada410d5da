"""Selectors for regression, one row and one model at a time."""

import numpy as np

from tests.reference.ties import lowest_best


def committee_variance(members, X):
    """Variance of the members' predictions at every row."""
    predictions = np.array([[member.predict(row[None])[0] for row in X] for member in members])
    return ((predictions - predictions.mean(0)) ** 2).mean(0)


def expected_model_change(model, others, X):
    """Cai, Zhang, Zhou (2013), equation 9: the mean norm of (f(x) - f_k(x)) x."""
    changes = []
    for row in X:
        value = model.predict(row[None])[0]
        gradients = [(value - other.predict(row[None])[0]) * row for other in others]
        changes.append(np.mean([np.linalg.norm(gradient) for gradient in gradients]))
    return np.array(changes)


def greedy_sampling(points, predicted, labeled, labels, budget, method):
    """Wu, Lin, Huang (2019), with the prediction for a label where that is not known yet."""
    known = dict(zip(labeled, labels, strict=True))
    picks, scores = [], []
    for _ in range(budget):
        values = []
        for row in range(len(points)):
            gaps = [abs(predicted[row] - label) for label in known.values()]
            distances = [np.linalg.norm(points[row] - points[other]) for other in known]
            values.append(min(gaps if method == "y" else np.multiply(distances, gaps)))
        values = np.array(values)
        available = ~np.isin(np.arange(len(points)), list(known))
        picks.append(lowest_best(values, available, scores[0] if scores else 0.0))
        scores.append(values[picks[-1]])
        known[picks[-1]] = predicted[picks[-1]]
    return np.array(picks), np.array(scores)
