"""Warnings that a caller may want to catch or silence."""

__all__ = ["BudgetWarning", "ColdStartWarning", "ZeroNormWarning"]


class BudgetWarning(UserWarning):
    """The budget exceeds the rows that are left; all of them are selected."""


class ColdStartWarning(UserWarning):
    """A method that learns from labels was asked to select without any."""


class ZeroNormWarning(UserWarning):
    """Rows without direction (all zeros) reached a method that compares directions."""
