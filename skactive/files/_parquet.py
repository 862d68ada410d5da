"""Tables in Parquet files, read and written by pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive._extras import require
from skactive.files._errors import FileError, existing_file

_PURPOSE = "A Parquet file"


class ParquetTable:
    """A table read from a Parquet file; a column of lists of numbers counts as many features."""

    def __init__(self, path: Path) -> None:
        existing_file(path)
        self._arrow = require("pyarrow", "files", _PURPOSE)
        parquet = require("pyarrow.parquet", "files", _PURPOSE)
        try:
            # One file, whatever the names of the folders around it may say.
            self._table = parquet.ParquetFile(path).read()
        except (self._arrow.ArrowException, OSError) as error:
            raise FileError(f"{path} cannot be read as Parquet: {error}. Save it again.") from error
        self.names: list[str] = self._table.column_names
        if len(set(self.names)) < len(self.names):
            raise FileError(f"{path} has two columns of the same name. Rename one of them.")
        self.unnamed = frozenset(name for name in self.names if name.startswith("__index_level_"))
        if len(self) == 0:
            raise FileError(f"{path} has no rows.")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def cells(self, name: str) -> list[str]:
        return [_text(value) for value in self._table.column(name)]

    def numbers(self, name: str) -> NDArray[Any] | None:
        column, types = self._table.column(name), self._arrow.types
        kind = column.type
        if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            return self._vectors(column)
        if types.is_decimal(kind):
            column = column.cast(self._arrow.float64())
        elif not (types.is_integer(kind) or types.is_floating(kind)):
            return None
        values = column.to_numpy(zero_copy_only=False)
        if len(values) == column.null_count:
            return None
        small = values.dtype in (np.float16, np.float32)
        return np.asarray(values, dtype=np.float32 if small else np.float64)

    def row(self, i: int) -> dict[str, str]:
        return {
            name: _text(self._table.column(name)[i])
            for name in self.names
            if not self.is_nested(name)
        }

    def is_nested(self, name: str) -> bool:
        """Whether a column holds lists or more, which are no texts for a person."""
        return bool(self._arrow.types.is_nested(self._table.schema.field(name).type))

    def place(self, i: int) -> str:
        return f"row {i}"

    def _vectors(self, column: Any) -> NDArray[Any] | None:
        """Lists of numbers of one length, as (n, k)."""
        types, kind = self._arrow.types, column.type.value_type
        if column.null_count or not (types.is_integer(kind) or types.is_floating(kind)):
            return None
        values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
        lengths = {len(value) for value in column}
        if len(lengths) != 1 or len(values) == 0:
            return None
        small = values.dtype in (np.float16, np.float32)
        values = np.asarray(values, dtype=np.float32 if small else np.float64)
        return values.reshape(len(column), -1)


def _text(scalar: Any) -> str:
    value = scalar.as_py()
    if value is None:
        return ""
    if isinstance(value, float):
        # Shortest in its own precision: 0.1, not 0.10000000149011612.
        return str(scalar.type.to_pandas_dtype()(value))
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value)


def write_parquet(columns: dict[str, list[Any]], path: Path) -> None:
    """Columns of plain Python values."""
    arrow = require("pyarrow", "files", _PURPOSE)
    parquet = require("pyarrow.parquet", "files", _PURPOSE)
    try:
        table = arrow.table(columns)
    except arrow.ArrowException as error:
        raise FileError(f"{path}: {error}. A column of Parquet holds one type.") from error
    parquet.write_table(table, path)
