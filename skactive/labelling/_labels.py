"""The labels that people choose from, and the keys that give them."""

from __future__ import annotations

import csv
import string
from collections.abc import Sequence
from typing import NamedTuple

SKIP, LATER, UNDO = "s", "l", "u"
_DIGITS = tuple(string.digits)


class Choice(NamedTuple):
    """A label and its keys; beyond some thirty labels there are none left."""

    label: str
    keys: tuple[str, ...]


def parse_labels(text: str) -> list[str]:
    """Labels from a comma-separated list, in which quotes protect commas.

    Raises
    ------
    ValueError
        If there are fewer than two, or one is empty or given twice.
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True)) if text else []
    except csv.Error as error:
        raise ValueError(f"labels cannot be read: {error}. Close each quote.") from error
    labels = [label.strip() for row in rows for label in row]
    return check_labels(labels)


def check_labels(labels: Sequence[str]) -> list[str]:
    """At least two different texts."""
    labels = list(labels)
    if any(not isinstance(label, str) or not label.strip() for label in labels):
        raise ValueError("labels must be texts that are not empty; got an empty one.")
    repeated = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if repeated:
        raise ValueError(f"labels must all differ; got {repeated[0][:80]!r} more than once.")
    if len(labels) < 2:
        raise ValueError(
            f"labels must be at least two; got {len(labels)}. Separate them by commas, "
            "for instance yes,no."
        )
    return labels


def assign_keys(labels: Sequence[str]) -> list[Choice]:
    """A digit for each of the first nine labels, and a letter for each while there are any.

    A label that is a digit has this one only, so that 3 never means the label 2. The letter is
    the label itself, else the first of its own that is free, else the first free one of all.
    """
    pairs = zip(labels, _digits(labels), _letters(labels), strict=True)
    return [Choice(label, tuple(key for key in keys if key)) for label, *keys in pairs]


def _digits(labels: Sequence[str]) -> list[str | None]:
    taken = {label for label in labels if label in _DIGITS}
    numbers = [str(place) if place <= 9 else None for place in range(1, len(labels) + 1)]
    return [
        label if label in taken else None if number in taken else number
        for label, number in zip(labels, numbers, strict=True)
    ]


def _letters(labels: Sequence[str]) -> list[str | None]:
    free = [letter for letter in string.ascii_lowercase if letter not in (SKIP, LATER, UNDO)]
    found: dict[str, str] = {}
    for wish in ("the label", "one of its letters", "any"):
        for label in labels:
            own = label.lower()
            if label in found or label in _DIGITS or (wish == "the label" and len(own) > 1):
                continue
            wanted = free if wish == "any" else own
            letter = next((letter for letter in wanted if letter in free), None)
            if letter is not None:
                free.remove(letter)
                found[label] = letter
    return [found.get(label) for label in labels]
