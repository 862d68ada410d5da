"""Reads a pool from a file or a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.files._arrays import ARRAY_SUFFIXES, read_features
from skactive.files._embedding import Embedded
from skactive.files._errors import FileError
from skactive.files._features import (
    Columns,
    Featurizer,
    GreyPixels,
    Words,
    choose_columns,
    pixel_note,
    words_note,
)
from skactive.files._images import image_file
from skactive.files._opening import OpenTable, open_table
from skactive.files._pool import PoolFile
from skactive.files._tables import check_column, read_ids

__all__ = ["read_pool"]


def read_pool(
    path: str | os.PathLike[str],
    *,
    features: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    id_column: str | None = None,
    text_column: str | None = None,
    image_column: str | None = None,
    embedding: Any = None,
    ignore: Sequence[str] = (),
) -> PoolFile:
    """Read a pool of rows.

    Parameters
    ----------
    path : path
        ``.npy`` or ``.npz`` (an array of features, and with it ``ids``), ``.csv`` (UTF-8; commas,
        semicolons or tabs between cells), ``.tsv`` or ``.parquet`` (needs
        ``pip install "skactive[files]"``) with column names, ``.txt`` (one text a line), or a
        folder of images (needs ``pip install "skactive[images]"`` unless `features` are given).
    features : path or None, default=None
        ``.npy`` or ``.npz`` with the features of the rows of `path`, in the same order. None
        takes `columns`, else the words of `text_column` (TF-IDF, reduced to 100 dimensions), else
        all columns of numbers, else the words of the one column of texts, else grey pixels.
    columns : list of str or None, default=None
        Columns whose numbers are the features.
    id_column : str or None, default=None
        Column of ids, unique ints or texts. None takes a column named "id", else positions.
    text_column : str or None, default=None
        Column of texts that a person reads.
    image_column : str or None, default=None
        Column of image files, relative to the folder of `path` and inside it.
    embedding : transformer, str or None, default=None
        Makes the features of the texts of `text_column` (which it gets as a list), of images (a
        list of paths), or of the numbers of columns, in place of TF-IDF, pixels and the numbers
        themselves. A str "module:name" names an importable transformer, or a class or function
        that gives one. It is fitted to the pool if it has a method ``fit``.
    ignore : list of str, default=()
        Columns that must not become features by themselves, such as labels.

    Returns
    -------
    pool : PoolFile
        The rows.

    Raises
    ------
    FileError
        If a file cannot be read, with its name, what was found and what to try.
    ImportError
        If a package is missing, with the command that installs it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skactive.files import read_pool
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "pool.csv")
    ...     _ = path.write_text("id,name,height\\n007,Ann,1.5\\n008,Bob,1.75\\n")
    ...     pool = read_pool(path)
    >>> pool.ids.tolist(), pool.X.tolist(), pool.shown(1)
    (['007', '008'], [[1.5], [1.75]], {'id': '008', 'name': 'Bob', 'height': '1.75'})
    """
    path = Path(path)
    named = [name for name in (id_column, text_column, image_column) if name is not None]
    own = None if features is None else read_features(Path(features))[0]
    if path.suffix.lower() in ARRAY_SUFFIXES and not path.is_dir():
        return _array_pool(path, features, [*named, *ignore, *(columns or ())], embedding)
    opened = open_table(path)
    for name in (*named, *ignore):
        check_column(opened.table, name, path)
    opened.id_column = id_column or opened.id_column
    opened.text_column = text_column or opened.text_column
    opened.image_column = image_column or opened.image_column
    if own is not None:
        _refuse_both(embedding, features)
        _check_length(own, len(opened.table), features, path)
        return _table_pool(path, opened, None, own)
    featurizer, notes = _choose(opened, path, columns, text_column, ignore)
    if embedding is not None:
        featurizer = embedded = Embedded(embedding, featurizer)
        notes = [embedded.note]
    opened.notes += notes
    return _table_pool(path, opened, featurizer, featurizer(opened.table, path))


def _choose(
    opened: OpenTable,
    path: Path,
    columns: Sequence[str] | None,
    text_column: str | None,
    ignore: Sequence[str],
) -> tuple[Featurizer, list[str]]:
    """What makes the features: what the caller names, else what the table offers."""
    if columns is not None:
        if not columns:
            raise FileError(f"columns is empty, must name columns of {path}.")
        return Columns(list(columns)), []
    if opened.image_column is not None and text_column is None:
        return GreyPixels(opened.image_column), [pixel_note()]
    if opened.text_column is not None:
        return Words(opened.text_column), [words_note(opened.text_column)]
    return choose_columns(opened.table, path, {opened.id_column, *ignore})


def _table_pool(
    path: Path, opened: OpenTable, featurizer: Featurizer | None, X: NDArray[Any]
) -> PoolFile:
    table, ids = opened.table, opened.ids
    if opened.id_column is not None:
        ids = read_ids(table, opened.id_column, path)
    elif ids is None:
        ids = np.arange(len(table))
    if opened.image_column is not None:
        folder = path if path.is_dir() else path.parent
        for name in table.cells(opened.image_column):
            image_file(folder, name)
        kind = "images"
    elif opened.text_column is not None:
        kind = "text"
    else:
        kind = "table" if featurizer is None else featurizer.kind
    return PoolFile(
        path=path,
        ids=ids,
        X=X,
        kind=kind,
        columns=list(table.names),
        notes=opened.notes,
        _table=table,
        _image_column=opened.image_column,
        _featurizer=featurizer,
    )


def _array_pool(path: Path, features: Any, named: Sequence[str], embedding: Any) -> PoolFile:
    _refuse_both(embedding, path)
    if features is not None:
        raise FileError(f"{path} holds features already. Leave out {features}.")
    if named:
        raise FileError(f"{path} has no columns with names, so no column {named[0]!r}.")
    X, ids = read_features(path)
    return PoolFile(
        path=path,
        ids=np.arange(len(X)) if ids is None else ids,
        X=X,
        kind="table",
        columns=[],
        notes=[],
        _table=None,
        _image_column=None,
        _featurizer=None,
    )


def _refuse_both(embedding: Any, features: Any) -> None:
    if embedding is not None:
        raise FileError(
            f"{features} holds features already, so embedding == {embedding!r} has nothing to "
            "make. Leave one of them out."
        )


def _check_length(X: NDArray[Any], n_rows: int, features: Any, path: Path) -> None:
    if len(X) != n_rows:
        raise FileError(
            f"{features} has {len(X)} rows, but {path} has {n_rows}. Make features of the same "
            "rows, in the same order."
        )
