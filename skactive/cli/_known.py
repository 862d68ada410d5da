"""Rows of a pool that have a label already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.files import FileError, PoolFile
from skactive.files._arrays import read_array
from skactive.files._opening import open_table
from skactive.files._tables import Table
from skactive.files._text import opened

_LABEL = "label"
_NO_LABELS: Iterable[None] = repeat(None)


@dataclass(frozen=True)
class KnownRows:
    """Positions of labeled rows, and their labels where the file has them."""

    positions: NDArray[np.int64]
    labels: list[str] | None


def known_from_column(pool: PoolFile, column: str) -> KnownRows:
    """Rows of the pool with something in a column."""
    cells = pool.column(column)
    positions = np.array([i for i, cell in enumerate(cells) if cell.strip()], dtype=np.int64)
    return KnownRows(positions, [cells[i] for i in positions])


def known_from_file(pool: PoolFile, path: Path, id_column: str | None) -> KnownRows:
    """Rows that another file names by their ids, for instance the picks of an earlier run."""
    ids, labels = _read(path, id_column, len(pool))
    position_of = {str(value): i for i, value in enumerate(pool.ids)}
    found: dict[int, str | None] = {}
    for value, label in zip(
        ids, _NO_LABELS if labels is None else labels, strict=labels is not None
    ):
        if value not in position_of:
            raise FileError(
                f"{path} names the id {value!r}, which {pool.path} does not have. Ids there are "
                f"such as {str(pool.ids[0])!r}."
            )
        if found.setdefault(position_of[value], label) != label:
            raise FileError(f"{path} has two labels for the id {value!r}. Keep one.")
    known = [label for label in found.values() if label is not None]
    return KnownRows(np.array(list(found), dtype=np.int64), known if labels is not None else None)


def label_array(
    positions: NDArray[np.int64], labels: Sequence[str], n_samples: int, path: Any
) -> NDArray[Any]:
    """Labels for a selector: (n_samples,), of which only those at known rows mean anything."""
    for position, label in zip(positions, labels, strict=True):
        if not label.strip():
            raise FileError(f"{path} has no label for the row at position {position}. Drop it.")
    known = _typed(labels)
    y = np.full(n_samples, known[0], dtype=known.dtype)
    y[positions] = known
    return y


def _typed(labels: Sequence[str]) -> NDArray[Any]:
    """Classes as ints where all are, numbers as floats, else texts."""
    for kind in (np.int64, np.float64):
        try:
            return np.array([kind(label) for label in labels])
        except (ValueError, OverflowError):
            continue
    return np.array(labels, dtype=np.str_)


def _read(path: Path, id_column: str | None, n_samples: int) -> tuple[list[str], list[str] | None]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _array_ids(read_array(path), path, n_samples), None
    if suffix in (".json", ".jsonl"):
        return _json_ids(path, id_column or "id", by_line=suffix == ".jsonl")
    table = open_table(path).table
    labels = table.cells(_LABEL) if _LABEL in table.names else None
    return table.cells(_id_column(table, path, id_column)), labels


def _id_column(table: Table, path: Path, id_column: str | None) -> str:
    names = [name for name in (id_column, "id") if name in table.names]
    if not names and len(table.names) > 1:
        raise FileError(f"{path} has no column {id_column or 'id'!r} that names rows by their ids.")
    return names[0] if names else table.names[0]


def _array_ids(array: NDArray[Any], path: Path, n_samples: int) -> list[str]:
    if array.dtype == bool:
        if array.shape != (n_samples,):
            raise FileError(
                f"{path} is a mask of shape {array.shape}, must be ({n_samples},), as the pool."
            )
        return [str(i) for i in np.flatnonzero(array)]
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise FileError(
            f"{path} must hold ids, or a mask, in one dimension; got shape {array.shape}, type "
            f"{array.dtype}."
        )
    return [str(value) for value in array]


def _json_ids(path: Path, key: str, *, by_line: bool) -> tuple[list[str], list[str] | None]:
    try:
        with opened(path) as file:
            rows = [json.loads(line) for line in file] if by_line else json.load(file)
    except json.JSONDecodeError as error:
        raise FileError(f"{path} is no JSON: {error}. Save it again.") from error
    is_list = isinstance(rows, list)
    if is_list and all(isinstance(row, (str, int)) for row in rows):
        return [str(row) for row in rows], None
    if not is_list or not all(isinstance(row, dict) and key in row for row in rows):
        raise FileError(f"{path} must be an array of ids, or of objects with {key!r}.")
    has_labels = bool(rows) and all(_LABEL in row for row in rows)
    return [str(row[key]) for row in rows], (
        ["" if row[_LABEL] is None else str(row[_LABEL]) for row in rows] if has_labels else None
    )
