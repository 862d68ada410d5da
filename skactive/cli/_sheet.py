"""``skactive sheet``: rows to be labeled in a spreadsheet, and labels from there."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skactive.cli._asked import add_export_options, asked_rows, write_output
from skactive.cli._told import add_import_options, read_and_tell

if TYPE_CHECKING:
    from skactive.annotations import Annotations


def add_parser(subparsers: Any) -> None:
    """The options."""
    parser = subparsers.add_parser(
        "sheet",
        help="have rows labeled in a spreadsheet, by CSV or Parquet files",
        description="Write the rows that a loop has asked as a sheet with a column to fill in, "
        "and tell the loop what people have filled in.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add_export_options(
        actions.add_parser("export", help="write the rows that wait for a label (.csv, .parquet)")
    )
    reading = actions.add_parser("import", help="tell the loop what has been filled in")
    add_import_options(reading)
    reading.add_argument(
        "--annotator",
        metavar="NAME",
        help="who has filled in rows that do not say it (default: the name of the file, if there "
        "are several)",
    )


def run(options: argparse.Namespace) -> int:
    """Export or import."""
    return _export(options) if options.action == "export" else _import(options)


def _export(options: argparse.Namespace) -> int:
    from skactive.sheets import export_sheet
    from skactive.sheets._writing import as_csv, check_path, columns_of

    if options.output is not None:
        check_path(options.output)
    asked = asked_rows(options)
    column = {"text": "text", "image": "image"}.get(asked.kind)
    sheet = export_sheet(
        asked.ids,
        asked.data if column is None else [{column: value} for value in asked.data],
        options.output,
        scores=asked.scores,
        selected_by=asked.selected_by,
        predictions=asked.predictions,
        prediction_scores=asked.prediction_scores,
    )
    if options.output is None:
        write_output(as_csv(sheet, columns_of(sheet)))
    return 0


def _import(options: argparse.Namespace) -> int:
    def read(file: str, ids: list[Any], labels: list[Any] | None, is_numeric: bool) -> Annotations:
        from skactive.sheets import read_sheet

        annotator = options.annotator
        if annotator is None and len(options.files) > 1:
            annotator = Path(file).stem
        return read_sheet(
            file,
            ids=ids,
            labels=labels,
            numeric=is_numeric and labels is None,
            dont_know=options.dont_know or None,
            annotator=annotator,
            encoding=options.encoding,
        )

    return read_and_tell(options, read)
