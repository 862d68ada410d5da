"""All that a journal holds, for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np

from skactive.exceptions import JournalError
from skactive.journal._events import Row, is_intact
from skactive.journal._target import resolve
from skactive.journal._values import from_text

Plain = dict[str, list[dict[str, Any]]]


def read_journal(target: Any, *, damaged: bool = False) -> Plain:
    """All that a journal holds, as plain Python values.

    Parameters
    ----------
    target : str, os.PathLike or sqlalchemy.URL
        As for `Journal`. The journal may be in use, and is not changed. A file may be read-only;
        beside one that is not, SQLite may leave an empty ``-wal`` and a ``-shm``.
    damaged : bool, default=False
        Read what can be read of a damaged SQLite file, row by row, from a copy in the folder for
        temporary files. Answers and questions then say whether they are ``"intact"``: whether all
        that was written together with them is there and as it was written.

    Returns
    -------
    tables : dict of str to list of dict
        Each list is ready for ``pandas.DataFrame``.

        ``"header"``
            One dict: fingerprints, parameters and seed of the loop, and when it began.
        ``"questions"``
            row, id, batch, gain, selected_by, n_told, asked_at; in the order asked.
        ``"answers"``
            The latest of each row: row, id, label, unknown (nobody can label it), cost, details,
            number (of the answers that came in together; 0 are the labels owned before),
            answered_at, and batch, gain, selected_by, asked_at of the question, which are None
            for labels owned. The id is the row where the loop was given no ids; it is None for
            labels owned where it was.
        ``"corrected"``
            Earlier answers that were replaced, likewise.
        ``"rounds"``
            The entries of ``history_``.

    Raises
    ------
    JournalError
        If there is no journal, or it cannot be read, or, unless `damaged`, is not intact.

    Examples
    --------
    >>> import os, tempfile
    >>> from skactive._record import Header
    >>> from skactive.journal import Journal
    >>> folder = tempfile.TemporaryDirectory()
    >>> journal = Journal(os.path.join(folder.name, "labels.db"))
    >>> journal.start(Header("of the pool", 100, None, {"budget": "10"}, 0), None)
    >>> journal.close()
    >>> read_journal(journal.target)["header"][0]["n_samples"]
    100
    >>> folder.cleanup()
    """
    found = resolve(target)
    if found.path is not None and not found.path.exists():
        raise JournalError(f"journal == {found.name!r} does not exist. Correct the name.")
    if damaged:
        from skactive.journal._salvage import salvage

        if found.path is None:
            raise JournalError(
                f"journal == {found.name!r}: damaged=True is for SQLite files. Ask the "
                "administrator of the server for its backup."
            )
        return _plain(salvage(found.path), damaged=True)

    from skactive.journal._database import Database
    from skactive.journal._tables import read_batches, read_header, read_replies, read_rounds

    database = Database(found, read_only=True)
    try:
        with database.reading() as connection:
            header = read_header(connection, found.name)
            if header is None:
                raise JournalError(
                    f"journal == {found.name!r} has not been started: it holds nothing. Correct "
                    "the name."
                )
            batches = read_batches(connection, 0, found.name)
            replies = read_replies(connection, -1, found.name)
            rounds = read_rounds(connection, 0, found.name)
    finally:
        database.close()
    tables = {
        "header": [header],
        "batches": [head for head, _ in batches],
        "questions": [row for _, rows in batches for row in rows],
        "replies": [head for head, _ in replies],
        "answers": [row for _, rows in replies for row in rows],
        "rounds": rounds,
    }
    return _plain(tables, damaged=False)


def _plain(tables: dict[str, list[Row]], damaged: bool) -> Plain:
    header = [_header(row) for row in tables["header"]]
    has_ids = any(row["name"] is not None for row in tables["questions"])
    has_ids = has_ids or any(row["ids"] is not None for row in header)
    questions = _questions(tables, has_ids, damaged)
    answers = _answers(tables, {row["row"]: row for row in questions}, has_ids, damaged)
    latest = {answer["row"]: answer for answer in answers}  # in the order of their numbers
    return {
        "header": header,
        "questions": questions,
        "answers": [answer for answer in answers if answer is latest[answer["row"]]],
        "corrected": [answer for answer in answers if answer is not latest[answer["row"]]],
        "rounds": [_without_arrays(from_text(row["content"])) for row in tables["rounds"]],
    }


def _header(row: Row) -> dict[str, Any]:
    kept = {"schema_version": row["schema_version"], "created_at": _moment(row["created_at"])}
    return {**from_text(row["content"]), **kept}


def _questions(tables: dict[str, list[Row]], has_ids: bool, damaged: bool) -> list[dict[str, Any]]:
    heads = {head["batch"]: head for head in tables["batches"]}
    intact = _intact(heads, tables["questions"], "batch") if damaged else set()
    found = []
    for row in tables["questions"]:
        head = heads.get(row["batch"], {})
        question = {
            "row": row["row"],
            "id": _value(row["name"]) if has_ids else row["row"],
            "batch": row["batch"],
            "gain": _number(row["gain"]),
            "selected_by": head.get("selected_by"),
            "n_told": head.get("n_told"),
            "asked_at": _moment(head.get("asked_at")),
        }
        if damaged:
            question["intact"] = row["batch"] in intact
        found.append(question)
    return found


def _answers(
    tables: dict[str, list[Row]], questions: dict[int, Any], has_ids: bool, damaged: bool
) -> list[dict[str, Any]]:
    heads = {head["number"]: head for head in tables["replies"]}
    intact = _intact(heads, tables["answers"], "number") if damaged else set()
    found = []
    for row in tables["answers"]:
        head = heads.get(row["number"], {})
        question = questions.get(row["row"], {})
        answer = {
            "row": row["row"],
            "id": question.get("id") if has_ids else row["row"],
            "label": _label(row["label"], head),
            "unknown": row["label"] is None,
            "cost": _number(row["cost"]),
            "details": _value(row["details"]),
            "number": row["number"],
            "answered_at": _moment(head.get("answered_at")),
            **{name: question.get(name) for name in ("batch", "gain", "selected_by", "asked_at")},
        }
        if damaged:
            answer["intact"] = row["number"] in intact
        found.append(answer)
    return found


def _intact(heads: dict[int, Row], rows: list[Row], key: str) -> set[int]:
    """Numbers of the heads that are complete with their rows."""
    parts: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["place"]):
        parts.setdefault(row[key], []).append(row)
    return {number for number, head in heads.items() if is_intact(head, parts.get(number, []))}


def _label(text: str | None, head: Row) -> Any:
    label = _value(text)
    dtype = np.dtype(head.get("dtype") or object)
    return label if dtype.kind not in "mM" else np.array(label, dtype=np.int64).view(dtype).tolist()


def _value(text: str | None) -> Any:
    return None if text is None else from_text(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _without_arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_arrays(entry) for key, entry in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
