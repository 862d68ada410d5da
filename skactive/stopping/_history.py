"""Numbers from the record of a loop."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np


def trained(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rounds with a new model; there is none where nobody knew a label."""
    before = [0, *(entry["n_labeled"] for entry in history[:-1])]
    return [
        entry
        for entry, n_labeled in zip(history, before, strict=True)
        if entry["fitted"] and entry["n_labeled"] > n_labeled
    ]


def measured(history: list[dict[str, Any]], name: str) -> list[float]:
    """A measure of each round that has it."""
    measures = [entry.get("measures", {}) for entry in history]
    return [measure[name] for measure in measures if name in measure]


def record(entry: dict[str, Any]) -> dict[str, Any]:
    """A round's record with its measures on the same level."""
    return {**entry.get("measures", {}), **entry}


def recorded(history: list[dict[str, Any]], name: str) -> list[float]:
    """A number of each round that has trained a model, as far as it is there.

    Parameters
    ----------
    history : list of dict
    name : str
        A key of a round's record, or of its measures.
    """
    records = [record(entry) for entry in trained(history)]
    values = [known[name] for known in records if name in known]
    # Two models have to be there before all rules have measured something.
    if len(records) > 1 and not values:
        numbers = [key for key, value in records[-1].items() if _is_number(value)]
        raise ValueError(
            f"monitor == {name!r}, but no round has recorded such a number. Use one of "
            f"{', '.join(map(repr, numbers))}, or give the loop a stopping rule that measures it."
        )
    for value in values:
        if not _is_number(value):
            raise TypeError(
                f"monitor == {name!r}, must name a number; a round has recorded "
                f"{type(value).__name__}. Use for instance 'score'."
            )
    if values and math.isnan(values[-1]):
        raise ValueError(f"A model was trained, but its {name} is NaN. {_remedy(name)}")
    return [float(value) for value in values if not math.isnan(value)]


def check_monitor(monitor: Any) -> None:
    """Refuse what cannot name a number of the record."""
    if not isinstance(monitor, str):
        raise TypeError(
            f"monitor == {monitor!r}, must be a str: a key of a round's record, such as 'score'."
        )


def _remedy(name: str) -> str:
    if name != "score":
        return "Watch another number, such as 'score'."
    return (
        "Pass X_val and y_val to the loop's fit, so that there is a score, or use what needs none, "
        "such as StablePredictions()."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
