"""Labels that people have filled in."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from skactive.annotations import Annotation, Annotations, Unused
from skactive.annotations._collect import collect
from skactive.annotations._labels import LabelReader
from skactive.annotations._names import Names
from skactive.files._errors import FileError
from skactive.sheets._cells import ANNOTATOR, ID, LABEL
from skactive.sheets._parquet import read_parquet
from skactive.sheets._table import Line, read_csv


def read_sheet(
    path: Any,
    *,
    ids: Iterable[Any] | None = None,
    labels: Sequence[Any] | None = None,
    numeric: bool = False,
    dont_know: str | None = "?",
    annotator: str | None = None,
    encoding: str | None = None,
) -> Annotations:
    """Read a sheet in which people have filled in labels.

    Rows without a label have not been answered yet. Any program may have saved the sheet, in any
    order of rows and columns, with commas, semicolons or tabs, with columns added or left out.

    Parameters
    ----------
    path : str or PathLike
        A CSV or Parquet file with the columns ``id`` and ``label``, and maybe ``annotator``.
    ids : iterable or None, default=None
        Rows that have been asked, of the type that the loop knows them by. Other rows go into the
        report. None takes all rows; names are then texts for CSV.
    labels : sequence or None, default=None
        Labels allowed, of the type they are to have. Case and blanks around them do not count
        where that leaves one. None takes any text, without the blanks around it.
    numeric : bool, default=False
        Whether labels are numbers; only without `labels`.
    dont_know : str or None, default="?"
        What says that nobody can label the row.
    annotator : str or None, default=None
        Who has filled in rows that do not say it.
    encoding : str or None, default=None
        Of CSV; None means UTF-8, or what its first bytes say.

    Returns
    -------
    annotations : Annotations
        One for each row and annotator, and a report of all else: labels that are not allowed, rows
        that are unknown or there twice, lines that are damaged.

    Raises
    ------
    FileError
        If there is no such file, or it lacks one of the columns.
    ImportError
        For Parquet, without pyarrow.

    Examples
    --------
    >>> import os, tempfile
    >>> from skactive.sheets import read_sheet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels.csv")
    ...     with open(path, "w") as file:
    ...         print("id;label", "7;good", "8;?", "9;", "seven;good", sep="\\n", file=file)
    ...     read = read_sheet(path, ids=[7, 8, 9])
    >>> read
    <2 annotations of 2 rows; not used: 1 unknown row>
    >>> read.answers().indices, read.answers().labels
    ([7, 8], ['good', DONT_KNOW])
    """
    labels = None if labels is None else list(labels)
    reader = LabelReader(labels, numeric, dont_know)
    header, lines = _read_lines(path, encoding)
    places = {name: header.index(name) for name in (ID, LABEL, ANNOTATOR) if name in header}
    for name in places:
        if header.count(name) > 1:
            raise FileError(
                f"path == {str(path)!r} has the column {name!r} more than once. Leave one of them."
            )
    found: list[Annotation] = []
    unused: list[Unused] = []
    for line in lines:
        if isinstance(line, Unused):
            unused.append(line)
            continue
        read = _read_line(line, places, reader, annotator)
        if isinstance(read, Annotation):
            found.append(read)
        elif read is not None:
            unused.append(read)
    return collect(found, unused, Names(ids), reader.labels)


def _read_lines(path: Any, encoding: str | None) -> tuple[list[str], Iterable[Line | Unused]]:
    if Path(os.fspath(path)).suffix.lower() != ".parquet":
        return read_csv(path, encoding)
    header, rows = read_parquet(Path(path))
    for name in (ID, LABEL):
        if name not in header:
            raise FileError(
                f"path == {str(path)!r} must have the columns {ID!r} and {LABEL!r}; got "
                f"{', '.join(map(repr, header))}. Fill in the file that export_sheet has written."
            )
    return header, _numbered(rows)


def _numbered(rows: list[list[Any]]) -> Iterator[Line]:
    for n, cells in enumerate(rows, start=1):
        yield Line(f"row {n}", cells)


def _read_line(
    line: Line, places: dict[str, int], reader: LabelReader, annotator: str | None
) -> Annotation | Unused | None:
    """What a line says; None where its label is still to come."""
    cells = {name: line.cells[place] for name, place in places.items()}
    text = _text(cells[LABEL])
    if not text.strip():
        return None
    person = _text(cells.get(ANNOTATOR)).strip() or annotator
    name = cells[ID]
    if name is None or name == "":
        message = "There is a label, but no id. Copy it from the sheet that was written."
        return Unused("no row id", message, None, person, line.place, line.cells)
    try:
        label = reader.of_text(text if reader.labels is not None else text.strip())
    except ValueError as error:
        message = f"{error}. Correct the cell."
        return Unused("unknown label", message, name, person, line.place, line.cells)
    return Annotation(name, label, person, place=line.place)


def _text(cell: Any) -> str:
    """A label as it is typed; programs write the number 3 as 3.0 where cells are missing."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
