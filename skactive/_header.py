"""What a journal belongs to, and whether this loop is the one that began it."""

from __future__ import annotations

from typing import Any

from skactive._problem import Problem
from skactive._record import Header
from skactive.exceptions import JournalMismatchError
from skactive.journal._fingerprint import describe_parameters, differences, fingerprint

# These decide when the loop ends and what is seen of it, not what is picked.
_FREE = ("budget", "stopping", "callbacks", "journal", "verbose")
# Nor do these, wherever they are.
_FREE_ENDS = ("n_jobs", "verbose", "device")


def make_header(
    loop: Any, problem: Problem, seed: int | None, *, pool: str | None = None
) -> Header:
    """All that the picks of a loop depend on, short enough to be written down."""
    owned = problem.owned
    parameters = {
        name: text
        for name, text in describe_parameters(loop).items()
        if name.split("__")[0] not in _FREE and name.split("__")[-1] not in _FREE_ENDS
    }
    parameters["labeled"] = fingerprint([owned.rows, owned.labels])
    for name, value in {"X_target": problem.X_target, **problem.estimator_params}.items():
        if value is not None:
            parameters[f"fit({name}=)"] = fingerprint(value)
    return Header(
        pool=fingerprint(problem.X) if pool is None else pool,
        n_samples=problem.n_samples,
        ids=None if problem.ids is None else fingerprint(problem.ids),
        parameters=parameters,
        seed=seed,
    )


def refuse_other(before: Header, now: Header, owner: str) -> None:
    """Raise unless pool and parameters are those that the owner has begun with."""
    found = []
    if before.n_samples != now.n_samples:
        found.append(f"X: {before.n_samples} rows before, {now.n_samples} now")
    elif before.pool != now.pool:
        found.append("X: as many rows as before, but other values or another dtype")
    if before.ids != now.ids:
        found.append("ids: not those of before")
    found += differences(before.parameters, now.parameters)
    if found:
        raise JournalMismatchError(
            f"{owner} was begun with another pool or other parameters:\n- "
            + "\n- ".join(found)
            + "\nNothing was asked or written. Pass what it was begun with, or begin anew. Free to "
            f"change: {', '.join(_FREE)}."
        )
