"""Tables as text: CSV and its relatives."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from skactive.files._errors import FileError
from skactive.files._text import allow_long_fields, opened

_MISSING = frozenset({"", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None"})
_CHUNK_ROWS = 4096
_DECIMAL_COMMA = re.compile(r"\s*-?\d+,\d+\s*")


class DelimitedTable:
    """A table read from text, in one pass.

    It keeps the text of every row, about as many bytes as the file has, so that a person sees
    what the file says and not what became of it, and the numbers of the columns of numbers.
    """

    def __init__(self, path: Path) -> None:
        allow_long_fields()
        self._path = path
        self._records: list[str] = []
        self._lines = array("q")
        with opened(path) as file:
            self._read(file)
        if not self._records:
            raise FileError(f"{path} has column names and no rows. Add one line a row.")

    def __len__(self) -> int:
        return len(self._records)

    def cells(self, name: str) -> list[str]:
        position = self.names.index(name)
        return [self._parse(i)[position] for i in range(len(self))]

    def numbers(self, name: str) -> NDArray[np.float64] | None:
        return self._numbers.get(name)

    def row(self, i: int) -> dict[str, str]:
        return dict(zip(self.names, self._parse(i), strict=True))

    def place(self, i: int) -> str:
        return f"line {self._lines[i]}"

    def has_decimal_commas(self, name: str) -> bool:
        """Whether a column holds nothing but numbers with a comma for a point."""
        values = [cell for cell in self.cells(name) if cell.strip() not in _MISSING]
        return bool(values) and all(map(_DECIMAL_COMMA.fullmatch, values))

    def _parse(self, i: int) -> list[str]:
        return next(csv.reader([self._records[i]], delimiter=self._delimiter, strict=True))

    def _read(self, file: TextIO) -> None:
        lines = _Lines(file)
        self._delimiter = _delimiter(self._path, lines.peek())
        records = self._checked(csv.reader(lines, delimiter=self._delimiter, strict=True))
        header = next(records, None)
        if header is None:
            raise FileError(f"{self._path} is empty. It needs a line of column names and rows.")
        self.names, self.unnamed = _column_names(header[1], self._path)
        lines.take()
        parsers = [_NumberParser() for _ in self.names]
        chunk: list[Sequence[str]] = []
        for line, record in records:
            self._records.append(lines.take())
            self._lines.append(line)
            self._check_width(record, line)
            chunk.append(record)
            if len(chunk) == _CHUNK_ROWS:
                _feed(parsers, chunk)
        _feed(parsers, chunk)
        pairs = zip(self.names, parsers, strict=True)
        self._numbers = {
            name: values for name, parser in pairs if (values := parser.result()) is not None
        }

    def _checked(self, reader: Any) -> Iterator[tuple[int, list[str]]]:
        """Records with the line that each begins in; blank lines are none."""
        while True:
            line = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise FileError(
                    f"{self._path}, line {line}: {error}. A cell that holds quotes must be in "
                    'quotes, with every quote doubled: "say ""hello""".'
                ) from error
            if record:
                yield line, record

    def _check_width(self, record: list[str], line: int) -> None:
        if len(record) != len(self.names):
            raise FileError(
                f"{self._path}, line {line}: {len(record)} cells, but there are "
                f"{len(self.names)} columns. A cell that holds a "
                f"{_NAMES[self._delimiter]} or a line end must be in quotes."
            )


class _Lines:
    """Hands out lines and remembers those taken since it was last asked."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._taken: list[str] = []
        self._ahead: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.pop() if self._ahead else next(self._file)
        if self._taken or line.strip("\r\n"):  # else a blank line between two records
            self._taken.append(line)
        return line

    def peek(self) -> str:
        line = next(self._file, "")
        if line:
            self._ahead.append(line)
        return line

    def take(self) -> str:
        text = "".join(self._taken)
        self._taken.clear()
        return text


class _NumberParser:
    """Reads one column as numbers until a cell turns out to be none."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float64]] | None = []

    def feed(self, cells: Sequence[str]) -> None:
        if self._parts is None:
            return
        values = _floats(cells)
        if values is None:  # try again with the gaps
            values = _floats(["nan" if cell.strip() in _MISSING else cell for cell in cells])
        if values is None or "_" in "".join(cells):  # 1_000 is Python's notation, nobody's number
            self._parts = None
        else:
            self._parts.append(values)

    def result(self) -> NDArray[np.float64] | None:
        if not self._parts:
            return None
        values = np.concatenate(self._parts)
        return None if np.isnan(values).all() else values


def _floats(cells: Sequence[str]) -> NDArray[np.float64] | None:
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        return None


def _feed(parsers: list[_NumberParser], chunk: list[Sequence[str]]) -> None:
    for parser, cells in zip(parsers, zip(*chunk, strict=True), strict=False):
        parser.feed(cells)
    chunk.clear()


_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}


def _delimiter(path: Path, header: str) -> str:
    """What separates the column names; spreadsheets in many languages write semicolons."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    outside = re.sub(r'"[^"]*"', "", header)
    return next((mark for mark in _NAMES if mark in outside), ",")


def _column_names(header: list[str], path: Path) -> tuple[list[str], frozenset[str]]:
    counted = [str(k) for k in range(len(header))]
    if header != counted and all(map(_is_number, header)):
        raise FileError(
            f"{path} begins with numbers ({', '.join(header[:3])}, ...), where column names "
            "are expected. Add a line of names, or save features alone as .npy."
        )
    names = [name.strip() or f"column {k}" for k, name in enumerate(header, start=1)]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FileError(f"{path} has two columns {name!r}. Rename one of them.")
        seen.add(name)
    unnamed = zip(names, header, strict=True)
    return names, frozenset(name for name, given in unnamed if not given.strip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
