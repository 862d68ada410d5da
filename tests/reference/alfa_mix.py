"""ALFA-Mix feature by feature, as its formula says."""

import numpy as np


def softmax(outputs):
    exponentials = np.exp(outputs - outputs.max())
    return exponentials / exponentials.sum()


def mixed(z, anchor, weight, bias, cap):
    """(1 - alpha) z + alpha anchor with the closed form of alpha."""
    outputs = weight @ z + bias
    error = softmax(outputs) - np.eye(len(bias))[outputs.argmax()]
    gradient = weight.T @ error  # of the cross-entropy at the predicted class
    away = anchor - z
    epsilon = cap / np.sqrt(len(z))
    alpha = np.zeros(len(z))
    for j in np.flatnonzero(away):  # where row and anchor agree, any alpha does
        alpha[j] = epsilon * np.linalg.norm(away) * gradient[j] / np.linalg.norm(gradient) / away[j]
    return (1 - alpha) * z + alpha * anchor


def class_anchors(X, y, labeled, n_classes):
    """Means of the classes; the mean of all labeled rows where classes are missing."""
    labeled = np.asarray(labeled)
    known = np.unique(y[labeled])
    anchors = [X[labeled[y[labeled] == label]].mean(0) for label in known]
    return [*anchors, X[labeled].mean(0)] if len(known) < n_classes else anchors


def changed_rows(X, anchors, weight, bias, cap):
    """Whether mixing with any anchor changes the predicted class, and how clearly."""
    changed, margins = [], []
    for z in X:
        predicted = (weight @ z + bias).argmax()
        leads = []
        for anchor in anchors:
            outputs = weight @ mixed(z, anchor, weight, bias, cap) + bias
            leads.append(np.delete(outputs, predicted).max() - outputs[predicted])
        changed.append(max(leads) > 0)
        margins.append(min(abs(lead) for lead in leads))
    return np.array(changed), np.array(margins)


def candidates(X, y, labeled, weight, bias, step, n_picks):
    """Unlabeled rows that change below the first cap with more of them than picks."""
    anchors = class_anchors(X, y, labeled, len(bias))
    unlabeled = ~np.isin(np.arange(len(X)), labeled)
    found, cap, closest = np.zeros(len(X), dtype=bool), 0.0, np.inf
    while cap < 1 - 1e-9 and found.sum() <= n_picks:
        cap += step
        changed, margins = changed_rows(X, anchors, weight, bias, cap)
        found |= changed & unlabeled
        closest = min(closest, margins.min())
    return np.flatnonzero(found), cap, closest
