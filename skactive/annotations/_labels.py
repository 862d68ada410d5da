"""Labels as other programs write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from skactive._answers import DONT_KNOW
from skactive._replies import plain_value

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class LabelReader:
    """Turns texts into labels.

    Parameters
    ----------
    labels : sequence or None
        The labels allowed, of the type they are to have; None allows any.
    numeric : bool
        Whether labels are numbers; only without `labels`.
    dont_know : str or None
        What says that nobody can label the row.
    """

    def __init__(
        self, labels: Sequence[Any] | None, numeric: bool = False, dont_know: str | None = "?"
    ) -> None:
        self.labels = None if labels is None else check_labels(labels, dont_know)
        self._by_text = {str(label): label for label in self.labels or ()}
        self._by_bare_text: dict[str, list[Any]] = {}
        for text, label in self._by_text.items():
            self._by_bare_text.setdefault(_bare(text), []).append(label)
        self._numeric = numeric
        self._dont_know = dont_know

    def of_text(self, text: str) -> Any:
        """The label that a text stands for; ValueError says why it stands for none."""
        if self._dont_know is not None and text.strip() == self._dont_know.strip():
            return DONT_KNOW
        if self.labels is not None:
            return self._known(text)
        return _number(text) if self._numeric else text

    def of_number(self, number: Any) -> Any:
        """The label that a number of a file stands for; ValueError says why it stands for none."""
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{number!r} is no number")
        if not math.isfinite(number):
            raise ValueError(f"{number!r} is not finite")
        if self.labels is None:
            return number
        if number in self.labels:
            return self.labels[self.labels.index(number)]
        return self._known(str(int(number)) if float(number).is_integer() else str(number))

    def _known(self, text: str) -> Any:
        if text in self._by_text:
            return self._by_text[text]
        close = self._by_bare_text.get(_bare(text), [])  # sheets write true as TRUE
        if len(close) == 1:
            return close[0]
        raise ValueError(f"{text!r} is none of the labels {', '.join(map(repr, self._by_text))}")


def check_labels(labels: Sequence[Any], dont_know: str | None) -> list[Any]:
    """Labels that differ from each other as texts."""
    if isinstance(labels, str):
        raise TypeError(
            f"labels == {labels!r} is a text, must be a list of labels. Pass [{labels!r}]."
        )
    values = [plain_value(label) for label in labels]
    texts = [str(value) for value in values]
    if not values or len(set(texts)) < len(texts):
        raise ValueError(
            f"labels == {values!r}, must be one or more labels that differ as texts. Leave "
            "repeated ones out."
        )
    if "" in texts or any(not text.strip() for text in texts):
        raise ValueError(
            f"labels == {values!r}, must not be empty or blank, which other programs take for no "
            "label. Give it a name, for instance 'none'."
        )
    if dont_know is not None and dont_know.strip() in [text.strip() for text in texts]:
        raise ValueError(
            f"dont_know == {dont_know!r} is also one of the labels. Choose another word, or None."
        )
    return values


def _number(text: str) -> int | float:
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped) and len(stripped) < 300:
        return int(stripped)
    number = float(stripped) if _NUMBER.fullmatch(stripped) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is no number, such as 3 or -2.5")
    return number


def _bare(text: str) -> str:
    return text.strip().casefold()
