"""Files that are always whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


def check_path(path: Any) -> Path:
    """A file to be written, in a folder that is there."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path == {path!r}, must be a str or a Path, the file to write.")
    checked = Path(os.fspath(path))
    if checked.is_dir():
        raise ValueError(f"path == {path!r} is a folder, must be a file. Add a file name.")
    if not checked.parent.is_dir():
        raise FileNotFoundError(
            f"path == {path!r}, but there is no folder {str(checked.parent)!r}. Make it first."
        )
    return checked


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of another one when all of it is written."""
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with open(unfinished, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
