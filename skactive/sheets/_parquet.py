"""Sheets as Parquet, which keeps the type of every cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skactive._extras import require
from skactive.files._errors import FileError, existing_file
from skactive.sheets._cells import ANNOTATOR, LABEL

_PURPOSE = "A Parquet file"


def write_parquet(sheet: list[dict[str, Any]], columns: list[str], path: Path) -> None:
    """One column of numbers or of texts each; the columns to fill in are texts."""
    arrow = require("pyarrow", "files", _PURPOSE)
    parquet = require("pyarrow.parquet", "files", _PURPOSE)
    table = {name: _column([row[name] for row in sheet]) for name in columns}
    types = {name: arrow.string() for name in (LABEL, ANNOTATOR)}
    arrays = [arrow.array(values, types.get(name)) for name, values in table.items()]
    parquet.write_table(arrow.table(arrays, names=list(table)), path)


def read_parquet(path: Path) -> tuple[list[str], list[list[Any]]]:
    """Names of the columns, and the rows; None where a cell is empty."""
    existing_file(path)
    arrow = require("pyarrow", "files", _PURPOSE)
    parquet = require("pyarrow.parquet", "files", _PURPOSE)
    try:
        table = parquet.ParquetFile(path).read()
    except (arrow.ArrowException, OSError) as error:
        raise FileError(
            f"{path} cannot be read as Parquet: {error}. Save it again, or as CSV."
        ) from error
    columns = [column.to_pylist() for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def _column(values: list[Any]) -> list[Any]:
    """Texts, unless all values are numbers that Parquet has room for."""
    given = [value for value in values if value is not None]
    kinds = {type(value) for value in given}
    if kinds == {bool} or kinds == {float}:
        return values
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in given):
        return values
    texts = [value if value is None or isinstance(value, str) else str(value) for value in values]
    return [None if text is None else text.encode("utf-8", "replace").decode() for text in texts]
