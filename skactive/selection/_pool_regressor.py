"""The regression model a selector asks about the rows of its pool."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing

from skactive._base import Pool
from skactive._rows import Rows
from skactive.exceptions import ColdStartWarning
from skactive.selection._label_values import label_array, real_labels
from skactive.selection._pool_model import PoolModel, fit_model, input_batches, rounding_error

_FEWEST_LABELS = 2  # a single one is predicted everywhere


def standardised_ridge() -> Any:
    """The default model of selectors that suit a linear one."""
    return make_pipeline(StandardScaler(), Ridge())


def in_row_order(pool: Pool) -> Pool:
    """The pool with its labeled rows in ascending order, as a mask would give them.

    Bootstrap samples depend on that order.
    """
    order = np.argsort(pool.labeled)
    labels = None if pool.y_labeled is None else _safe_indexing(pool.y_labeled, order)
    return replace(pool, labeled=pool.labeled[order], y_labeled=labels)


def given_regressor(estimator: Any, pool: Pool, owner: str) -> Any:
    """The model that is asked as it is; None if one has to be fitted."""
    given = estimator if isinstance(estimator, FrozenEstimator) else None
    if estimator is None:
        given = pool.estimator
    for model in (estimator, given):
        if model is not None and not hasattr(model, "predict"):
            raise TypeError(
                f"{owner} needs an estimator with predict; got {model!r}, which has none. Use a "
                "regressor, for instance Ridge() or RandomForestRegressor()."
            )
    return given


def pool_labels(pool: Pool, owner: str, instead: str) -> NDArray[Any] | None:
    """Labels of the labeled rows, where there are enough to fit a model to.

    Floats are left as they are: a net may want a column of them, in single precision.

    Parameters
    ----------
    pool : Pool
    owner : str
        Name of the selector, for errors and warnings.
    instead : str
        What it does without a model, for the ColdStartWarning.
    """
    labels = np.empty(0)
    if pool.y_labeled is not None:
        labels = real_labels(pool.y_labeled, pool.labeled, owner)
    if len(labels) >= _FEWEST_LABELS:
        values = label_array(pool.y_labeled)
        return values if values.dtype.kind == "f" else labels
    known = "A single row is labeled" if len(labels) else "No row is labeled"
    warnings.warn(
        f"{known}, so {owner} has no model to ask and {instead}. Pass y and labeled, or a fitted "
        "regressor as estimator, or choose the first rows with a selector that needs no labels, "
        "such as CoreSetSelector.",
        ColdStartWarning,
        stacklevel=2,
    )
    return None


def pool_regressor(
    estimator: Any,
    pool: Pool,
    owner: str,
    *,
    default: Callable[[], Any],
    instead: str = "draws rows at random",
) -> PoolModel | None:
    """The regressor a selector asks, fitted where that is left to the selector.

    Parameters
    ----------
    estimator : regressor or None
        The parameter of the selector. A FrozenEstimator is asked as it is. Any other one is
        cloned and fitted to the features and labels of the labeled rows. None means the model
        handed to ``fit``, and the default one fitted likewise where there is none.
    pool : Pool
    owner, instead : str
        As for `pool_labels`.
    default : callable
        Makes the default model.

    Returns
    -------
    model : PoolModel or None
        None where fewer than two rows are labeled; a ColdStartWarning says so.
    """
    given = given_regressor(estimator, pool, owner)
    if given is not None:
        return PoolModel(given, input_batches(pool.inputs, pool.rows.n_samples))
    labels = pool_labels(pool, owner, instead)
    if labels is None:
        return None
    if estimator is None:
        return fit_model(default(), pool, labels.reshape(-1))
    return fit_model(estimator, pool, labels)


def predictions(model: PoolModel, rows: Rows) -> tuple[NDArray[np.float64], float]:
    """What the model predicts for each row, of shape (n_samples,), and its rounding error."""
    values = np.empty(rows.n_samples)
    rounding = 0.0
    for part, outputs in model.outputs("predict"):
        values[part] = check_numbers(outputs, part.stop - part.start, model.model)
        rounding = max(rounding, rounding_error(outputs))
    return values, rounding * float(np.abs(values).max())


def check_numbers(outputs: NDArray[Any], n_rows: int, source: Any) -> NDArray[np.float64]:
    """One finite number for each row, as float64 of shape (n_rows,)."""
    if outputs.dtype.kind not in "fiub" or outputs.shape not in ((n_rows,), (n_rows, 1)):
        raise ValueError(
            f"predict of {source!r} must return one number for each of {n_rows} rows; got an "
            f"array of shape {outputs.shape} and type {outputs.dtype}. Use a regressor of one "
            "output."
        )
    values = outputs.reshape(-1).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError(
            f"predict of {source!r} must return finite numbers; got "
            f"{values[~np.isfinite(values)][0]}. Scale the labels, or regularise the model."
        )
    return values
