"""What is left of a damaged SQLite file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Table

from skactive.exceptions import JournalError
from skactive.journal._events import Row
from skactive.journal._pages import Pages, Record
from skactive.journal._schema import metadata
from skactive.journal._values import from_text

_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("content", "measures", "name", "label", "details"), from_text),
    **dict.fromkeys(("created_at", "asked_at", "answered_at"), datetime.fromisoformat),
    "dtype": np.dtype,
}


def salvage(path: Path) -> dict[str, list[Row]]:
    """Rows that can be read, of each table, under its name without the prefix.

    A row is never changed once it is written, so that any image of a page serves, however old. To
    which table it belongs shows in the kinds of its columns.
    """
    found: dict[str, dict[Any, Row]] = {name: {} for name in metadata.tables}
    for record in Pages(path).records():
        for table in metadata.sorted_tables:
            row = _row(record, table)
            if row is not None:
                key = tuple(row[column.name] for column in table.primary_key)
                found[table.name].setdefault(key, row)
    if not any(found.values()):
        raise JournalError(
            f"journal == {str(path)!r}: nothing in it can be read. Look for a copy of the file."
        )
    return {
        name.removeprefix("skactive_"): [rows[key] for key in sorted(rows)]
        for name, rows in found.items()
    }


def _row(record: Record, table: Table) -> Row | None:
    """The record as a row of this table; None if it cannot be one."""
    columns = list(table.columns)
    if len(record.values) != len(columns):
        return None
    row = {}
    for column, value in zip(columns, record.values, strict=True):
        kind = column.type.python_type
        if value is None and not column.nullable:
            # SQLite keeps a primary key that is an INTEGER as the number of the row.
            value = record.rowid if [*table.primary_key] == [column] else None
        if kind is float and isinstance(value, int):  # which takes less space
            value = float(value)
        if value is None and not column.nullable:
            return None
        if value is not None and not (isinstance(value, kind) and _is_readable(column.name, value)):
            return None
        row[column.name] = value
    return row


def _is_readable(name: str, value: Any) -> bool:
    try:
        _READERS.get(name, str)(value)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        return False
    return True
