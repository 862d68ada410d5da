"""Rows that a journal has asked, as files for other programs show them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from skactive.cli._console import UsageError, say

if TYPE_CHECKING:
    from skactive.annotations._journal import Question
    from skactive.files._opening import OpenTable


class Asked(NamedTuple):
    """What is to be labeled, and what is known of it."""

    kind: str  # "text", "image" or "table"
    ids: list[Any]
    data: list[Any]
    scores: list[float | None]
    selected_by: list[str]
    predictions: list[Any] | None
    prediction_scores: list[float | None] | None


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Which rows to write, and where."""
    parser.add_argument("--journal", required=True, help="journal of the loop that has asked")
    parser.add_argument(
        "--pool",
        required=True,
        metavar="FILE",
        help="what is shown: .csv, .tsv or .parquet, .txt (a text a line), or a folder of images",
    )
    parser.add_argument("--output", metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N rows only")
    parser.add_argument(
        "--predictions",
        metavar="FILE",
        help="CSV with the columns id, label and maybe score (0 to 1): what a model suggests",
    )
    group = parser.add_argument_group("the pool")
    group.add_argument("--ids", metavar="COLUMN", help="column of ids (default: 'id', if any)")
    group.add_argument("--text", metavar="COLUMN", help="column of texts (default: all columns)")
    group.add_argument("--images", metavar="COLUMN", help="column of image files")


def asked_rows(options: argparse.Namespace) -> Asked:
    """The rows that wait for an answer, in the order asked."""
    from skactive.annotations._journal import view_journal
    from skactive.files._opening import open_table
    from skactive.files._tables import check_column

    if options.limit is not None and options.limit < 1:
        raise UsageError(f"--limit {options.limit}: must be at least 1.")
    view = view_journal(options.journal)
    opened = open_table(Path(options.pool))
    opened.id_column = options.ids or opened.id_column
    opened.text_column = options.text or opened.text_column
    opened.image_column = options.images or opened.image_column
    for name in (opened.id_column, opened.text_column, opened.image_column):
        if name is not None:
            check_column(opened.table, name, options.pool)
    for note in opened.notes:
        say(note)
    if len(opened.table) != view.n_samples:
        raise ValueError(
            f"{options.pool} has {len(opened.table)} rows, but the journal is of a pool of "
            f"{view.n_samples}. Name the file that the rows were picked from."
        )
    questions = view.open[: options.limit]
    if view.has_ids:
        _check_ids(opened, questions, options.pool)
    kind, data = _shown(opened, questions)
    ids = [question.id for question in questions]
    say(f"{len(ids)} rows of {len(view.open)} that wait for a label")
    labels, scores = _read_predictions(options.predictions, ids)
    return Asked(
        kind,
        ids,
        data,
        [question.score for question in questions],
        [question.selected_by for question in questions],
        labels,
        scores,
    )


def write_output(content: bytes) -> None:
    """A file on standard output, byte for byte."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def _check_ids(opened: OpenTable, questions: list[Question], pool: str) -> None:
    """Refuse a pool whose rows are in another order."""
    from skactive.annotations._names import name_to_text

    if opened.id_column is not None:
        names = opened.table.cells(opened.id_column)
    else:
        names = [str(name) for name in opened.ids] if opened.ids is not None else []
    for question in questions:
        found = names[question.row] if names else str(question.row)
        if found != name_to_text(question.id):
            raise ValueError(
                f"{pool}: row {question.row} has the id {found!r}, but the journal asked for "
                f"{question.id!r} there. Name the file that the rows were picked from, and its "
                "column of ids by --ids."
            )


def _shown(opened: OpenTable, questions: list[Question]) -> tuple[str, list[Any]]:
    """The kind, and what is shown of each row."""
    rows = [opened.table.row(question.row) for question in questions]
    if opened.image_column is not None:
        return "image", [row[opened.image_column] for row in rows]
    columns = [name for name in opened.table.names if name != opened.id_column]
    text = opened.text_column or (columns[0] if len(columns) == 1 else None)
    if text is not None:
        return "text", [row[text] for row in rows]
    return "table", rows


def _read_predictions(
    path: str | None, ids: list[Any]
) -> tuple[list[Any] | None, list[float | None] | None]:
    """Labels that a model suggests for the rows, and their scores."""
    if path is None:
        return None, None
    from skactive.annotations._names import name_to_text
    from skactive.files import FileError
    from skactive.files._opening import open_table

    table = open_table(Path(path)).table
    if not {"id", "label"} <= set(table.names):
        raise FileError(f"{path} must have the columns id and label; got {table.names}.")
    rows = {name: i for i, name in enumerate(table.cells("id"))}
    places = [rows.get(name_to_text(name)) for name in ids]
    cells = table.cells("label")
    labels = [None if place is None else cells[place] or None for place in places]
    say(f"{len(labels) - labels.count(None)} of {len(labels)} rows have a prediction")
    if "score" not in table.names:
        return labels, None
    scores = table.cells("score")
    return labels, [
        float(scores[place]) if place is not None and scores[place] else None for place in places
    ]
