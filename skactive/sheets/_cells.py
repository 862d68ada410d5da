"""Texts in cells that spreadsheet programs would otherwise compute."""

from __future__ import annotations

import re

ID, LABEL, ANNOTATOR = "id", "label", "annotator"

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


def guarded(text: str) -> str:
    """The text with an apostrophe in front where a program may take it for a formula."""
    if _NUMBER.fullmatch(text) or not _FORMULA.match(text):
        return text
    return "'" + text


def unguarded(text: str) -> str:
    """What `guarded` was given; other texts as they are."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
