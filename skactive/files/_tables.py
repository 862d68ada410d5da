"""What all kinds of tables have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skactive.files._errors import FileError, some


class Table(Protocol):
    """Rows of named columns."""

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        ...

    @property
    def unnamed(self) -> frozenset[str]:
        """Columns without a name of their own: an index, most of the time."""
        ...

    def __len__(self) -> int: ...

    def cells(self, name: str) -> list[str]:
        """The texts of one column, "" where there is none."""
        ...

    def numbers(self, name: str) -> NDArray[Any] | None:
        """One column as (n,) or (n, k) floats, NaN where there is none; None if it is text."""
        ...

    def row(self, i: int) -> dict[str, str]:
        """One row as a person sees it."""
        ...

    def place(self, i: int) -> str:
        """Where in the file row i is."""
        ...


@dataclass(frozen=True)
class TextColumns:
    """A table of texts only, in memory."""

    columns: dict[str, list[str]]
    what: str
    """What one row is: "image", for instance."""
    unnamed: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def cells(self, name: str) -> list[str]:
        return self.columns[name]

    def numbers(self, name: str) -> None:
        return None

    def row(self, i: int) -> dict[str, str]:
        return {name: cells[i] for name, cells in self.columns.items()}

    def place(self, i: int) -> str:
        return f"{self.what} {i + 1}"


def check_column(table: Table, name: str, path: Any) -> str:
    """The name of a column that the table has."""
    if name not in table.names:
        raise FileError(f"{path} has no column {name!r}; it has {some(table.names, 30)}.")
    return name


_LONGEST_ID = 1000
_LARGEST = np.iinfo(np.int64).max


def read_ids(table: Table, name: str, path: Any) -> NDArray[Any]:
    """A column of unique ids: ints where all are written as Python would, else texts."""
    ids = table.cells(name)
    first: dict[str, int] = {}
    for i, value in enumerate(ids):
        where = f"{path}, {table.place(i)}: column {name!r}"
        if not value:
            raise FileError(f"{where} is empty, but an id is needed in every row.")
        if len(value) > _LONGEST_ID or "\0" in value:
            raise FileError(
                f"{where} is no id: it is longer than {_LONGEST_ID} characters or holds a NUL. "
                "Name another column of ids."
            )
        if first.setdefault(value, i) != i:
            raise FileError(
                f"{where} holds {value!r}, as does {table.place(first[value])}. Ids must be "
                "unique: name another column, or rename this one to use the row numbers."
            )
    if ids and all(map(_is_plain_int, ids)):
        return np.array([int(value) for value in ids], dtype=np.int64)
    return np.array(ids, dtype=np.str_)


def _is_plain_int(text: str) -> bool:
    # "007" and "+7" are codes, not numbers, and must come out as they went in.
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return False
    return str(int(text)) == text and abs(int(text)) <= _LARGEST
