"""What an oracle can say instead of a label for every row."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple


class Silence(Enum):
    """An answer that is not a label."""

    DONT_KNOW = "don't know"
    NOT_YET = "not yet"

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


DONT_KNOW = Silence.DONT_KNOW
NOT_YET = Silence.NOT_YET


class Answers(NamedTuple):
    """Answers to some of the questions, in any order.

    Parameters
    ----------
    indices : array-like of shape (n_answers,)
        Rows that are answered, under the names they were asked by: positions in `X`, or `ids`
        where the loop has them. Rows left out stay open.
    labels : array-like of shape (n_answers,) or (n_answers, n_outputs)
        Their labels. ``DONT_KNOW`` in place of one says that nobody can label the row,
        ``NOT_YET`` that it stays open.
    costs : float or array-like of shape (n_answers,), default=None
        What the answers cost, in any unit: one number for each of them, or one for all. None
        counts 1 for each. A ``DONT_KNOW`` costs as much as a label, as somebody has spent time
        on it; a ``NOT_YET`` costs nothing.
    details : list of (dict or None) of length n_answers, default=None
        Whatever is to be recorded with each answer, as JSON can hold it.

    Examples
    --------
    >>> from skactive.oracles import DONT_KNOW, Answers
    >>> Answers([7, 3], ["cat", DONT_KNOW], costs=0.2).labels
    ['cat', DONT_KNOW]
    """

    indices: Any
    labels: Any
    costs: Any = None
    details: Any = None
