"""Parts that the tests of the loop share: a pool, oracles that keep books, plain selectors."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skactive import GreedySelector


def make_pool(n_samples=120, n_classes=3):
    """Features and labels that LogisticRegression separates without trouble."""
    return make_classification(
        n_samples,
        n_features=6,
        n_informative=4,
        n_redundant=0,
        n_classes=n_classes,
        n_clusters_per_class=1,
        class_sep=2.0,
        random_state=0,
    )


def logistic(**params):
    return LogisticRegression(max_iter=1000, **params)


def slow_loop(estimator, selector, X, y, *, budget, batch_size, owned=(), **select_params):
    """What the loop does, in a few lines without any checks."""
    labeled = list(owned)
    while len(labeled) < budget + len(owned):
        n_picks = min(batch_size, budget + len(owned) - len(labeled))
        selector = clone(selector).set_params(budget=n_picks)
        selector.fit(X, labeled=labeled, **select_params)
        labeled.extend(selector.indices_.tolist())
        model = clone(estimator).fit(X[labeled], y[labeled])
    return labeled, model


class Oracle:
    """Answers from `y`; refuses to be asked twice, or about rows that are not those of X."""

    def __init__(self, X, y):
        self.X, self.y = X, y
        self.asked = []
        self.n_calls = 0

    def __call__(self, rows, indices):
        assert not set(indices.tolist()) & set(self.asked)
        assert len(set(indices.tolist())) == len(indices) == len(rows)
        np.testing.assert_array_equal(rows, self.X[indices])
        self.asked.extend(indices.tolist())
        self.n_calls += 1
        return self.y[indices]


def never_asked(rows, indices):
    raise AssertionError("the oracle was asked")


class Log(list):
    """A list that estimators share with their clones."""

    def __deepcopy__(self, memo):
        return self


class FirstRows(GreedySelector):
    """Picks the rows in the order of the pool."""

    def __init__(self, budget=10):
        self.budget = budget

    def _start(self, pool):
        return -torch.arange(pool.rows.n_samples, dtype=torch.float64)

    def _score(self, state):
        return state

    def _step(self, state, row):
        return state


class NearLargestLabel(GreedySelector):
    """Picks the rows nearest to the mean of the rows with the largest label."""

    _needs_labels = True

    def __init__(self, budget=10):
        self.budget = budget

    def _start(self, pool):
        assert pool.y_labeled is not None and len(pool.y_labeled) == len(pool.labeled)
        largest = pool.labeled[np.asarray(pool.y_labeled) == np.max(pool.y_labeled)]
        everything = pool.rows.take(np.arange(pool.rows.n_samples))
        return -torch.linalg.norm(everything - everything[largest].mean(0), dim=1)

    def _score(self, state):
        return state

    def _step(self, state, row):
        return state


class SeesModel(FirstRows):
    """Notes the model it is handed."""

    def __init__(self, budget=10, log=None):
        self.budget = budget
        self.log = log

    def fit(self, X, y=None, *, labeled=None, estimator=None):
        return self._fit(X, y, labeled=labeled, estimator=estimator)

    def _start(self, pool):
        self.log.append(pool.estimator)
        return super()._start(pool)


class NotingTransformer(TransformerMixin, BaseEstimator):
    """Passes its input through and notes what it is fitted on."""

    def __init__(self, log, supervised=False):
        self.log = log
        self.supervised = supervised

    def fit(self, X, y=None):
        self.log.append((X, y))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.supervised
        return tags
