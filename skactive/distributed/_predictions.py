"""Predictions for rows that are not in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skactive._dask import is_dask
from skactive._predicting import Call
from skactive.distributed._blockwise import holds_network, map_rows
from skactive.distributed._rows_of import first_row, in_one_column, is_frame


def map_predictions(call: Call, X: Any, example: Any) -> Any:
    """What an estimator says of every row: lazily, partition by partition.

    Parameters
    ----------
    call : Call
    X : dask array or data frame
    example : array or frame of one row, or None
        Shows what the result will be like, if it is like the rows of X. Else a row is computed.
    """
    for name, value in call.params.items():
        if hasattr(value, "shape") or isinstance(value, (list, tuple)):
            raise TypeError(
                f"{name} == {type(value).__name__}, which cannot be cut to the partitions of a "
                f"dask collection. Call {call.method} on the rows of each partition yourself, by "
                "map_blocks or map_partitions."
            )
    if not is_frame(X):
        X = in_one_column(X)
    in_turn = holds_network(call.estimator)
    return map_rows(call, X, _like(X, example), in_turn=in_turn)


def score(estimator: Any, X: Any, y: Any, example: Any, params: dict[str, Any]) -> float:
    """The score of an estimator whose score needs its predictions only: accuracy or R2."""
    kind, final = type(estimator), estimator
    while isinstance(final, (Pipeline, FrozenEstimator)):
        final = final.steps[-1][1] if isinstance(final, Pipeline) else final.estimator
    method = getattr(type(final), "score", None)
    mixins = [m for m in (ClassifierMixin, RegressorMixin) if m.score is method]
    if not mixins:
        raise TypeError(
            f"score of {kind.__name__} cannot be put together from predictions, as accuracy and "
            "R2 can. Pass rows in memory, or compute it from the loop's predictions: "
            "metric(y, loop.predict(X).compute())."
        )
    predictions = map_predictions(Call(estimator, "predict", {}, None), X, example).compute()
    params = {name: v.compute() if is_dask(v) else v for name, v in params.items()}
    y = y.compute() if is_dask(y) else y
    return float(mixins[0].score(_Known(predictions), None, y, **params))


class _Known:
    """Stands for an estimator whose predictions are known."""

    def __init__(self, predictions: Any) -> None:
        self._predictions = predictions

    def predict(self, X: Any) -> Any:
        """The predictions for all rows."""
        return self._predictions


def _like(X: Any, example: Any) -> Any:
    """A row like those of X, without computing any where one is known."""
    if is_frame(X):
        meta = X._meta
        if type(example) is type(meta) and _columns(example) == _columns(meta):
            return example
    elif isinstance(example, np.ndarray) and example.shape[1:] == X.shape[1:]:
        return example.astype(X.dtype)
    return first_row(X)


def _columns(frame: Any) -> list[Any]:
    if frame.ndim == 1:
        return [frame.name, frame.dtype]
    return list(frame.dtypes.items())
