"""Hypothesis strategies: small pools with everything that makes selection delicate."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


class Problem(NamedTuple):
    """A pool and what goes with it in ``fit``."""

    X: np.ndarray
    budget: int
    labeled: Any = None  # as passed to fit: None, a mask, or positions
    X_target: np.ndarray | None = None

    @property
    def fit_params(self):
        return {"labeled": self.labeled, "X_target": self.X_target}

    @property
    def positions(self):
        """The labeled rows as a list."""
        labeled = np.asarray([] if self.labeled is None else self.labeled)
        return (np.flatnonzero(labeled) if labeled.dtype == bool else labeled).astype(int).tolist()

    @property
    def target_rows(self):
        """The targets as a float64 matrix, without rows where there are none."""
        if self.X_target is None:
            return np.empty((0, self.X.shape[1]))
        return self.X_target.astype(np.float64)


@st.composite
def pools(draw, min_rows=2, max_rows=25, max_features=8):
    """Feature matrices: grids full of exact ties or continuous values, then some damage."""
    n = draw(st.integers(min_rows, max_rows), label="n_samples")
    d = draw(st.integers(1, max_features), label="n_features")
    dtype = draw(st.sampled_from([np.float64, np.float32]), label="dtype")
    if draw(st.booleans(), label="continuous"):
        rng = np.random.default_rng(draw(st.integers(0, 2**16), label="seed"))
        X = rng.normal(size=(n, d)).astype(dtype)
    else:
        X = draw(hnp.arrays(dtype, (n, d), elements=st.sampled_from([0, 1, -1, 2, -2, 3])))
    if draw(st.booleans(), label="duplicated rows"):
        X = X[draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n), label="copies of")]
    column = st.integers(0, d - 1)
    if draw(st.booleans(), label="constant column"):
        X[:, draw(column)] = draw(st.sampled_from([-2, 1, 3]), label="value")
    if draw(st.booleans(), label="zero column"):
        X[:, draw(column)] = 0
    if draw(st.booleans(), label="zero rows"):
        X[draw(st.lists(st.integers(0, n - 1), max_size=3, unique=True), label="which")] = 0
    return X


@st.composite
def problems(draw, targets=False, **pool_params):
    """Pools with labeled rows, targets if asked for, and a budget the pool can fill."""
    X = draw(pools(**pool_params))
    n, d = X.shape
    rows = st.integers(0, n - 1)
    positions = draw(st.lists(rows, unique=True, max_size=min(n - 1, 6)), label="labeled")
    mask = np.isin(np.arange(n), positions)
    forms = [mask, positions, np.array(positions, dtype=np.int32)]
    labeled = draw(st.sampled_from(forms if positions else [None, mask, []]), label="form")
    X_target = None
    if targets:
        from_pool = X[draw(st.lists(rows, max_size=6), label="targets from the pool")]
        m = draw(st.integers(0 if len(from_pool) else 1, 6), label="other targets")
        values = st.sampled_from([0, 1, -1, 2, 0.5])
        others = draw(hnp.arrays(X.dtype, (m, d), elements=values))
        X_target = np.vstack([from_pool, others])
    budget = draw(st.integers(1, min(n - len(positions), 8)), label="budget")
    return Problem(X, budget, labeled, X_target)
