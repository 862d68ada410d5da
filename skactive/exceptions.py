"""Errors and warnings that a caller may want to catch."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BudgetWarning",
    "ColdStartWarning",
    "JournalError",
    "JournalInUseError",
    "JournalMismatchError",
    "OracleError",
    "ZeroNormWarning",
]


class BudgetWarning(UserWarning):
    """The budget exceeds the rows that are left; all of them are selected."""


class ColdStartWarning(UserWarning):
    """A method that learns from labels was asked to select without any."""


class ZeroNormWarning(UserWarning):
    """Rows without direction (all zeros) reached a method that compares directions."""


class OracleError(ValueError):
    """An oracle's answer cannot be used as labels.

    Parameters
    ----------
    message : str
        What is wrong.
    answer : object
        What the oracle returned, so that no label is lost.

    Attributes
    ----------
    answer : object
        What the oracle returned.
    """

    def __init__(self, message: str, answer: Any) -> None:
        super().__init__(message)
        self.answer = answer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.answer), self.__dict__


class JournalError(RuntimeError):
    """A journal cannot be read or written, or belongs to something else."""


class JournalInUseError(JournalError):
    """Another process asks questions with the same journal."""


class JournalMismatchError(JournalError):
    """A journal was begun with another pool, other ids or other parameters."""
