"""Limits on what a loop may use up."""

from __future__ import annotations

from typing import Any

from skactive._validation import check_number
from skactive.stopping._base import StoppingRule

__all__ = ["MaxCost", "MaxLabels", "MaxRounds", "TimeLimit"]


class MaxLabels(StoppingRule):
    """Stop once so many labels have been bought.

    Unlike the loop's budget it lets the last batch be complete, and combines with other rules.

    Parameters
    ----------
    n_labels : int >= 1
        Labels bought; those owned before the loop do not count.

    Examples
    --------
    >>> from skactive.stopping import MaxLabels
    >>> MaxLabels(100).reason([{"n_bought": 110}])
    '110 labels were bought, the limit is 100.'
    """

    def __init__(self, n_labels: int) -> None:
        self.n_labels = n_labels

    def check(self) -> None:
        """Refuse anything but a count."""
        check_number(self.n_labels, "n_labels", minimum=1, strict=False, integer=True)

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare ``n_bought`` of the latest round."""
        n_bought = history[-1]["n_bought"]
        if n_bought < self.n_labels:
            return None
        return f"{n_bought} labels were bought, the limit is {self.n_labels}."


class MaxCost(StoppingRule):
    """Stop once so much has been spent on answers.

    Parameters
    ----------
    cost : float > 0
        In the unit of the costs that the oracle reports; one a label where it reports none.
        Answers of the kind "don't know" may cost, too.

    Examples
    --------
    >>> from skactive.stopping import MaxCost
    >>> MaxCost(99.5).reason([{"cost": 98.0}, {"cost": 104.25}])
    '104.25 was spent, the limit is 99.5.'
    """

    def __init__(self, cost: float) -> None:
        self.cost = cost

    def check(self) -> None:
        """Refuse anything but a positive number."""
        check_number(self.cost, "cost")

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare ``cost`` of the latest round."""
        cost = history[-1]["cost"]
        if cost < self.cost:
            return None
        return f"{cost:.10g} was spent, the limit is {self.cost:.10g}."


class MaxRounds(StoppingRule):
    """Stop after so many rounds.

    Parameters
    ----------
    n_rounds : int >= 1
        Rounds in which answers came in; training on labels owned before is not one.

    Examples
    --------
    >>> from skactive.stopping import MaxRounds
    >>> MaxRounds(5).reason([{"round": 4}, {"round": 5}])
    '5 rounds are over, the limit is 5.'
    """

    def __init__(self, n_rounds: int) -> None:
        self.n_rounds = n_rounds

    def check(self) -> None:
        """Refuse anything but a count."""
        check_number(self.n_rounds, "n_rounds", minimum=1, strict=False, integer=True)

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare ``round`` of the latest round."""
        number = history[-1]["round"]
        if number < self.n_rounds:
            return None
        return f"{number} rounds are over, the limit is {self.n_rounds}."


class TimeLimit(StoppingRule):
    """Stop once picking, asking and training have taken so long.

    What counts is recorded in ``loop.history_``, so that a loop that goes on from a journal has
    the rest of the time. It is a round's time that exceeds the limit, not a part of it: nothing
    is interrupted.

    Parameters
    ----------
    seconds : float > 0
        Limit on the sum of ``seconds_select``, ``seconds_oracle`` and ``seconds_fit``. Time in
        which nobody waits for the oracle, between ``ask`` and ``tell``, does not count.

    Examples
    --------
    >>> from skactive.stopping import TimeLimit
    >>> round_1 = {"seconds_select": 1.0, "seconds_oracle": 50.0, "seconds_fit": 9.0}
    >>> round_2 = {"seconds_select": 2.0, "seconds_oracle": 60.0, "seconds_fit": 11.0}
    >>> TimeLimit(120).reason([round_1, round_2])
    '133 seconds have passed, the limit is 120.'
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def check(self) -> None:
        """Refuse anything but a positive number."""
        check_number(self.seconds, "seconds")

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Compare the seconds of all rounds."""
        names = ("seconds_select", "seconds_oracle", "seconds_fit")
        seconds = sum(entry[name] for entry in history for name in names)
        if seconds < self.seconds:
            return None
        return f"{seconds:.4g} seconds have passed, the limit is {self.seconds:.4g}."
