"""Text files: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from skactive.files._errors import FileError, existing_file

_LONGEST_CELL = 2**31 - 1
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """The file as text, its line ends untouched; what is no UTF-8 is named by its line."""
    existing_file(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        raise FileError(f"{path} {_first_flaw(path)}") from error


def _first_flaw(path: Path) -> str:
    with open(path, "rb") as file:
        if file.read(2) in _UTF16:
            return "is UTF-16 text, must be UTF-8. Save it as 'CSV UTF-8' or 'Unicode (UTF-8)'."
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (
                    f"is not UTF-8 text: byte {line[error.start]:#04x} in line {number}. Save it "
                    "as UTF-8 ('CSV UTF-8' in a spreadsheet)."
                )
    return "is not UTF-8 text. Save it as UTF-8."


def read_lines(path: Path) -> list[str]:
    """Lines without their ends; only line feeds and carriage returns end a line."""
    with opened(path) as file:
        return [line.rstrip("\r\n") for line in file]


def allow_long_fields() -> None:
    """Lift the limit that the csv module sets to the length of a cell."""
    # Never set back: another thread may be reading.
    csv.field_size_limit(max(_LONGEST_CELL, csv.field_size_limit()))
