"""Events as rows of tables, and back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive._record import Asked, Header, Told
from skactive.exceptions import JournalError
from skactive.journal._values import array_of, dtype_name, entry_texts, from_text, to_text

Row = dict[str, Any]


def header_row(header: Header, version: int) -> Row:
    """The header, and when the journal was begun."""
    content = to_text(header._asdict(), "header")
    return _signed(
        {"id": 1, "schema_version": version, "created_at": _now(), "content": content}, []
    )


def batch_rows(event: Asked) -> tuple[Row, list[Row]]:
    """A batch, and one row for each question."""
    n = len(event.rows)
    names = [None] * n if event.ids is None else [to_text(name, "ids") for name in event.ids]
    columns = zip(event.rows.tolist(), names, _floats(event.gains), strict=True)
    questions = [
        {"batch": int(event.batch), "place": place, "row": row, "name": name, "gain": gain}
        for place, (row, name, gain) in enumerate(columns)
    ]
    head = {
        "batch": int(event.batch),
        "asked_at": _now(),
        "selected_by": event.selected_by,
        "n_told": int(event.n_told),
        "measures": to_text(event.measures, "measures"),
        "seconds": float(event.seconds),
    }
    return _signed(head, questions), questions


def reply_rows(event: Told) -> tuple[Row, list[Row]]:
    """A reply, and one row for each answer; without `number` and `version`."""
    _refuse_repeated(event)
    dtype = shape = None
    texts: list[str | None] = []
    if event.labels is not None:
        dtype = dtype_name(event.labels, "labels")
        shape = json.dumps(event.labels.shape[1:])
        texts += entry_texts(event.labels, "labels")
    texts += [None] * len(event.unknown)
    details = [None if entry is None else to_text(entry, "details") for entry in event.details]
    rows = np.concatenate([event.rows, event.unknown]).tolist()
    columns = zip(rows, texts, _floats(event.costs), details, strict=True)
    answers = [
        {"place": place, "row": row, "label": label, "cost": cost, "details": detail}
        for place, (row, label, cost, detail) in enumerate(columns)
    ]
    head = {
        "answered_at": _now(),
        "dtype": dtype,
        "shape": shape,
        "seconds": float(event.seconds),
    }
    return head, answers


def numbered(
    head: Row, body: list[Row], number: int, versions: dict[int, int]
) -> tuple[Row, list[Row]]:
    """A reply that has got its number, and those versions of rows that are not the first."""
    body = [{"number": number, "version": versions.get(row["row"], 0), **row} for row in body]
    return _signed({"number": number, **head}, body), body


def round_row(record: dict[str, Any], number: int) -> Row:
    """A history entry."""
    content = to_text(record, "record")
    return _signed({"number": number, "round": int(record["round"]), "content": content}, [])


def header_of(row: Row) -> Header:
    return Header(**from_text(row["content"]))


def asked_of(head: Row, body: list[Row]) -> Asked:
    """The batch that `batch_rows` was given."""
    names = [row["name"] for row in body]
    return Asked(
        batch=head["batch"],
        rows=_column(body, "row", np.int64),
        ids=None if not names or None in names else [from_text(name) for name in names],
        gains=_column(body, "gain", np.float64),
        selected_by=head["selected_by"],
        n_told=head["n_told"],
        measures=from_text(head["measures"]),
        seconds=head["seconds"],
    )


def told_of(head: Row, body: list[Row]) -> Told:
    """The answers that `reply_rows` was given."""
    known = [row for row in body if row["label"] is not None]
    labels = None
    if head["dtype"] is not None:
        shape = (len(known), *json.loads(head["shape"]))
        labels = array_of([row["label"] for row in known], head["dtype"], shape)
    return Told(
        number=head["number"],
        rows=_column(known, "row", np.int64),
        labels=labels,
        unknown=_column([row for row in body if row["label"] is None], "row", np.int64),
        costs=_column(body, "cost", np.float64),
        details=[None if row["details"] is None else from_text(row["details"]) for row in body],
        seconds=head["seconds"],
        replaces=any(row["version"] for row in body),
    )


def grouped(heads: list[Row], bodies: Iterable[Row], key: str) -> list[tuple[Row, list[Row]]]:
    """Heads in order, each with the rows that belong to it."""
    parts = {number: list(rows) for number, rows in groupby(bodies, key=lambda row: row[key])}
    return [(head, parts.get(head[key], [])) for head in heads]


def is_intact(head: Row, body: list[Row]) -> bool:
    """Whether the rows are those that were written together."""
    return bool(head["checksum"] == _checksum(head, body))


def _refuse_repeated(event: Told) -> None:
    rows, counts = np.unique(np.concatenate([event.rows, event.unknown]), return_counts=True)
    if (counts > 1).any():
        raise JournalError(
            f"The answers have row {rows[counts > 1][0]} more than once. Nothing was written. Give "
            "one answer for each row."
        )


def _signed(head: Row, body: list[Row]) -> Row:
    return {**head, "checksum": _checksum(head, body)}


def _checksum(head: Row, body: list[Row]) -> int:
    signed = {key: value for key, value in head.items() if key != "checksum"}
    return zlib.crc32(json.dumps([signed, body], sort_keys=True).encode())


def _floats(values: NDArray[np.float64]) -> list[float | None]:
    # SQLite does not keep the sign of zero.
    return [None if value != value else value + 0.0 for value in map(float, values)]


def _column(rows: list[Row], name: str, dtype: Any) -> NDArray[Any]:
    values = [np.nan if row[name] is None else row[name] for row in rows]
    return np.array(values, dtype=dtype)


def _now() -> str:
    return datetime.now(UTC).isoformat()
