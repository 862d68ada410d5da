"""The model a selector asks about the rows of its pool."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, gen_batches
from skorch import NeuralNet
from torch import Tensor
from torch.utils.data import Dataset

from skactive._base import Pool
from skactive._rows import Rows
from skactive._training import train
from skactive._validation import check_is_estimator
from skactive.embedding._inputs import take_rows
from skactive.exceptions import ColdStartWarning
from skactive.selection._label_values import class_labels

# Rows a model is asked about at once; beyond this, larger batches are no faster.
_MAX_BATCH = 4096
ROW_BYTES = 2**13  # what a model is assumed to need for one of them
_SUM_TOLERANCE = 1e-2  # of the probabilities of a row, from bfloat16 models
_ROUNDINGS = 64  # in the outputs of a model, in units of their precision


class Batches(Protocol):
    """The rows a model reads, slice by slice."""

    def __call__(self, row_bytes: int = ROW_BYTES) -> Iterator[tuple[slice, Any]]:
        """Slices and their rows, as many as fit in memory with `row_bytes` for each."""


class PoolModel(NamedTuple):
    """A fitted model, and the rows it reads."""

    model: Any
    batches: Batches

    def outputs(self, method: str) -> Iterator[tuple[slice, NDArray[Any]]]:
        """What a method of the model returns for all rows in order, slice by slice."""
        call = getattr(self.model, method)
        for rows, batch in self.batches():
            yield rows, np.asarray(call(batch))

    def probabilities(self) -> Iterator[tuple[slice, NDArray[np.float64], float]]:
        """Slices of rows, their class probabilities (n_rows, n_classes), their rounding error."""
        for rows, values in self.outputs("predict_proba"):
            n_rows = rows.stop - rows.start
            yield rows, check_probabilities(values, n_rows, self.model), rounding_error(values)


def rounding_error(values: NDArray[Any]) -> float:
    """By how much outputs of a model around 1 may differ from one batch to another."""
    is_float = np.issubdtype(values.dtype, np.floating)
    return _ROUNDINGS * float(np.finfo(values.dtype if is_float else np.float64).eps)


def entropy_error(error: float, n_classes: int) -> float:
    """What entropies are off by, where each probability is off by its own share of `error`."""
    return 2 * error * (1 + math.log(n_classes))


def check_probabilities(values: NDArray[Any], n_rows: int, source: Any) -> NDArray[np.float64]:
    """Class probabilities as float64 rows that sum to 1.

    Parameters
    ----------
    values : ndarray
        What should be of shape (n_rows, n_classes).
    n_rows : int
    source : object
        Where they come from, for errors.
    """
    if values.ndim != 2 or len(values) != n_rows or values.dtype.kind not in "fiub":
        raise ValueError(
            f"predict_proba of {source!r} must return one row of class probabilities for each of "
            f"{n_rows} rows; got an array of shape {values.shape} and type {values.dtype}. Use a "
            "classifier of one output."
        )
    values = values.astype(np.float64)
    sums = values.sum(1)
    # "Not within", so that NaN is refused as well.
    wrong = ~((np.abs(sums - 1) <= _SUM_TOLERANCE) & (values.min(1) >= -_SUM_TOLERANCE))
    if wrong.any():
        row = int(wrong.argmax())
        remedy = (
            "Divide the probabilities by their sums."
            if isinstance(source, str)
            else "For a skorch net choose predict_nonlinearity so that predict_proba returns "
            "probabilities."
        )
        raise ValueError(
            f"Class probabilities must be finite, not negative, and sum to 1 in each row; "
            f"{source!r} gives {values[row].tolist()}. {remedy}"
        )
    values = values.clip(min=0.0)
    normalised: NDArray[np.float64] = values / values.sum(1, keepdims=True)
    return normalised


def pool_classifier(
    estimator: Any, pool: Pool, owner: str, *, instead: str = "draws rows at random"
) -> PoolModel | None:
    """The classifier a selector asks, fitted where that is left to the selector.

    Parameters
    ----------
    estimator : classifier or None
        The parameter of the selector. A FrozenEstimator is asked as it is. Any other one is
        cloned and fitted to the features and labels of the labeled rows. None means the model
        handed to ``fit``, and a logistic regression fitted likewise where there is none.
    pool : Pool
    owner : str
        Name of the selector, for errors and warnings.
    instead : str
        What it does without a model, for the warning.

    Returns
    -------
    model : PoolModel or None
        None where nothing, or but one class, is labeled; a ColdStartWarning says so.
    """
    asked = choose_classifier(
        estimator, pool, partial(_labeled_features, pool), owner, instead=instead
    )
    if asked is None:
        return None
    if asked.reads is None:
        return PoolModel(asked.model, input_batches(pool.inputs, pool.rows.n_samples))
    return PoolModel(asked.model, feature_batches(pool.rows, asked.reads))


class Asked(NamedTuple):
    """A fitted model that can be asked about rows."""

    model: Any
    reads: torch.dtype | None
    """Of the features it reads; None: the inputs as they were given to ``fit``."""


def choose_classifier(
    estimator: Any,
    pool: Any,
    features: Callable[[torch.dtype], NDArray[Any]],
    owner: str,
    *,
    instead: str = "draws rows at random",
) -> Asked | None:
    """The classifier of `pool_classifier`, wherever the rows are.

    Parameters
    ----------
    estimator : classifier or None
    pool : Pool or PartitionedPool
    features : callable
        Gives the labeled rows in some type.
    owner, instead : str
    """
    given = estimator if isinstance(estimator, FrozenEstimator) else None
    if estimator is None:
        given = pool.estimator
    if given is not None:
        check_has_method(given, "predict_proba", owner)
        return Asked(given, None)
    if estimator is not None:
        check_has_method(estimator, "predict_proba", owner)
        check_is_estimator(estimator)
    labels = None
    if pool.y_labeled is not None:
        labels = class_labels(pool.y_labeled, pool.labeled, owner)
    if labels is None or len(np.unique(labels)) == 1:
        reason = "No row is labeled" if labels is None else "Only one class is known"
        warn_cold_start(owner, reason, instead)
        return None
    if estimator is None:
        estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return _fit(estimator, features, labels, pool.random_state)


def fit_model(estimator: Any, pool: Pool, labels: NDArray[Any]) -> PoolModel:
    """A clone of the estimator, fitted to the features of the labeled rows.

    Where it has no seed, it gets one from the pool's generator.
    """
    asked = _fit(estimator, partial(_labeled_features, pool), labels, pool.random_state)
    return PoolModel(asked.model, feature_batches(pool.rows, feature_type(estimator)))


def _labeled_features(pool: Pool, dtype: torch.dtype) -> NDArray[Any]:
    features: NDArray[Any] = pool.rows.take(pool.labeled, dtype).cpu().numpy()
    return features


def _fit(
    estimator: Any,
    features: Callable[[torch.dtype], NDArray[Any]],
    labels: NDArray[Any],
    random_state: np.random.RandomState,
) -> Asked:
    dtype = feature_type(estimator)
    model = train(
        estimator,
        features(dtype),
        labels,
        fit_params={},
        warm_start=False,
        former=None,
        random_state=random_state,
    )
    return Asked(model, dtype)


def feature_type(estimator: Any) -> torch.dtype:
    """Of the features that a model is fitted to."""
    final = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return torch.float32 if isinstance(final, NeuralNet) else torch.float64


def warn_cold_start(owner: str, reason: str, instead: str = "draws rows at random") -> None:
    warnings.warn(
        f"{reason}, so {owner} has no model to ask and {instead}. Pass y and labeled, or a "
        "fitted classifier as estimator, or choose the first rows with a selector that needs no "
        "labels, such as TypiClustSelector.",
        ColdStartWarning,
        stacklevel=2,
    )


def check_has_method(model: Any, method: str, owner: str) -> None:
    """Refuse a model that cannot be asked what the selector wants to know."""
    if not hasattr(model, method):
        raise TypeError(
            f"{owner} needs an estimator with {method}; got {model!r}, which has none. Use for "
            "instance LogisticRegression or RandomForestClassifier, SVC(probability=True), or "
            "wrap the model in sklearn.calibration.CalibratedClassifierCV."
        )


def feature_batches(rows: Rows, dtype: torch.dtype = torch.float64) -> Batches:
    """The features as they reach the selector, as arrays of one type."""

    def batches(row_bytes: int = ROW_BYTES) -> Iterator[tuple[slice, Any]]:
        for part in rows.slices(max(rows.n_features, row_bytes // 8), limit=_MAX_BATCH * row_bytes):
            yield part, rows.take(part, dtype).cpu().numpy()

    return batches


def input_batches(X: Any, n_samples: int) -> Batches:
    """`X` as it was given to ``fit``, which is what a model from outside was trained on."""

    def batches(row_bytes: int = ROW_BYTES) -> Iterator[tuple[slice, Any]]:
        for part in input_slices(n_samples, row_bytes):
            if isinstance(X, (Mapping, Dataset)):
                yield part, take_rows(X, np.arange(part.start, part.stop))
            else:
                yield part, plain(_safe_indexing(X, part))

    return batches


def input_slices(n_samples: int, row_bytes: int) -> Iterator[slice]:
    """Slices of so many rows as a model is asked about at once."""
    limit = int(get_config()["working_memory"] * 2**20) // row_bytes
    slices: Iterator[slice] = gen_batches(n_samples, min(_MAX_BATCH, max(1, limit)))
    return slices


def plain(batch: Any) -> Any:
    """Arrays that any model reads: NumPy, writeable, without negative strides."""
    if isinstance(batch, Tensor):
        tensor = batch.detach().cpu()
        return (tensor.float() if tensor.itemsize == 2 else tensor).numpy()
    if isinstance(batch, np.ndarray):
        return np.array(batch, order="C")
    return batch
