"""One annotation for each person and row; the others go into the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from skactive.annotations._annotations import Annotations
from skactive.annotations._names import Names
from skactive.annotations._records import Annotation, Unused


def collect(
    found: Iterable[Annotation],
    unused: Iterable[Unused],
    names: Names,
    labels: Sequence[Any] | None,
) -> Annotations:
    """What was found in a file, each annotation either kept or in the report."""
    report = list(unused)
    groups: dict[tuple[Any, ...], list[Annotation]] = {}
    for annotation in found:
        try:
            row = names.find(annotation.id)
        except LookupError as error:
            report.append(_unused("unknown row", f"{error}. Correct the id.", annotation))
            continue
        annotation = annotation._replace(id=row)
        groups.setdefault(_author(annotation), []).append(annotation)
    kept = []
    for group in groups.values():
        chosen, others = _choose(group)
        kept += chosen
        report += others
    return Annotations(kept, report, labels)


def combine(parts: Sequence[Annotations], files: Sequence[str]) -> Annotations:
    """What several files say together."""
    found: list[Annotation] = []
    unused: list[Unused] = []
    for part, file in zip(parts, files, strict=True):
        prefix = f"{file}, " if len(files) > 1 else ""
        found += [entry._replace(place=prefix + entry.place) for entry in part.annotations]
        unused += [entry._replace(place=prefix + entry.place) for entry in part.report]
    return collect(found, unused, Names(None), parts[0].labels if parts else None)


def _author(annotation: Annotation) -> tuple[Any, ...]:
    """Row and person; without a name each annotation counts as a person's own."""
    anonymous = repr(annotation.annotation_id) if annotation.annotator is None else None
    return type(annotation.id), annotation.id, annotation.annotator, anonymous


def _choose(group: list[Annotation]) -> tuple[list[Annotation], list[Unused]]:
    """The annotation that counts of those by one person for one row."""
    if len(group) == 1:
        return group, []
    latest = max(map(_moment, group))
    last = [annotation for annotation in group if _moment(annotation) == latest]
    if any(annotation.label != last[0].label for annotation in last):
        message = (
            f"{len(group)} labels by the same annotator, and no later one: "
            f"{', '.join(repr(annotation.label) for annotation in group)}. Leave one of them."
        )
        return [], [_unused("contradiction", message, annotation) for annotation in group]
    chosen = last[0]
    others = []
    for annotation in group:
        if annotation is chosen:
            continue
        if annotation.label == chosen.label:
            message = f"The same label by the same annotator is at {chosen.place}."
            others.append(_unused("duplicate", message, annotation))
        else:
            message = f"A later one, {chosen.label!r}, by the same annotator is at {chosen.place}."
            others.append(_unused("replaced", message, annotation))
    return [chosen], others


def _moment(annotation: Annotation) -> datetime:
    """When it was said; the beginning of time where that is not known."""
    text = annotation.updated_at or annotation.created_at
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        moment = datetime.min
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unused(reason: str, message: str, annotation: Annotation) -> Unused:
    return Unused(
        reason, message, annotation.id, annotation.annotator, annotation.place, annotation
    )
