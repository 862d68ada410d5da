"""Files of text, whatever other programs have done to them."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import Any

from skactive.files._errors import FileError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BROKEN = re.compile("[\udc80-\udcff]")  # bytes that the encoding has no meaning for
WRONG_ENCODING = (
    "It holds bytes that are not of the encoding. Save the file as UTF-8, or name its encoding, "
    "for instance encoding='cp1252'."
)


def read_text(path: Any, encoding: str | None) -> str:
    """The whole file; `is_broken` finds what could not be decoded."""
    content = read_bytes(path)
    found = encoding or "utf-8"
    for mark, marked in _MARKS:
        if content.startswith(mark):
            content, found = content[len(mark) :], marked
            break
    try:
        if found == "utf-8":
            return content.decode(found, "surrogateescape")
        return content.decode(found, "replace").replace("\ufffd", "\udcff")
    except LookupError as error:
        raise ValueError(
            f"encoding == {encoding!r}, must be the name of an encoding that Python knows, for "
            "instance 'utf-8' or 'cp1252'."
        ) from error


def read_bytes(path: Any) -> bytes:
    """The whole file; FileError where there is none."""
    try:
        return Path(os.fspath(path)).read_bytes()
    except OSError as error:
        raise FileError(
            f"path == {str(path)!r} cannot be read: {error.strerror}. Correct the name."
        ) from error


def is_broken(text: str) -> bool:
    """Whether some of it could not be decoded."""
    return _BROKEN.search(text) is not None
