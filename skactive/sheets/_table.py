"""Cells of a CSV file, whichever program has saved it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from skactive.annotations import Unused
from skactive.annotations._decoding import WRONG_ENCODING, is_broken, read_text
from skactive.files._errors import FileError
from skactive.files._text import allow_long_fields
from skactive.sheets._cells import ID, LABEL, unguarded

_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)  # for Excel


class Line(NamedTuple):
    """A row of the file below the header."""

    place: str
    cells: list[Any]


def read_csv(path: Any, encoding: str | None) -> tuple[list[str], Iterator[Line | Unused]]:
    """The header, and the rows below; Unused in place of damaged ones."""
    allow_long_fields()
    text = read_text(path, encoding)
    delimiters, n_skipped = _DELIMITERS, 0
    if (told := _SEPARATOR_LINE.match(text)) is not None:
        delimiters, n_skipped, text = told[1], 1, text[told.end() :]
    for delimiter in delimiters:
        header = _header(text, delimiter)
        if ID in header and LABEL in header:
            return header, _lines(text, delimiter, len(header), n_skipped)
    first = text.partition("\n")[0][:200]
    raise FileError(
        f"path == {str(path)!r} must have the columns {ID!r} and {LABEL!r} in its first line; got "
        f"{first!r}. Fill in the file that export_sheet has written, and save it as CSV UTF-8."
    )


def _header(text: str, delimiter: str) -> list[str]:
    try:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []
    return [unguarded(name).strip() for name in first]


def _lines(text: str, delimiter: str, n_columns: int, n_skipped: int) -> Iterator[Line | Unused]:
    source = list(io.StringIO(text, newline=""))
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    is_cut = not text.endswith(("\n", "\r"))
    next(reader)
    while True:
        begin = reader.line_num
        place = f"line {n_skipped + begin + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            content = "".join(source[begin : reader.line_num])
            yield _damaged(str(error), content, place)
            continue
        content = "".join(source[begin : reader.line_num])
        if is_broken(content):
            yield _damaged(WRONG_ENCODING, content, place)
        elif len(cells) > n_columns and any(cells[n_columns:]):
            yield _damaged(f"It has more than {n_columns} cells.", content, place)
        elif is_cut and 0 < len(cells) < n_columns and reader.line_num == len(source):
            yield _damaged("The file ends within it.", content, place)
        elif any(cell.strip() for cell in cells):
            filled = [unguarded(cell) for cell in cells] + [""] * (n_columns - len(cells))
            yield Line(place, filled)


def _damaged(error: str, content: str, place: str) -> Unused:
    message = f"The line cannot be read: {error} Save the file again, or repair it by hand."
    return Unused("damaged", message, place=place, content=content)
