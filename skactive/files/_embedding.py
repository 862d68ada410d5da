"""Features that a transformer of the user's makes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive.files._errors import FileError
from skactive.files._features import Columns, Featurizer, GreyPixels, Words
from skactive.files._images import image_file
from skactive.files._tables import Table, check_column


class Embedded:
    """Features are what a transformer makes of texts, image files or numbers.

    Parameters
    ----------
    embedding : transformer, or str "module:name"
        Fitted to the pool, if it can be. It gets a list of texts, a list of paths of images, or
        an array of numbers, as `source` says.
    source : Featurizer
        What would make the features without it.
    """

    def __init__(self, embedding: Any, source: Featurizer) -> None:
        self.kind = source.kind
        self._name = embedding if isinstance(embedding, str) else type(embedding).__name__
        self._transformer = load(embedding) if isinstance(embedding, str) else embedding
        self._source = source
        self._is_fitted = False
        if not hasattr(self._transformer, "transform"):
            raise TypeError(
                f"embedding == {embedding!r}, must be a transformer: an object with the methods "
                "fit and transform, as scikit-learn's are."
            )

    @property
    def note(self) -> str:
        """What to say about the features."""
        return f"features: made by {self._name}"

    def __call__(self, table: Table, path: Path) -> NDArray[Any]:
        inputs = self._inputs(table, path)
        if not self._is_fitted and hasattr(self._transformer, "fit"):
            self._transformer.fit(inputs)
        self._is_fitted = True
        made = self._transformer.transform(inputs)
        X = np.asarray(made.toarray() if hasattr(made, "toarray") else made)
        if X.ndim != 2 or len(X) != len(table) or X.dtype.kind not in "fiub":
            raise FileError(
                f"{path}: embedding {self._name} must give a row of numbers for each of the "
                f"{len(table)} rows; got {X.dtype} of shape {X.shape}. Correct its transform."
            )
        return X if X.dtype in (np.float32, np.float64) else X.astype(np.float32)

    def _inputs(self, table: Table, path: Path) -> Any:
        if isinstance(self._source, Words):
            return table.cells(check_column(table, self._source.column, path))
        if isinstance(self._source, GreyPixels):
            folder = path if path.is_dir() else path.parent
            names = table.cells(check_column(table, self._source.column, path))
            return [image_file(folder, name) for name in names]
        assert isinstance(self._source, Columns)
        return self._source(table, path)


def load(name: str) -> Any:
    """The transformer at "module:name", or what a class or function of that name returns."""
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        raise FileError(
            f"embedding == {name!r}, must be MODULE:NAME, such as mine:embedding for the object "
            "`embedding` in mine.py of this folder."
        )
    before = sys.path[:]
    sys.path.insert(0, os.getcwd())  # an installed command does not look here
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as error:
        raise FileError(
            f"embedding == {name!r}: {error}. Check the spelling, the current folder, and what is "
            "installed."
        ) from error
    finally:
        sys.path[:] = before
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise FileError(f"embedding == {name!r}: there is no {part!r}. Check the spelling.")
        found = getattr(found, part)
    makes_one = isinstance(found, type) or not hasattr(found, "transform")
    factory: Callable[[], Any] = found
    return factory() if makes_one and callable(found) else found
