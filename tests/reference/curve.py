"""Cross-validation written out, for learning curves."""

import numpy as np
from sklearn.base import clone


def accuracy(estimator, X, y, n_folds):
    """Right predictions of models that have not seen the label; each class is dealt in turn."""
    order = sorted(range(len(y)), key=lambda i: (str(y[i]), i))
    fold_of = {i: place % n_folds for place, i in enumerate(order)}
    n_right = 0
    for i in range(len(y)):
        others = [j for j in range(len(y)) if fold_of[j] != fold_of[i]]
        model = clone(estimator).fit(X[others], [y[j] for j in others])
        n_right += model.predict(X[[i]])[0] == y[i]
    return n_right / len(y)


def is_fair(y, folds):
    """Whether every model has two classes to learn, and all folds are about as large."""
    sizes = np.bincount(folds)
    each = [len({y[i] for i in range(len(y)) if folds[i] != fold}) > 1 for fold in set(folds)]
    return all(each) and sizes.max() - sizes.min() <= 1
