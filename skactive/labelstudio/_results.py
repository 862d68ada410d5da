"""The label inside an annotation of Label Studio."""

from __future__ import annotations

from typing import Any

from skactive._answers import DONT_KNOW
from skactive.annotations._labels import LabelReader


class ResultError(ValueError):
    """An annotation without a label, and why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ResultReader:
    """Reads the value of one control tag.

    Parameters
    ----------
    control : str
        Its name.
    labels : LabelReader
    multiple : bool
        Whether several labels may be chosen.
    """

    def __init__(self, control: str, labels: LabelReader, multiple: bool) -> None:
        self.control = control
        self.labels = labels
        self._multiple = multiple

    def of_results(self, results: Any) -> Any:
        """The label that the list of results of an annotation holds."""
        if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
            raise ResultError(
                "malformed", f"The result must be a list of objects; got {results!r}."
            )
        if not results:
            raise ResultError("empty", "It was submitted without a label.")
        own = [entry for entry in results if entry.get("from_name") == self.control]
        if not own:
            names = sorted({str(entry.get("from_name")) for entry in results})
            raise ResultError(
                "malformed",
                f"It has no result of {self.control!r}, but of {', '.join(map(repr, names))}. "
                "Name the right one by control=.",
            )
        if len(own) > 1:
            raise ResultError("several labels", f"It has {len(own)} results of {self.control!r}.")
        return self.of_value(own[0].get("value"))

    def of_value(self, value: Any) -> Any:
        """The label that a value holds: a choice, several, or a number."""
        if isinstance(value, list) and len(value) == 1:  # JSON-MIN has numbers so
            return self.of_value(value[0])
        if isinstance(value, dict) and "number" in value:
            return self._checked(self.labels.of_number, value["number"])
        if isinstance(value, dict):
            value = value.get("choices")
        choices = [value] if isinstance(value, str) else value
        if not isinstance(choices, list) or not all(isinstance(entry, str) for entry in choices):
            raise ResultError("malformed", f"The value must be choices or a number; got {value!r}.")
        if not choices:
            raise ResultError("empty", "It was submitted without a label.")
        labels = [self._checked(self.labels.of_text, choice) for choice in choices]
        if DONT_KNOW in labels and len(labels) == 1:
            return DONT_KNOW
        if DONT_KNOW in labels or (len(labels) > 1 and not self._multiple):
            raise ResultError(
                "several labels", f"It has {len(choices)} choices, must have one: {choices!r}."
            )
        return tuple(labels) if self._multiple else labels[0]

    def _checked(self, read: Any, value: Any) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise ResultError("unknown label", f"{error}.") from error
