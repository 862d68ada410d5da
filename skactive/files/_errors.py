"""What is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class FileError(ValueError):
    """A file cannot be read or written; the message names it, what was found and a remedy."""


def existing_file(path: Path, *, what: str = "file") -> Path:
    """The path of a file that is there."""
    if path.is_dir():
        raise FileError(f"{path} is a folder, must be a {what}. Name a file in it.")
    if not path.exists():
        raise FileError(f"{path} is not there. Check the spelling, and the current folder.")
    return path


def some(names: Any, limit: int = 8) -> str:
    """The first few of many names, quoted."""
    names = list(names)
    more = f", ... ({len(names)} in all)" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more
