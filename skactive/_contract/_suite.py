"""The registry of checks, and the data, fits and assertions that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from skactive._base import BaseSelector

Check = Callable[[BaseSelector], None]
Picks = NDArray[np.int64]

BUDGET = 6
LABELED = np.array([2, 5, 11, 17, 23, 28])
CHECKS: list[tuple[Check, Callable[[BaseSelector], bool]]] = []


def contract(
    when: Callable[[BaseSelector], bool] = lambda selector: True,
) -> Callable[[Check], Check]:
    """Add a check to the suite, for the selectors it applies to."""

    def register(check: Check) -> Check:
        CHECKS.append((check, when))
        return check

    return register


def takes_targets(selector: BaseSelector) -> bool:
    return bool(has_fit_parameter(selector, "X_target"))


def make_pool(seed: int = 0, n_samples: int = 30) -> NDArray[np.float64]:
    return np.random.RandomState(seed).standard_normal((n_samples, 4))


def classes_of(X: NDArray[Any]) -> NDArray[np.int64]:
    classes: NDArray[np.int64] = np.digitize(X[:, 0], [-0.5, 0.5]).astype(np.int64)
    return classes


def known_rows(X: NDArray[Any]) -> dict[str, Any]:
    return {"y": classes_of(X), "labeled": LABELED}


def fit_cases(selector: BaseSelector, X: NDArray[Any]) -> list[dict[str, Any]]:
    """Arguments of ``fit``: nothing labeled, some rows labeled, and targets where understood."""
    cases = [{}, known_rows(X)]
    if takes_targets(selector):
        cases.append({**known_rows(X), "X_target": make_pool(seed=1, n_samples=7).astype(X.dtype)})
    return cases


def fresh_clone(selector: BaseSelector, budget: Any = BUDGET) -> BaseSelector:
    copy: BaseSelector = clone(selector).set_params(budget=budget)
    if "random_state" in copy.get_params(deep=False):
        copy.set_params(random_state=0)
    return copy


def fit_clone(
    selector: BaseSelector, X: Any, y: Any = None, *, budget: Any = BUDGET, **fit_params: Any
) -> BaseSelector:
    return fresh_clone(selector, budget).fit(X, y, **fit_params)


def demand(condition: Any, found: str) -> None:
    if not condition:
        raise AssertionError(found)


def demand_same_picks(picks: Picks, expected: Picks, circumstance: str) -> None:
    demand(np.array_equal(picks, expected), f"picks {expected} became {picks} {circumstance}")


@contextmanager
def demand_error(
    circumstance: str, *patterns: str, kinds: tuple[type[Exception], ...] = (ValueError,)
) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        for pattern in patterns:
            demand(re.search(pattern, str(error)), f"no {pattern} in the error: {error}")
    else:
        raise AssertionError(f"no error for {circumstance}")
