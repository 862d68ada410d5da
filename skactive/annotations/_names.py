"""Names of rows in files that other programs read and write."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from skactive._replies import plain_value
from skactive.journal._values import from_text, to_text

_LARGEST = 2**53 - 1  # JavaScript rounds larger integers
_TAG = "$"


def name_to_json(name: Any) -> Any:
    """A JSON value that `name_of_json` turns back into the name."""
    value = plain_value(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        return {_TAG: "int", "value": hex(value)}
    if isinstance(value, str) and "\0" in value:  # PostgreSQL refuses it inside JSON
        return {_TAG: "str", "value": base64.b64encode(value.encode("utf-8")).decode("ascii")}
    return json.loads(to_text(value, "ids"))


def name_of_json(value: Any) -> Any:
    """The name that was written; ValueError for what can be none."""
    try:
        name = from_text(json.dumps(value, allow_nan=False))
        hash(name)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{value!r} is no name of a row") from error
    if name is None:
        raise ValueError("null is no name of a row")
    return name


def name_to_text(name: Any) -> str:
    """A name in a cell of a sheet."""
    value = plain_value(name)
    return value if isinstance(value, str) else to_text(value, "ids")


class Names:
    """Finds rows by what a file calls them.

    Parameters
    ----------
    ids : iterable or None
        The rows that may be named. None takes any name as it is.
    """

    def __init__(self, ids: Iterable[Any] | None) -> None:
        self.known: list[Any] | None = None if ids is None else [plain_value(i) for i in ids]
        self._by_value = {_key(name): name for name in self.known or ()}
        self._by_text: dict[str, list[Any]] = {}
        for name in self.known or ():
            self._by_text.setdefault(name_to_text(name), []).append(name)

    def find(self, name: Any) -> Any:
        """The row of this name; LookupError says what is wrong with it.

        Where no name is equal, one that is written the same way will do: programs turn numbers
        into text and back.
        """
        if self.known is None:
            return name
        if _key(name) in self._by_value:
            return self._by_value[_key(name)]
        same_text = self._by_text.get(name_to_text(name), [])
        if len(same_text) == 1:
            return same_text[0]
        raise LookupError(f"{name!r} is not among the rows asked{self._hint(name)}")

    def _hint(self, name: Any) -> str:
        """What a spreadsheet may have made of a name."""
        text = name_to_text(name).strip()
        close = [k for known, (k, *_) in self._by_text.items() if _bare(known) == _bare(text)]
        if len(close) == 1:
            return f"; {close[0]!r} is, which another program may have changed to it"
        return ""


def _key(name: Any) -> tuple[type | None, Any]:
    return bool if isinstance(name, bool) else None, name


def _bare(text: str) -> str:
    return text.strip().casefold().lstrip("0")
