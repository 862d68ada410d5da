"""Pools of rows, with what a person sees of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from skactive.files._arrays import ARRAY_SUFFIXES, read_features
from skactive.files._errors import FileError
from skactive.files._features import Featurizer
from skactive.files._images import image_file
from skactive.files._opening import open_table
from skactive.files._tables import Table, check_column

__all__ = ["PoolFile"]


@dataclass(frozen=True, eq=False)
class PoolFile:
    """A pool read from a file: features for a selector, texts and images for a person.

    Made by :func:`~skactive.files.read_pool`.

    Attributes
    ----------
    path : Path
        The file or the folder.
    ids : ndarray of shape (n_samples,)
        Unique ints or texts; positions from 0 where the file names none.
    X : ndarray of shape (n_samples, n_features)
        Features, float32 or float64; a memory map where the file is a ``.npy`` file of floats.
    kind : {"table", "text", "images"}
        What the rows are for a person.
    columns : list of str
        Names of the columns of a table.
    notes : list of str
        What was used as features, and what was not: to be told to the person who called.
    """

    path: Path
    ids: NDArray[Any]
    X: NDArray[Any]
    kind: str
    columns: list[str]
    notes: list[str]
    _table: Table | None = field(repr=False)
    _image_column: str | None = field(repr=False)
    _featurizer: Featurizer | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def shown(self, i: int) -> dict[str, str]:
        """Row `i` as a person sees it.

        Parameters
        ----------
        i : int
            Position of the row.

        Returns
        -------
        cells : dict of str to str
            The columns of a table as they are in the file, texts in full; for an array the id.
        """
        if self._table is None:
            return {"id": str(self.ids[i])}
        return self._table.row(i)

    def image(self, i: int) -> Path | None:
        """The image file of row `i`.

        Parameters
        ----------
        i : int
            Position of the row.

        Returns
        -------
        path : Path or None
            Inside the folder of the pool, links followed; None for rows that are no images.

        Raises
        ------
        FileError
            If the file is no longer there, or a link leads out of the folder.
        """
        if self._table is None or self._image_column is None:
            return None
        folder = self.path if self.path.is_dir() else self.path.parent
        return image_file(folder, self._table.row(i)[self._image_column])

    def column(self, name: str) -> list[str]:
        """One column of a table as texts, "" where a cell is empty.

        Parameters
        ----------
        name : str
            One of `columns`.

        Returns
        -------
        cells : list of str of length n_samples
            What the file says.

        Raises
        ------
        FileError
            If there is no such column.
        """
        if self._table is None:
            raise FileError(f"{self.path} has no columns with names, so no column {name!r}.")
        return self._table.cells(check_column(self._table, name, self.path))

    def read_like(self, path: str | os.PathLike[str]) -> NDArray[Any]:
        """Features of another file, made as those of the pool were.

        Parameters
        ----------
        path : path
            ``.npy`` or ``.npz``, or a file with the columns that the pool's features come from.

        Returns
        -------
        X : ndarray of shape (n_rows, n_features)
            As wide as the pool's.

        Raises
        ------
        FileError
            If the file cannot be read so.
        """
        other = Path(path)
        if other.suffix.lower() in ARRAY_SUFFIXES:
            X, _ = read_features(other)
        elif self._featurizer is None:
            raise FileError(
                f"{other} must be {' or '.join(ARRAY_SUFFIXES)}, as the features of the pool are."
            )
        else:
            X = self._featurizer(open_table(other).table, other)
        if X.shape[1] != self.X.shape[1]:
            raise FileError(
                f"{other} has {X.shape[1]} features, but the pool has {self.X.shape[1]}. Make "
                "them in the same way."
            )
        return X
