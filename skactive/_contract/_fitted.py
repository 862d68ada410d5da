"""What fit leaves behind, and the methods of a fitted selector."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skactive._base import BaseSelector
from skactive._contract._suite import (
    BUDGET,
    contract,
    demand,
    demand_error,
    demand_same_picks,
    fit_cases,
    fit_clone,
    fresh_clone,
    known_rows,
    make_pool,
    takes_targets,
)


@contract()
def check_non_finite_rows(selector: BaseSelector) -> None:
    """NaN and infinity in X are a ValueError that says in how many rows, and in which first."""
    for value in (np.nan, np.inf, -np.inf):
        X = make_pool()
        X[[17, 21, 26], [0, 3, 1]] = value
        with demand_error(f"{value} in X", r"\b3\b", r"\b17\b"):
            fit_clone(selector, X)
        with demand_error(f"{value} in transform", r"\b3\b", r"\b17\b"):
            fit_clone(selector, make_pool()).transform(X)


@contract()
def check_failed_fit(selector: BaseSelector) -> None:
    """A fit that fails leaves the object as it was, fitted or not."""
    X = make_pool()
    fitted = fit_clone(selector, X, **known_rows(X))
    for case in _failing_fits(selector, X):
        fresh = fresh_clone(selector)
        for instance in (fresh, fitted):
            before = dict(vars(instance))
            with demand_error(f"a bad {list(case)[-1]}"):
                instance.fit(**case)
            after = dict(vars(instance))
            names = before.keys() | after.keys()
            changed = sorted(name for name in names if before.get(name) is not after.get(name))
            demand(not changed, f"a failed fit {changed=}")
        with demand_error("an object whose only fit failed", kinds=(NotFittedError,)):
            check_is_fitted(fresh)
    demand_same_picks(
        fit_clone(selector, X, **known_rows(X)).indices_, fitted.indices_, "after failed fits"
    )


def _failing_fits(selector: BaseSelector, X: NDArray[Any]) -> Iterator[dict[str, Any]]:
    yield {"X": np.full((20, 5), np.nan)}
    yield {"X": X, "labeled": np.ones(len(X), dtype=bool)}
    if takes_targets(selector):
        yield {"X": X, "X_target": np.ones((2, 3))}


@contract()
def check_clone_and_pickle(selector: BaseSelector) -> None:
    """A clone has the parameters and no fit; a pickle has both."""
    X = make_pool()
    for case in fit_cases(selector, X):
        fitted = fit_clone(selector, X, **case)
        loaded = pickle.loads(pickle.dumps(fitted))
        demand_same_picks(loaded.indices_, fitted.indices_, "in a pickle")
        demand_same_picks(loaded.represent(X), fitted.represent(X), "in represent() of a pickle")
        same = np.array_equal(loaded.transform(X), fitted.transform(X))
        demand(same, "transform() of a pickle differs")
        demand(not hasattr(clone(fitted), "indices_"), "a clone has indices_")
        demand_same_picks(clone(fitted).fit(X, **case).indices_, fitted.indices_, "in a clone")


@contract()
def check_attributes_are_numpy(selector: BaseSelector) -> None:
    """Fitted attributes hold NumPy (or CSR), no tensors, so that a pickle loads anywhere."""
    X = make_pool()
    for pool in (X, torch.from_numpy(X)):
        for case in fit_cases(selector, X):
            fitted = fit_clone(selector, pool, **case)
            for name in vars(fitted).keys() - fitted.get_params(deep=False).keys():
                tensors = [
                    item for item in _contents(getattr(fitted, name)) if torch.is_tensor(item)
                ]
                demand(not tensors, f"{name} holds a tensor")


def _contents(value: Any) -> Iterator[Any]:
    """A value and what lies one level below it."""
    yield value
    if isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    else:
        yield from (value if isinstance(value, dict) else getattr(value, "__dict__", {})).values()


@contract()
def check_get_support(selector: BaseSelector) -> None:
    """get_support() is a mask over the rows of the pool, get_support(indices=True) sorted picks."""
    X = make_pool()
    fitted = fit_clone(selector, X)
    mask = fitted.get_support()
    demand(mask.dtype == bool and mask.shape == (len(X),), f"{mask=}")
    demand_same_picks(np.flatnonzero(mask), np.sort(fitted.indices_), "in get_support()")
    positions = fitted.get_support(indices=True)
    demand_same_picks(positions, np.sort(fitted.indices_), "in get_support(indices=True)")


@contract()
def check_fit_select(selector: BaseSelector) -> None:
    """fit_select(...) is fit(...).indices_."""
    X = make_pool()
    for case in fit_cases(selector, X):
        picks = fresh_clone(selector).fit_select(X, **case)
        demand_same_picks(picks, fit_clone(selector, X, **case).indices_, "in fit_select")


@contract()
def check_transform(selector: BaseSelector) -> None:
    """transform keeps all rows, has one column for each pick, and float32 stays float32."""
    X = make_pool()
    keeps_dtype = get_tags(selector).transformer_tags.preserves_dtype  # networks have their own
    for dtype, expected in ((np.float64, np.float64), (np.float32, np.float32), (int, np.float64)):
        fitted = fit_clone(selector, (10 * X).astype(dtype))
        for n_samples in (30, 9):
            X_new = fitted.transform((10 * make_pool(3, n_samples)).astype(dtype))
            demand(isinstance(X_new, np.ndarray), f"{type(X_new)=}")
            demand(X_new.shape == (n_samples, BUDGET), f"{n_samples} rows gave {X_new.shape=}")
            if keeps_dtype:
                demand(X_new.dtype == expected, f"{dtype.__name__} gave {X_new.dtype=}")
            demand(np.isfinite(X_new).all(), "transform gave NaN or infinity")


@contract()
def check_represent(selector: BaseSelector) -> None:
    """represent gives a position in indices_ for every row, and each pick stands for itself."""
    X = make_pool()
    for case in fit_cases(selector, X):
        fitted = fit_clone(selector, X, **case)
        stands_for = fitted.represent(X)
        demand(stands_for.dtype == np.int64 and stands_for.shape == (len(X),), f"{stands_for=}")
        demand(stands_for.min() >= 0 and stands_for.max() < BUDGET, f"{stands_for=}")
        own = stands_for[fitted.indices_]
        demand(np.array_equal(own, np.arange(BUDGET)), f"picks are represented by picks {own}")


@contract(lambda selector: find_spec("pandas") is not None)
def check_pandas_output(selector: BaseSelector) -> None:
    """set_output(transform="pandas") gives a DataFrame with the index of X, a column a pick."""
    from pandas import DataFrame

    X = DataFrame(make_pool(), columns=list("abcd"), index=np.arange(100, 130))
    fitted = fresh_clone(selector).set_output(transform="pandas").fit(X)
    X_new = fitted.transform(X)
    demand(isinstance(X_new, DataFrame), f"{type(X_new)=}")
    demand(X_new.index.equals(X.index), f"{X_new.index=}")
    names = list(fitted.get_feature_names_out())
    demand(list(X_new.columns) == names and len(set(names)) == BUDGET, f"{X_new.columns=}")
