"""Annotations of one task, or of one record of JSON-MIN."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from skactive.annotations import Annotation, Unused
from skactive.annotations._names import name_of_json
from skactive.labelstudio._results import ResultError, ResultReader


def read_task(
    task: dict[str, Any], place: str, results: ResultReader
) -> Iterator[Annotation | Unused]:
    """Everything that people have said about a task."""
    if "annotations" not in task and "completions" not in task:
        message = "It has no annotations. Name the file exported, not the file of tasks."
        yield Unused("malformed", message, place=place, content=task)
        return
    annotations = task.get("annotations", task.get("completions")) or []  # before version 1.0
    drafts = task.get("drafts") or []
    for name, part in (("annotations", annotations), ("drafts", drafts)):
        if not isinstance(part, list):
            yield Unused("malformed", f"{name} must be a list.", place=place, content=task)
            return
    try:
        row = _row_id(task)
    except ValueError as error:
        message = f"{error}. Import tasks that were written by export_tasks."
        for entry in [*annotations, *drafts]:
            yield Unused("no row id", message, None, _annotator(entry), place, entry)
        return
    for n, entry in enumerate(annotations, start=1):
        yield from _read_annotation(entry, row, f"{place}, annotation {n}", results)
    for draft in drafts:
        message = "It is a draft, which has not been submitted."
        yield Unused("draft", message, row, _annotator(draft), place, draft)


def read_record(
    record: dict[str, Any], place: str, results: ResultReader
) -> Iterator[Annotation | Unused]:
    """The annotation of a record of JSON-MIN."""
    if record["annotation_id"] is None and results.control not in record:
        return  # a task that nobody has labeled yet
    annotator = _annotator(record)
    try:
        row = name_of_json(record.get("row_id"))
    except ValueError as error:
        message = f"The row_id is missing or wrong: {error}."
        yield Unused("no row id", message, None, annotator, place, record)
        return
    try:
        if results.control not in record:
            raise ResultError("empty", f"It has no result of {results.control!r}.")
        label = results.of_value(record[results.control])
    except ResultError as error:
        yield Unused(error.reason, str(error), row, annotator, place, record)
        return
    yield _annotation(record, row, label, record["annotation_id"], place)


def _read_annotation(
    entry: Any, row: Any, place: str, results: ResultReader
) -> Iterator[Annotation | Unused]:
    annotator = _annotator(entry)
    if not isinstance(entry, dict):
        message = f"An annotation must be an object; got {type(entry).__name__}."
        yield Unused("malformed", message, row, None, place, entry)
        return
    if entry.get("was_cancelled") or entry.get("skipped"):
        message = "It was skipped; the row stays open."
        yield Unused("skipped", message, row, annotator, place, entry)
        return
    try:
        label = results.of_results(entry.get("result"))
    except ResultError as error:
        yield Unused(error.reason, str(error), row, annotator, place, entry)
        return
    yield _annotation(entry, row, label, entry.get("id"), place)
    for other in entry["result"]:
        if other.get("from_name") != results.control:
            message = f"Results of {other.get('from_name')!r} are not read; the label is."
            yield Unused("other control", message, row, annotator, place, other)


def _annotation(
    entry: dict[str, Any], row: Any, label: Any, annotation_id: Any, place: str
) -> Annotation:
    return Annotation(
        row,
        label,
        _annotator(entry),
        _text(entry.get("created_at")),
        _text(entry.get("updated_at")),
        _seconds(entry.get("lead_time")),
        entry.get("ground_truth") is True,
        annotation_id,
        place,
    )


def _row_id(task: dict[str, Any]) -> Any:
    """The name of the row, which data and meta should agree about."""
    parts = [task.get(key) for key in ("data", "meta")]
    found = [part["row_id"] for part in parts if isinstance(part, dict) and "row_id" in part]
    if not found:
        raise ValueError("The task has no row_id")
    if any(name != found[0] for name in found):
        raise ValueError(f"The task has two row_ids, {found[0]!r} and {found[1]!r}")
    return name_of_json(found[0])


def _annotator(entry: Any) -> str | None:
    """An e-mail address or a number, whichever the file has."""
    if not isinstance(entry, dict):
        return None
    person = next((entry[key] for key in _PERSON if entry.get(key) is not None), None)
    if isinstance(person, dict):
        person = next((person[key] for key in ("email", "id") if person.get(key)), None)
    return None if person is None else str(person)


_PERSON = ("completed_by", "annotator", "user")  # of annotations, JSON-MIN and drafts


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
