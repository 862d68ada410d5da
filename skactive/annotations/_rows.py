"""Rows that other programs are to show, with what is known of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from skactive._replies import plain_value
from skactive.annotations._names import name_to_text


class Row(NamedTuple):
    """A row to be labeled."""

    id: Any
    content: Any
    rank: int  # 1 for the row picked first
    score: float | None
    selected_by: str | None
    prediction: Any
    prediction_score: float | None


def make_rows(
    ids: Iterable[Any],
    data: Any,
    *,
    scores: Any = None,
    selected_by: Any = None,
    predictions: Any = None,
    prediction_scores: Any = None,
) -> list[Row]:
    """Rows of columns, which are checked to be of one length."""
    names = [plain_value(name) for name in ids]
    n_rows = len(names)
    texts = [name_to_text(name) for name in names]
    if len(set(texts)) < n_rows:
        twice = next(text for text in texts if texts.count(text) > 1)
        raise ValueError(
            f"ids must be names that differ as texts; got {twice!r} more than once. Give each row "
            "a name of its own."
        )
    if isinstance(selected_by, str):
        selected_by = [selected_by] * n_rows
    contents = data.to_dict("records") if hasattr(data, "to_dict") else data
    columns = {
        "data": contents,
        "scores": scores,
        "selected_by": selected_by,
        "predictions": predictions,
        "prediction_scores": prediction_scores,
    }
    values = {name: _column(column, name, n_rows) for name, column in columns.items()}
    return [
        Row(
            name,
            values["data"][i],
            i + 1,
            _number(values["scores"][i]),
            values["selected_by"][i],
            None if _is_missing(values["predictions"][i]) else values["predictions"][i],
            _share(values["prediction_scores"][i]),
        )
        for i, name in enumerate(names)
    ]


def _column(column: Any, name: str, n_rows: int) -> list[Any]:
    if column is None:
        return [None] * n_rows
    values = [plain_value(value) for value in column]
    if len(values) != n_rows:
        raise ValueError(
            f"{name} must have one entry for each of the {n_rows} ids; got {len(values)}. Pass "
            "the entries of these rows only, in their order."
        )
    return values


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _share(value: Any) -> float | None:
    if _is_missing(value):
        return None
    if not 0 <= value <= 1:
        raise ValueError(
            f"prediction_scores holds {value!r}, must be between 0 and 1. Pass probabilities, for "
            "instance predict_proba(X).max(axis=1)."
        )
    return float(value)
