"""What an oracle returns, of whatever form, as rows and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skactive._answers import DONT_KNOW, Answers, Silence
from skactive.exceptions import OracleError


class Reply(NamedTuple):
    """The usable part of an oracle's reply; rows that it does not speak of are still open."""

    rows: NDArray[np.int64]  # with a label, in the order given
    labels: Any  # of these rows, as LabelBook takes them
    unknown: NDArray[np.int64]  # rows that nobody can label
    costs: NDArray[np.float64]  # of the rows, then of the unknown ones
    details: list[dict[str, Any] | None]  # likewise
    error: OracleError | None  # what is wrong with the rest, to be raised after recording


def read_reply(reply: Any, rows: NDArray[np.int64], names: NDArray[Any], source: str) -> Reply:
    """What the reply says about the rows asked under these names.

    A reply that is neither None, a dict nor Answers has one entry a row, in the order asked;
    whether it has, and whether the labels can be used, is for LabelBook to say.
    """
    if reply is None:
        return _reply(rows[:0], [])
    if isinstance(reply, Mapping):
        answers = Answers(list(reply), list(reply.values()))
        return _read_answers(reply, answers, rows, names, source)
    if isinstance(reply, Answers):
        return _read_answers(reply, reply, rows, names, source)
    if _is_in_other_order(reply, list(names)):
        return _reply(rows[:0], [], _other_order(reply, source))
    silences = _silences(reply)
    if silences is None or len(silences) != len(rows):
        return _reply(rows, reply)
    nothing: list[dict[str, Any] | None] = [None] * len(rows)
    return _sorted_out(rows, reply, silences, np.ones(len(rows)), nothing, None)


def plain_value(name: Any) -> Any:
    """A name as a plain Python value, so that 3 and np.int64(3) are the same."""
    if isinstance(name, np.datetime64 | np.timedelta64):
        name = as_python_times(name)
    return name.item() if isinstance(name, np.generic) else name


def as_python_times(times: Any) -> Any:
    """Times that Python has a type for; nanoseconds would become plain numbers."""
    unit = np.datetime_data(times.dtype)[0]
    is_finer = unit in ("ns", "ps", "fs", "as")
    return times.astype(f"{times.dtype.kind}8[us]") if is_finer else times


def _reply(rows: NDArray[np.int64], labels: Any, error: OracleError | None = None) -> Reply:
    """A label for each row, at the usual cost."""
    return Reply(rows, labels, rows[:0], np.ones(len(rows)), [None] * len(rows), error)


def _read_answers(
    reply: Any, answers: Answers, rows: NDArray[np.int64], names: NDArray[Any], source: str
) -> Reply:
    given, silences = listed(answers.indices), _silences(answers.labels)
    if given is None or silences is None or len(given) != len(silences):
        n_given = "no list" if given is None else len(given)
        n_labels = "no list" if silences is None else len(silences)
        message = (
            f"{source} must have one label for each of its indices; got {n_given} of indices and "
            f"{n_labels} of labels. It is kept as `answer` on this exception."
        )
        return _reply(rows[:0], [], OracleError(message, reply))
    if not hasattr(answers.indices, "iloc") and _is_in_other_order(answers.labels, given):
        return _reply(rows[:0], [], _other_order(reply, source))
    faults: list[str] = []
    places = _places(given, names, source, faults)
    costs = _read_costs(answers.costs, len(given), source, faults)
    details = _read_details(answers.details, len(given), source, faults)
    usable = np.flatnonzero(places >= 0)
    return _sorted_out(
        rows[places[usable]],
        _taken(answers.labels, usable, len(given)),
        [silences[i] for i in usable],
        costs[usable],
        [details[i] for i in usable],
        OracleError(" ".join(faults), reply) if faults else None,
    )


def _is_in_other_order(labels: Any, names: list[Any]) -> bool:
    """Whether the index of a Series or frame says that the rows stand in another order."""
    if not hasattr(labels, "iloc") or len(labels) != len(names):
        return False
    index, asked = [name_key(name) for name in labels.index], [name_key(name) for name in names]
    return index != asked and set(index) == set(asked)


def _other_order(reply: Any, source: str) -> OracleError:
    return OracleError(
        f"{source} counts by position, but is a pandas object whose index has the rows in another "
        "order than asked. Say which is meant: labels.loc[indices] puts a Series in order by its "
        "index, labels.to_numpy() goes by position. It is kept as `answer` on this exception.",
        reply,
    )


def _sorted_out(
    rows: NDArray[np.int64],
    labels: Any,
    silences: list[Silence | None],
    costs: NDArray[np.float64],
    details: list[dict[str, Any] | None],
    error: OracleError | None,
) -> Reply:
    """Labels apart from unknown rows, without those not answered yet."""
    known = np.array([i for i, silence in enumerate(silences) if silence is None], dtype=np.intp)
    unknown = np.array([i for i, s in enumerate(silences) if s is DONT_KNOW], dtype=np.intp)
    order = np.concatenate([known, unknown])
    return Reply(
        rows=rows[known],
        labels=_taken(labels, known, len(silences)),
        unknown=rows[unknown],
        costs=costs[order],
        details=[details[i] for i in order],
        error=error,
    )


def listed(values: Any) -> list[Any] | None:
    """One-dimensional values as a list; None for anything else."""
    if isinstance(values, list | tuple):
        return list(values)
    array = np.asarray(values)
    return list(array) if array.ndim == 1 else None


def _silences(labels: Any) -> list[Silence | None] | None:
    """For each label what it says instead of one; None where there is no label a row."""
    if not isinstance(labels, list | tuple):
        labels = np.asarray(labels)
        if labels.ndim == 0:
            return None
        if labels.dtype != object:
            return [None] * len(labels)
    return [_silence(label) for label in labels]


def _silence(label: Any) -> Silence | None:
    """A row without the label of some output has none to train on."""
    if isinstance(label, Silence):
        return label
    if not isinstance(label, list | tuple | np.ndarray):
        return None
    parts = [part for part in label if isinstance(part, Silence)] if np.ndim(label) else []
    return DONT_KNOW if DONT_KNOW in parts else parts[0] if parts else None


def _taken(labels: Any, places: NDArray[np.intp], n_labels: int) -> Any:
    """Some of the labels; all of them unchanged, to keep their dtype."""
    if len(places) == n_labels:
        return labels
    if isinstance(labels, list | tuple):
        return [labels[i] for i in places]
    return np.asarray(labels)[places]


def _places(
    given: list[Any], names: NDArray[Any], source: str, faults: list[str]
) -> NDArray[np.intp]:
    """Where among the names asked each one stands; -1 for those that cannot be used."""
    asked = {name_key(name): place for place, name in enumerate(names)}
    keys = [name_key(name) for name in given]
    found = np.array([asked.get(key, -1) for key in keys], dtype=np.intp)
    strange = np.flatnonzero(found < 0)
    if len(strange):
        example = f", for instance {plain_value(names[0])!r}" if len(names) else ""
        faults.append(
            f"{source} must name rows that were asked{example}; got {len(strange)} other names, "
            f"first {plain_value(given[strange[0]])!r}. Use the indices that the oracle was given."
        )
    values, counts = np.unique(found[found >= 0], return_counts=True)
    twice = values[counts > 1]
    if len(twice):
        faults.append(
            f"{source} must name each row once; got {plain_value(names[twice[0]])!r} more than "
            "once. Such rows stay open; give each one label."
        )
    return np.where(np.isin(found, twice), -1, found)


def name_key(name: Any) -> tuple[type | None, Any]:
    """What names are compared by; True is not 1, as a mask is no list of positions."""
    value = plain_value(name)
    try:
        hash(value)
    except TypeError:  # a list or array, which is no name
        return list, repr(value)
    return bool if isinstance(value, bool) else None, value


def _read_costs(costs: Any, n_answers: int, source: str, faults: list[str]) -> NDArray[np.float64]:
    """One cost an answer; 1 where it cannot be read, as labels matter more than their cost."""
    ones = np.ones(n_answers)
    if costs is None:
        return ones
    allowed = f"must have costs that are finite numbers >= 0, one for all or each of {n_answers}"
    advice = "The labels are recorded at a cost of 1; correct the cost for the next ones."
    try:
        values = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        faults.append(f"{source} {allowed}; got {costs!r}. {advice}")
        return ones
    if values.shape not in ((), (n_answers,)):
        faults.append(f"{source} {allowed}; got shape {values.shape}. {advice}")
        return ones
    values = np.broadcast_to(values, (n_answers,))
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        faults.append(f"{source} {allowed}; got {values[bad][0]}. {advice}")
    return np.where(bad, 1.0, values)


def _read_details(
    details: Any, n_answers: int, source: str, faults: list[str]
) -> list[dict[str, Any] | None]:
    """As a journal gives them back; None where they cannot be written into one."""
    if details is None:
        return [None] * n_answers
    allowed = f"must have details that are a list of {n_answers}, each None or a dict for JSON"
    advice = "The labels are recorded without."
    if not isinstance(details, list | tuple) or len(details) != n_answers:
        faults.append(f"{source} {allowed}; got {details!r}. {advice}")
        return [None] * n_answers
    read: list[dict[str, Any] | None] = []
    bad: list[Any] = []
    for detail in details:
        try:
            written = json.loads(json.dumps(detail, default=_jsonable))
        except (TypeError, ValueError):
            written = detail = repr(detail)
        if not isinstance(written, dict | None):
            bad.append(detail)
        read.append(written if isinstance(written, dict) else None)
    if bad:
        faults.append(f"{source} {allowed}; got {bad[0]}. {advice}")
    return read


def _jsonable(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} cannot be written as JSON.")
