"""Tasks of a JSON file, also of one that is damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from skactive.annotations._decoding import WRONG_ENCODING, is_broken
from skactive.annotations._records import Unused

_BETWEEN = re.compile(r"[\s,]*")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; where damage has joined two into one, keys are there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("A key is repeated within an object.")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def read_items(text: str) -> Iterator[tuple[str, Any]]:
    """Each task or record with its place; an Unused instead of what cannot be read.

    A list, one object, and objects one after another (as in JSON lines) are read.
    """
    if not is_broken(text):
        try:
            whole = _DECODER.decode(text)
        except (ValueError, RecursionError):
            pass  # damaged, or more than one object: read piece by piece below
        else:
            items = whole if isinstance(whole, list) else [whole]
            yield from ((f"task {n}", item) for n, item in enumerate(items, start=1))
            return
    yield from _read_pieces(text)


def _read_pieces(text: str) -> Iterator[tuple[str, Any]]:
    in_list, at, n = False, 0, 0
    while True:
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if text.startswith("]" if in_list else "[", at):
            in_list, at = not in_list, at + 1
            continue
        if at >= len(text):
            break
        n += 1
        place = f"task {n}"
        try:
            item, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            end = _next_task(text, at)
            yield place, _damaged(text[at:end], place, str(error))
        else:
            piece = text[at:end]
            yield place, _damaged(piece, place, WRONG_ENCODING) if is_broken(piece) else item
        at = end
    if in_list:
        yield "end", _damaged("", "end", "The list of tasks has no end.")


def _next_task(text: str, at: int) -> int:
    """Where the next whole task begins after damage."""
    while (at := text.find("{", at + 1)) >= 0:
        try:
            item, _ = _DECODER.raw_decode(text, at)
        except RecursionError:
            break
        except ValueError:
            continue
        if _is_task(item):
            return at
    return len(text)


def _is_task(item: Any) -> bool:
    """Parts of tasks are no tasks."""
    if isinstance(item.get("data"), dict):
        return "annotations" in item or "id" in item
    return "annotation_id" in item


def _damaged(piece: str, place: str, error: str) -> Unused:
    message = f"The file is damaged here: {error} Export it again, or repair it by hand."
    return Unused("damaged", message, place=place, content=piece)
