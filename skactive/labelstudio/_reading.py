"""Annotations that Label Studio has exported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from skactive.annotations import Annotation, Annotations, Unused
from skactive.annotations._collect import collect
from skactive.annotations._decoding import read_text
from skactive.annotations._labels import LabelReader
from skactive.annotations._names import Names
from skactive.files._errors import FileError
from skactive.labelstudio._annotated import read_record, read_task
from skactive.labelstudio._config import CONTROL
from skactive.labelstudio._items import read_items
from skactive.labelstudio._results import ResultReader


def read_annotations(
    path: Any,
    *,
    ids: Iterable[Any] | None = None,
    labels: Sequence[Any] | None = None,
    numeric: bool = False,
    multiple: bool = False,
    dont_know: str | None = "?",
    control: str = CONTROL,
    encoding: str | None = None,
) -> Annotations:
    """Read what Label Studio has exported, as JSON or JSON-MIN.

    Parameters
    ----------
    path : str or PathLike
        The file exported: a list of tasks, a single task, or one a line.
    ids : iterable or None, default=None
        Rows that have been asked. Annotations of other rows go into the report; None takes all.
    labels : sequence or None, default=None
        Labels allowed, of the type they are to have; choices come as texts. None takes choices
        as texts and numbers as numbers.
    numeric : bool, default=False
        Whether choices stand for numbers; only without `labels`.
    multiple : bool, default=False
        Whether several labels may be chosen. Labels are then tuples.
    dont_know : str or None, default="?"
        The choice that says that nobody can label the row.
    control : str, default="label"
        Name of the tag in the labeling configuration that takes the label.
    encoding : str or None, default=None
        Of the file; None means UTF-8, or what its first bytes say.

    Returns
    -------
    annotations : Annotations
        One for each row and annotator, and a report of all else: annotations that are malformed,
        skipped, empty, drafts, repeated, or of unknown rows; parts of the file that are damaged.

    Raises
    ------
    FileError
        If there is no such file.

    Notes
    -----
    Predictions in the file are no annotations, and are not read. JSON-MIN leaves out who has
    skipped a task and what is marked as the truth: prefer JSON.

    Examples
    --------
    >>> import json, os, tempfile
    >>> from skactive.labelstudio import read_annotations
    >>> result = [{"from_name": "label", "to_name": "text", "type": "choices",
    ...            "value": {"choices": ["good"]}}]
    >>> task = {"id": 1, "data": {"row_id": 7, "text": "Fine soap."},
    ...         "annotations": [{"id": 5, "completed_by": 2, "result": result},
    ...                         {"id": 6, "completed_by": 3, "result": [], "was_cancelled": True}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "export.json")
    ...     with open(path, "w") as file:
    ...         json.dump([task], file)
    ...     read = read_annotations(path)
    >>> read
    <1 annotations of 1 rows; not used: 1 skipped>
    >>> read.answers().indices, read.answers().labels
    ([7], ['good'])
    """
    labels = None if labels is None else list(labels)
    results = ResultReader(control, LabelReader(labels, numeric, dont_know), multiple)
    text = read_text(path, encoding)
    if not text.strip():
        raise FileError(f"path == {str(path)!r} is empty. Export it again.")
    found: list[Annotation | Unused] = []
    for place, item in read_items(text):
        if isinstance(item, Unused):
            found.append(item)
        elif isinstance(item, dict) and "annotation_id" in item:
            found += read_record(item, place, results)
        elif isinstance(item, dict) and isinstance(item.get("data"), dict):
            found += read_task(item, place, results)
        else:
            message = "This is no task of Label Studio. Export the project as JSON."
            found.append(Unused("malformed", message, place=place, content=item))
    annotations = [entry for entry in found if isinstance(entry, Annotation)]
    unused = [entry for entry in found if isinstance(entry, Unused)]
    return collect(annotations, unused, Names(ids), results.labels.labels)
