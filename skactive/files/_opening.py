"""Opens what is a table in some way: text files, Parquet, folders of images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.files._delimited import DelimitedTable
from skactive.files._errors import FileError
from skactive.files._images import find_images
from skactive.files._parquet import ParquetTable
from skactive.files._tables import Table, TextColumns
from skactive.files._text import read_lines

_ALLOWED = ".npy, .npz, .csv, .tsv, .parquet, .txt or a folder of images"


@dataclass
class OpenTable:
    """A table and what its kind of file says about its columns."""

    table: Table
    ids: NDArray[Any] | None = None
    id_column: str | None = None
    text_column: str | None = None
    image_column: str | None = None
    notes: list[str] = field(default_factory=list)


def open_table(path: Path) -> OpenTable:
    """Read a file by its ending, a folder as images."""
    if path.is_dir():
        return _open_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".txt":
        return _open_lines(path)
    if suffix not in (".csv", ".tsv", ".parquet", ".pq"):
        if not path.exists():
            raise FileError(f"{path} is not there. Check the spelling, and the current folder.")
        raise FileError(f"{path} ends in {suffix!r}, must be {_ALLOWED}. Convert it.")
    is_text = suffix in (".csv", ".tsv")
    table: Table = DelimitedTable(path) if is_text else ParquetTable(path)
    return OpenTable(table, id_column="id" if "id" in table.names else None)


def _open_folder(path: Path) -> OpenTable:
    names, n_others = find_images(path)
    notes = [f"{n_others} file(s) in {path} that are no images are left out"] if n_others else []
    table = TextColumns({"file": names}, "image")
    return OpenTable(table, id_column="file", image_column="file", notes=notes)


def _open_lines(path: Path) -> OpenTable:
    lines = read_lines(path)
    kept = [i for i, line in enumerate(lines) if line.strip()]
    if not kept:
        raise FileError(f"{path} is empty. It needs one text a line.")
    n_blank = len(lines) - len(kept)
    notes = [f"{n_blank} blank line(s) are left out; ids count them"] if n_blank else []
    table = TextColumns({"text": [lines[i] for i in kept]}, "text")
    return OpenTable(table, ids=np.array(kept), text_column="text", notes=notes)
