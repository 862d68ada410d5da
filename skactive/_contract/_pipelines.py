"""Selectors with the rest of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skactive._base import BaseSelector
from skactive._contract._suite import (
    LABELED,
    classes_of,
    contract,
    demand,
    demand_same_picks,
    fit_clone,
    fresh_clone,
    make_pool,
    takes_targets,
)


def _pipeline(step: BaseSelector, **params: Any) -> Pipeline:
    classifier = LogisticRegression(max_iter=10_000)
    steps = [("scale", StandardScaler()), ("select", step), ("classify", classifier)]
    return Pipeline(steps, **params)


@contract()
def check_pipeline(selector: BaseSelector) -> None:
    """A selector works inside a Pipeline, its slices, and a grid search over the budget."""
    X = make_pool()
    y = classes_of(X)
    pipe = _pipeline(fresh_clone(selector)).fit(X, y)
    demand(pipe.predict(X[:9]).shape == (9,), "the Pipeline predicts a wrong number of rows")
    expected = fit_clone(selector, StandardScaler().fit_transform(X)).indices_
    demand_same_picks(pipe["select"].indices_, expected, "in a Pipeline")
    demand_same_picks(pipe[:-1].fit(X)[-1].indices_, expected, "in pipe[:-1]")
    search = GridSearchCV(pipe, {"select__budget": [2, 4]}, cv=2, error_score="raise").fit(X, y)
    n_picks = len(search.best_estimator_["select"].indices_)
    demand(n_picks == search.best_params_["select__budget"], f"the best step has {n_picks} picks")


@contract()
def check_metadata_routing(selector: BaseSelector) -> None:
    """set_fit_request(labeled=True) lets a mask pass through a Pipeline to its selector."""
    X = make_pool()
    known = {"y": classes_of(X), "labeled": np.isin(np.arange(len(X)), LABELED)}
    with config_context(enable_metadata_routing=True):
        pipe = _pipeline(fresh_clone(selector).set_fit_request(labeled=True)).fit(X, **known)
    expected = fit_clone(selector, StandardScaler().fit_transform(X), **known).indices_
    demand_same_picks(pipe["select"].indices_, expected, "with `labeled` routed")


@contract(takes_targets)
def check_target_routing(selector: BaseSelector) -> None:
    """X_target passes through the same steps of a Pipeline as X, by transform_input."""
    X, X_target = make_pool(), make_pool(seed=1, n_samples=7)
    with config_context(enable_metadata_routing=True):
        step = fresh_clone(selector).set_fit_request(X_target=True)
        pipe = _pipeline(step, transform_input=["X_target"]).fit(
            X, classes_of(X), X_target=X_target
        )
    scaler = StandardScaler().fit(X)
    expected = fit_clone(
        selector, scaler.transform(X), X_target=scaler.transform(X_target)
    ).indices_
    demand_same_picks(pipe["select"].indices_, expected, "with X_target routed")
