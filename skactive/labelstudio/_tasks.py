"""Rows as tasks for Label Studio."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any
from urllib.parse import quote

from skactive._replacing import replacing
from skactive._replies import plain_value
from skactive._validation import check_choice
from skactive.annotations._labels import check_labels
from skactive.annotations._names import name_to_json
from skactive.annotations._rows import Row, make_rows
from skactive.files._writing import check_output
from skactive.labelstudio._config import CONTENT, CONTROL, KINDS


def export_tasks(
    ids: Iterable[Any],
    data: Any,
    path: Any = None,
    *,
    kind: str = "text",
    labels: Sequence[Any] | None = None,
    scores: Any = None,
    selected_by: str | Sequence[str | None] | None = None,
    predictions: Any = None,
    prediction_scores: Any = None,
    model_version: str = "skactive",
    image_prefix: str = "/data/local-files/?d=",
) -> list[dict[str, Any]]:
    """Write rows to be labeled as a file of tasks that Label Studio imports.

    Parameters
    ----------
    ids : iterable of length n_rows
        Names of the rows, all different, as ``loop.ask`` gives them, the most wanted first. They
        come back with the annotations.
    data : sequence of length n_rows, or DataFrame
        What is shown: texts, paths or addresses of images, or for tables dicts (or a frame) from
        column to value.
    path : str, PathLike or None, default=None
        The file to write, as a whole or not at all; None writes none.
    kind : {"text", "image", "table"}, default="text"
        What the rows are.
    labels : sequence or None, default=None
        The labels that the project offers; predictions must be among them. None means numbers.
    scores : array-like of shape (n_rows,), default=None
        Score of each row when it was picked, see ``selector.scores_``.
    selected_by : str or sequence of str, default=None
        What has picked the rows.
    predictions : array-like of shape (n_rows,), default=None
        What a model takes the labels to be, shown beforehand; None in place of one shows none.
    prediction_scores : array-like of shape (n_rows,), default=None
        How sure the model is, between 0 and 1.
    model_version : str, default="skactive"
        Name of the model, shown beside its predictions.
    image_prefix : str, default="/data/local-files/?d="
        What stands before paths of images. The default is for files under
        ``LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT``; addresses with ``://`` are left as they are.

    Returns
    -------
    tasks : list of dict
        What was written.

    Raises
    ------
    FileError
        If the file cannot be written.
    ValueError
        If names repeat, lengths differ, or a prediction is none of the labels.

    Notes
    -----
    Each task has the name of the row, ``row_id``, in its data, which all formats of Label Studio
    export, and once more in its meta, with the rank, the score and what has picked it.

    Examples
    --------
    >>> from skactive.labelstudio import export_tasks
    >>> tasks = export_tasks([7], ["Fine soap."], labels=["good", "bad"], predictions=["good"])
    >>> tasks[0]["data"]
    {'row_id': 7, 'text': 'Fine soap.'}
    >>> tasks[0]["predictions"][0]["result"][0]["value"]
    {'choices': ['good']}
    """
    check_choice(kind, "kind", KINDS)
    rows = make_rows(
        ids,
        data,
        scores=scores,
        selected_by=selected_by,
        predictions=predictions,
        prediction_scores=prediction_scores,
    )
    names = None if labels is None else check_labels(labels, None)
    tasks = []
    for row in rows:
        task: dict[str, Any] = {
            "data": {
                "row_id": name_to_json(row.id),
                CONTENT[kind]: _shown(row, kind, image_prefix),
            },
            "meta": _meta(row),
        }
        if row.prediction is not None:
            task["predictions"] = [_prediction(row, kind, names, model_version)]
        tasks.append(task)
    if path is not None:
        write_json(tasks, path)
    return tasks


def write_json(tasks: list[dict[str, Any]], path: Any) -> None:
    """Write the tasks, all or nothing."""
    content = as_json(tasks)
    check_output(path, "json")
    with replacing(Path(path)) as unfinished:
        unfinished.write_bytes(content)


def as_json(tasks: list[dict[str, Any]]) -> bytes:
    """The tasks as a file."""
    return json.dumps(tasks, indent=1, allow_nan=False).encode("ascii") + b"\n"


def _shown(row: Row, kind: str, image_prefix: str) -> Any:
    if kind == "text":
        return _text(row.content)
    if kind == "image":
        return _address(row.content, image_prefix)
    if not isinstance(row.content, Mapping):
        raise TypeError(
            f"data of row {row.id!r} is {row.content!r}, must be a dict from columns to values "
            "for kind='table'. Pass a DataFrame, or choose another kind."
        )
    return {_text(column): _cell(value) for column, value in row.content.items()}


def _text(value: Any) -> str:
    """As PostgreSQL stores it: without NUL and halves of characters."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _cell(value: Any) -> Any:
    plain = plain_value(value)
    if plain is None or isinstance(plain, bool | int):
        return plain
    if isinstance(plain, float):
        return plain if math.isfinite(plain) else str(plain)
    return _text(plain)


def _address(image: Any, prefix: str) -> str:
    text = str(image)
    if "://" in text or text.startswith("data:"):
        return text
    path = Path(text).as_posix()
    # A name of a file need not be UTF-8.
    return prefix + quote(path.encode("utf-8", "surrogateescape"))


def _meta(row: Row) -> dict[str, Any]:
    meta = {"row_id": name_to_json(row.id), "rank": row.rank}
    if row.score is not None:
        meta["score"] = row.score
    if row.selected_by is not None:
        meta["selected_by"] = row.selected_by
    return meta


def _prediction(
    row: Row, kind: str, labels: list[Any] | None, model_version: str
) -> dict[str, Any]:
    """A pre-annotation."""
    value: dict[str, Any]
    label = row.prediction
    if labels is None:
        if isinstance(label, bool) or not isinstance(label, Real) or not math.isfinite(label):
            raise ValueError(
                f"predictions holds {label!r}, must be finite numbers where labels is None. Pass "
                "labels=[...] to choose from."
            )
        value = {"number": label}
    elif label not in labels:
        raise ValueError(f"predictions holds {label!r}, must be one of labels == {labels!r}.")
    else:
        value = {"choices": [str(label)]}
    result = {
        "id": f"row{row.rank}",
        "from_name": CONTROL,
        "to_name": CONTENT[kind],
        "type": next(iter(value)),
        "value": value,
    }
    prediction: dict[str, Any] = {"model_version": model_version, "result": [result]}
    if row.prediction_score is not None:
        prediction["score"] = row.prediction_score
    return prediction
