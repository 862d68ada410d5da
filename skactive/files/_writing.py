"""Tables written to files that are always whole, or to standard output."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skactive._replacing import replacing
from skactive.files._errors import FileError
from skactive.files._parquet import write_parquet

__all__ = ["write_table"]

_FORMATS = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".parquet": "parquet"}


def write_table(
    path: str | os.PathLike[str] | None,
    rows: Iterable[Mapping[str, Any]],
    *,
    format: str | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Write rows to a file, which is replaced at once and whole, or to standard output.

    Parameters
    ----------
    path : path or None
        The file; None writes to standard output. Whatever ends the writing early, a full disk or
        Ctrl-C, leaves a former file as it was.
    rows : iterable of dict
        Rows with the same keys: texts, numbers, bools, None.
    format : {"csv", "json", "jsonl", "parquet"} or None, default=None
        None goes by the ending of `path`, and is "csv" for standard output. CSV is as in RFC
        4180, in UTF-8, None an empty cell; JSON is one array of objects, "jsonl" one object a
        line, both with null for None and for numbers that are not finite; "parquet" needs
        ``pip install "skactive[files]"``.
    columns : list of str or None, default=None
        The keys, in the order to write them; None takes those of the first row. Without any row
        only they say what the columns of a CSV file are.

    Raises
    ------
    FileError
        If the format is unknown, or the rows do not fit into it.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from skactive.files import write_table
    >>> write_table(None, [{"id": 7, "score": 0.5}], format="jsonl")
    {"id": 7, "score": 0.5}
    """
    chosen = check_output(path, format)
    table = _as_columns(rows, columns)
    if path is None:
        data = _encoded(table, chosen)
        sys.stdout.flush()
        # Bytes, because the encoding and the line ends of the terminal are not those of the file.
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:
            sys.stdout.write(data.decode("utf-8"))
        else:
            binary.write(data)
        sys.stdout.flush()
        return
    with replacing(Path(path)) as unfinished:
        if chosen == "parquet":
            write_parquet(table, unfinished)
        else:
            unfinished.write_bytes(_encoded(table, chosen))


def check_output(path: str | os.PathLike[str] | None, format: str | None = None) -> str:
    """The format to write; what cannot be written is refused before the work is done."""
    allowed = tuple(_FORMATS.values())
    if format is not None and format not in allowed:
        raise FileError(f"format == {format!r}, must be one of {', '.join(map(repr, allowed))}.")
    if path is None:
        if format == "parquet":
            raise FileError("format == 'parquet' needs a file. Name one, such as picks.parquet.")
        return format or "csv"
    target = Path(path)
    if target.is_dir():
        raise FileError(f"{target} is a folder, must be a file. Add a file name.")
    if not target.parent.is_dir():
        raise FileError(f"{target} cannot be written: there is no folder {target.parent}.")
    chosen = format or _FORMATS.get(target.suffix.lower())
    if chosen is None:
        raise FileError(
            f"{target} ends in {target.suffix!r}, must end in {', '.join(_FORMATS)}; or name the "
            "format."
        )
    return chosen


def _as_columns(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None
) -> dict[str, list[Any]]:
    rows = list(rows)
    names = list(columns) if columns is not None else list(rows[0]) if rows else []
    for number, row in enumerate(rows):
        if row.keys() != set(names):
            raise FileError(
                f"rows[{number}] has the keys {sorted(row)}, must have {sorted(names)} as the "
                "others."
            )
    return {name: [_plain(row[name]) for row in rows] for name in names}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _encoded(table: dict[str, list[Any]], format: str) -> bytes:
    text = io.StringIO()
    rows = list(zip(*table.values(), strict=True))
    if format == "csv":
        # Python leaves a lone carriage return without quotes where lines end in "\n" alone.
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(table)
        writer.writerows(rows)
    else:
        lines = [_json(dict(zip(table, row, strict=True))) for row in rows]
        array = "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"
        text.write(array if format == "json" else "".join(line + "\n" for line in lines))
    try:
        return text.getvalue().encode("utf-8")
    except UnicodeEncodeError as error:
        bad = text.getvalue()[error.start : error.end]
        raise FileError(f"{bad!r} cannot be written as UTF-8. Rename what holds it.") from error


def _json(row: dict[str, Any]) -> str:
    finite = {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in row.items()
    }
    try:
        return json.dumps(finite, ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise FileError(f"{row!r} cannot be written as JSON: {error}.") from error
