"""Same input, same picks: all other checks build on it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn import config_context
from sklearn.utils import get_tags

from skactive._base import BaseSelector
from skactive._contract._suite import (
    contract,
    demand,
    demand_same_picks,
    fit_cases,
    fit_clone,
    make_pool,
)


@contract()
def check_source_is_unchanged(selector: BaseSelector) -> None:
    """X is not written to, and a read-only X is taken without a warning."""
    X = make_pool()
    for case in fit_cases(selector, X):
        source = X.copy()
        fitted = fit_clone(selector, source, **case)
        fitted.transform(source)
        fitted.represent(source)
        demand(np.array_equal(source, X), "X changed")
        source.flags.writeable = False
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*not writable")  # torch.from_numpy
            fit_clone(selector, source, **case).transform(source)


@contract()
def check_repeated_fits(selector: BaseSelector) -> None:
    """Same seed, same picks, whatever was fitted before, in this object or in another one."""
    X = make_pool()
    for case in fit_cases(selector, X):
        fitted = fit_clone(selector, X, **case)
        expected = fitted.indices_.copy()
        demand_same_picks(fit_clone(selector, X, **case).indices_, expected, "in a second object")
        fitted.fit(make_pool(seed=2, n_samples=20)).fit(X, **case)
        demand_same_picks(fitted.indices_, expected, "after a fit on other rows")


@contract()
def check_global_generators(selector: BaseSelector) -> None:
    """fit neither seeds the global generators of NumPy and torch nor draws from them."""
    X = make_pool()
    saved = np.random.get_state(), torch.get_rng_state()
    try:
        np.random.seed(20)
        torch.manual_seed(20)
        before = np.random.get_state(legacy=False)["state"], torch.get_rng_state()
        for case in fit_cases(selector, X):
            fit_clone(selector, X, **case)
        after = np.random.get_state(legacy=False)["state"], torch.get_rng_state()
    finally:
        np.random.set_state(saved[0])
        torch.set_rng_state(saved[1])
    same = before[0]["pos"] == after[0]["pos"] and np.array_equal(before[0]["key"], after[0]["key"])
    demand(same, "fit moved numpy.random")
    demand(torch.equal(before[1], after[1]), "fit moved torch's generator")


@contract()
def check_chunks_and_threads(selector: BaseSelector) -> None:
    """Picks do not depend on working_memory or torch threads, ties between equal rows included."""
    X = make_pool().astype(np.float32)
    pools = {
        "random rows": X,
        "rows repeated three times": np.repeat(X, 3, axis=0),
        "corners of a cube": np.sign(X),
    }
    for kind, pool in pools.items():
        for case in fit_cases(selector, pool):
            expected = fit_clone(selector, pool, **case).indices_
            for setting, name in _settings():
                with setting:
                    picks = fit_clone(selector, pool, **case).indices_
                demand_same_picks(picks, expected, f"with {name}, on {kind}")


def _settings() -> Iterator[tuple[AbstractContextManager[None], str]]:
    for mebibytes in (1e-4, 5e-4):  # 3 and 16 rows
        yield config_context(working_memory=mebibytes), f"working_memory={mebibytes:g}"
    for n_threads in (1, 3):
        yield _torch_threads(n_threads), f"{n_threads} torch threads"


@contextmanager
def _torch_threads(n_threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contract()
def check_input_forms(selector: BaseSelector) -> None:
    """The same numbers give the same picks, whatever holds them."""
    X = make_pool().astype(np.float32)
    for case in fit_cases(selector, X):
        expected = fit_clone(selector, X, **case).indices_
        for form, same in _forms(selector, X):
            demand_same_picks(
                fit_clone(selector, same, **case).indices_, expected, f"for X as {form}"
            )


def _forms(selector: BaseSelector, X: NDArray[np.float32]) -> Iterator[tuple[str, Any]]:
    yield "float64", X.astype(np.float64)
    yield "a nested list", X.tolist()
    yield "Fortran-ordered array", np.asfortranarray(X)
    yield "array with negative strides", X[::-1].copy()[::-1]
    yield "read-only array", np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape)
    yield "tensor", torch.tensor(X, requires_grad=True)
    if find_spec("pandas"):
        from pandas import DataFrame

        yield "DataFrame", DataFrame(X, columns=list("abcd"))
    if get_tags(selector).input_tags.sparse:
        yield "CSR matrix", sparse.csr_matrix(X)
