"""Questions and answers as they stand, read from a journal as it grows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skactive._record import Asked, Told


class Question(NamedTuple):
    """Why a row was asked, and when."""

    batch: int
    rank: int  # in its batch, from 1
    size: int  # of the batch
    gain: float
    selected_by: str


class Board:
    """What has been asked, answered and corrected.

    Attributes
    ----------
    questions : dict of int to Question
        All rows asked, in the order asked.
    answers : dict of int to (str or None)
        Labels of the rows, None for don't know, in the order of the first answers.
    open : dict of int to None
        Rows asked and not answered, in the order asked.
    n_batches : int
    n_told : int
        Number of the latest answers; -1 before anything is known.
    """

    def __init__(self) -> None:
        self.questions: dict[int, Question] = {}
        self.answers: dict[int, str | None] = {}
        self.open: dict[int, None] = {}
        self.n_batches = 0
        self.n_told = -1

    @property
    def n_labels(self) -> int:
        return sum(label is not None for label in self.answers.values())

    def take(self, asked: list[Asked], told: list[Told]) -> None:
        """Add what is new in the journal."""
        for batch in asked:
            self._take_batch(batch)
        for reply in told:
            self._take_reply(reply)

    def labeled(self) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        """Rows with a label and their labels, in the order of the first answers."""
        known = {row: label for row, label in self.answers.items() if label is not None}
        labels = np.empty(len(known), dtype=object)
        labels[:] = list(known.values())
        return np.fromiter(known, dtype=np.int64, count=len(known)), labels

    def before(self, row: int | None) -> int | None:
        """The row answered before this one; the last one answered for None."""
        rows = list(self.answers)
        end = len(rows) if row not in self.answers else rows.index(row)
        return rows[end - 1] if end > 0 else None

    def _take_batch(self, batch: Asked) -> None:
        pairs = zip(batch.rows.tolist(), batch.gains.tolist(), strict=True)
        for rank, (row, gain) in enumerate(pairs, start=1):
            self.questions[row] = Question(
                batch.batch, rank, len(batch.rows), gain, batch.selected_by
            )
            self.open[row] = None
        self.n_batches += 1

    def _take_reply(self, reply: Told) -> None:
        labels = [] if reply.labels is None else reply.labels.tolist()
        answers = [*zip(reply.rows.tolist(), labels, strict=True)]
        for row, label in [*answers, *((row, None) for row in reply.unknown.tolist())]:
            self.answers[row] = label
            self.open.pop(row, None)
        self.n_told = reply.number
