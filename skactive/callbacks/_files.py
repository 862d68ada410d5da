"""Files that callbacks write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


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
