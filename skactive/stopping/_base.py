"""What a stopping rule is, and rules made of rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator

__all__ = ["AllOf", "AnyOf", "StoppingRule"]


class StoppingRule(BaseEstimator, ABC):
    """Base class of the rules that end a loop before its budget is spent.

    A rule keeps no state: what it measures goes into the ``measures`` of a round of
    ``loop.history_``, and from there alone it decides. So a loop that goes on from a journal
    stops where an uninterrupted one would have.

    Rules are asked between two batches, so that a batch is never cut short. They combine:
    ``MaxCost(500) | StablePredictions()`` stops as soon as one says so, ``&`` once both do.

    Examples
    --------
    A rule of one's own is one method, two if it measures something:

    >>> from skactive.stopping import MaxRounds, StoppingRule
    >>> class ShareUnknown(StoppingRule):
    ...     def __init__(self, share=0.5):
    ...         self.share = share
    ...
    ...     def reason(self, history):
    ...         n_unknown, n_bought = history[-1]["n_unknown"], history[-1]["n_bought"]
    ...         if n_unknown > self.share * (n_bought + n_unknown):
    ...             return f"{n_unknown} rows have no label, {n_bought} have one."
    >>> rule = ShareUnknown() & MaxRounds(2)
    >>> rule.reason([{"round": 1, "n_bought": 10, "n_unknown": 12}])
    >>> rule.reason([{"round": 2, "n_bought": 12, "n_unknown": 30}])
    '30 rows have no label, 12 have one. 2 rounds are over, the limit is 2.'
    """

    @property
    def needs_former(self) -> bool:
        """Whether ``of_round`` compares with the model of the round before."""
        return False

    def check(self) -> None:
        """Refuse bad parameters; called before the first question."""

    def of_selection(self, selector: Any) -> dict[str, float]:
        """Measure right after a batch was picked.

        Parameters
        ----------
        selector : selector, Pipeline ending in one, or None
            The loop's selector as fitted; None where something else has picked the rows: chance,
            or what only picks the first batch.

        Returns
        -------
        measures : dict of str to float
            Names must differ from those of all rules that measure something else.
        """
        return {}

    def of_round(self, model: Any, former: Any, X: Any) -> dict[str, float]:
        """Measure right after a round, in which the model was trained again if labels came in.

        Parameters
        ----------
        model, former : estimator or None
            The model of this round and the one before; None where there is none, the same
            object where no label came in.
        X : indexable of length n_samples
            The pool.

        Returns
        -------
        measures : dict of str to float
            Names must differ from those of all rules that measure something else.
        """
        return {}

    @abstractmethod
    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """Why it is time to stop.

        Parameters
        ----------
        history : list of dict
            ``loop.history_``, of one round at least. Rounds from before the rule was added to the
            loop lack its measures.

        Returns
        -------
        reason : str or None
            A sentence; None to go on.
        """

    def __or__(self, other: StoppingRule) -> AnyOf:
        if not isinstance(other, StoppingRule):
            return NotImplemented
        return AnyOf([*_parts(self, AnyOf), *_parts(other, AnyOf)])

    def __and__(self, other: StoppingRule) -> AllOf:
        if not isinstance(other, StoppingRule):
            return NotImplemented
        return AllOf([*_parts(self, AllOf), *_parts(other, AllOf)])


class RuleOfRules(StoppingRule):
    """Base of rules that ask several others."""

    def __init__(self, rules: Sequence[StoppingRule]) -> None:
        self.rules = rules

    @property
    def needs_former(self) -> bool:
        """Whether one of the rules does."""
        return any(rule.needs_former for rule in self.rules)

    def check(self) -> None:
        """Refuse what is not a rule, and bad parameters of the rules."""
        _check_rules(self.rules)

    def of_selection(self, selector: Any) -> dict[str, float]:
        """Measure for all rules."""
        return _union([rule.of_selection(selector) for rule in self.rules])

    def of_round(self, model: Any, former: Any, X: Any) -> dict[str, float]:
        """Measure for all rules."""
        return _union([rule.of_round(model, former, X) for rule in self.rules])


class AnyOf(RuleOfRules):
    """Stop as soon as one of several rules says so: ``rule | other``.

    Parameters
    ----------
    rules : list of StoppingRule
        The reason given is that of the first one that has any.

    Examples
    --------
    >>> from skactive.stopping import AnyOf, MaxCost, MaxRounds
    >>> rule = AnyOf([MaxRounds(10), MaxCost(50)])
    >>> rule.reason([{"round": 3, "cost": 51.5}])
    '51.5 was spent, the limit is 50.'
    """

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """The first reason."""
        reasons = [rule.reason(history) for rule in self.rules]
        return next((reason for reason in reasons if reason is not None), None)


class AllOf(RuleOfRules):
    """Stop once all of several rules say so: ``rule & other``.

    Parameters
    ----------
    rules : list of StoppingRule
        The reason given is the sum of theirs.

    Examples
    --------
    >>> from skactive.stopping import AllOf, MaxLabels, MaxRounds
    >>> rule = AllOf([MaxRounds(3), MaxLabels(50)])
    >>> rule.reason([{"round": 3, "n_bought": 40}]) is None
    True
    """

    def reason(self, history: list[dict[str, Any]]) -> str | None:
        """All reasons, if every rule has one."""
        reasons = [rule.reason(history) for rule in self.rules]
        given = [reason for reason in reasons if reason is not None]
        return " ".join(given) if len(given) == len(reasons) else None


def check_stopping(stopping: Any) -> StoppingRule | None:
    """The rule of a loop, its parameters checked."""
    if stopping is None:
        return None
    if isinstance(stopping, (list, tuple)):
        _check_rules(stopping, "stopping")
        return AnyOf(stopping)
    _check_rule(stopping, "stopping")
    rule: StoppingRule = stopping
    return rule


def _check_rules(rules: Any, name: str = "rules") -> None:
    if not isinstance(rules, (list, tuple)) or len(rules) == 0:
        raise TypeError(
            f"{name} == {rules!r}, must be a list of at least one StoppingRule, for instance "
            "[MaxCost(500), StablePredictions()]."
        )
    for place, rule in enumerate(rules):
        _check_rule(rule, f"{name}[{place}]")


def _check_rule(rule: Any, name: str) -> None:
    if not isinstance(rule, StoppingRule):
        raise TypeError(
            f"{name} == {rule!r}, must be an instance of a StoppingRule, for instance "
            "StablePredictions(). Rules are found in skactive.stopping; stopping itself may be "
            "None, a rule or a list of rules, the first of which to have a reason stops the loop."
        )
    rule.check()


def _parts(rule: StoppingRule, kind: type[AnyOf] | type[AllOf]) -> list[StoppingRule]:
    return list(rule.rules) if isinstance(rule, kind) else [rule]


def _union(measures: list[dict[str, float]]) -> dict[str, float]:
    return {name: value for measure in measures for name, value in measure.items()}
