"""What each annotator has said about each row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive._answers import DONT_KNOW
from skactive._labels import Checked, LabelBook
from skactive._replies import plain_value, read_reply
from skactive.exceptions import OracleError


class VoteBook:
    """Votes by annotator and row, with what they have cost.

    Parameters
    ----------
    annotators : iterable of str

    Attributes
    ----------
    votes : dict of str to dict
        For each annotator the labels by name of the row, DONT_KNOW among them.
    costs : dict
        Sum over the annotators, by name of the row.
    details : dict of dict
        By name of the row and annotator, where there are any.
    """

    def __init__(self, annotators: Iterable[str]) -> None:
        self.votes: dict[str, dict[Any, Any]] = {annotator: {} for annotator in annotators}
        self.costs: dict[Any, float] = {}
        self.details: dict[Any, dict[str, Any]] = {}
        self._labels = LabelBook()  # so that labels of all annotators are of one kind

    def n_voters(self, name: Any) -> int:
        """Annotators who have answered a row, be it with a don't-know."""
        return sum(name in votes for votes in self.votes.values())

    def names(self) -> list[Any]:
        """Rows that somebody has answered."""
        return list(dict.fromkeys(name for votes in self.votes.values() for name in votes))

    def is_open(self, annotator: str, names: NDArray[Any]) -> NDArray[np.int64]:
        """Places of the rows that an annotator has not answered."""
        votes = self.votes[annotator]
        places = [i for i, name in enumerate(names) if plain_value(name) not in votes]
        return np.array(places, dtype=np.int64)

    def hear(self, annotator: str, reply: Any, names: NDArray[Any]) -> list[OracleError]:
        """Record what can be used of a reply; what is wrong with the rest."""
        source = f"the answer of annotator {annotator!r}"
        # Errors name rows by number, so these are positions where names are.
        rows = names.astype(np.int64) if names.dtype.kind in "iu" else np.arange(len(names))
        keys = dict(zip(rows.tolist(), map(plain_value, names), strict=True))
        read = read_reply(reply, rows, names, source)
        checked = self._labels.check(read.rows, read.labels, source)
        errors = [error for error in (read.error, checked.error) if error is not None]
        if checked.labels is not None and checked.labels.ndim > 1:
            errors.append(_several_outputs(source, checked, reply))
            checked = Checked(checked.indices[:0], None, None)
        said = dict.fromkeys(read.unknown.tolist(), DONT_KNOW)
        if checked.labels is not None and len(checked.indices):
            self._labels.add(checked.indices, checked.labels)
            said |= zip(checked.indices.tolist(), checked.labels.tolist(), strict=True)
        spoken_of = np.concatenate([read.rows, read.unknown]).tolist()
        for row, cost, detail in zip(spoken_of, read.costs.tolist(), read.details, strict=True):
            if row in said:
                self._record(annotator, keys[row], said[row], cost, detail)
        return errors

    def _record(self, annotator: str, name: Any, label: Any, cost: float, detail: Any) -> None:
        self.votes[annotator][name] = label
        self.costs[name] = self.costs.get(name, 0.0) + cost
        if detail is not None:
            self.details.setdefault(name, {})[annotator] = detail


def _several_outputs(source: str, checked: Checked, reply: Any) -> OracleError:
    shape = None if checked.labels is None else checked.labels.shape
    return OracleError(
        f"{source} must hold a single label a row; got shape {shape}. Use one ConsensusOracle for "
        "each output.",
        reply,
    )
