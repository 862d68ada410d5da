"""Questions and answers of a loop: written down before anything acts on them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skactive._labels import Checked, LabelBook
from skactive._record import Asked, Header, Told
from skactive._replies import Reply, listed, name_key, plain_value
from skactive.exceptions import JournalError, OracleError
from skactive.journal import Journal
from skactive.journal._errors import RepeatedError


class Ledger:
    """What was asked, what was answered, and what is still open.

    Parameters
    ----------
    book : LabelBook
        Where the labels go.
    journal : Journal or None
        With one, all that is known here has been read from it: another process may answer.

    Attributes
    ----------
    batches : list of Asked
    told : list of Told
        The answers, beginning with what was known before the first question.
    """

    def __init__(self, book: LabelBook, journal: Journal | None = None) -> None:
        self.book = book
        self.journal = journal
        self.batches: list[Asked] = []
        self.told: list[Told] = []
        self.cost = 0.0
        self.unknown: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._rows: dict[Any, int] = {}  # of all names asked
        self._names: dict[int, Any] = {}
        self._open: dict[int, None] = {}  # rows without an answer, in the order asked
        self._answered: dict[int, Any] = {}  # place among the labels; None for unknown rows
        self._gains: dict[int, float] = {}

    def begin(self, header: Header | None, owned: Told) -> None:
        """Start with the labels owned; nothing of this kind may have been begun before."""
        if self.journal is None or header is None:
            self.take_answers([owned])
            return
        self.journal.start(header, owned)
        self.refresh()

    def refresh(self) -> None:
        """Learn what other processes have written."""
        if self.journal is None:
            return
        asked, told = self.journal.events(len(self.batches), self.n_told)
        for batch in asked:
            self._take_questions(batch)
        self.take_answers(told)

    def kept_on_error(self) -> AbstractContextManager[None]:
        """Attach the labels to any exception, and say how to go on."""
        if self.journal is None:
            return self.book.kept_on_error()
        return self.book.kept_on_error(
            "The journal holds them, too: to go on, call fit again with the same arguments."
        )

    def at_begin(self) -> Ledger:
        """One that knows nothing yet, to go through the same answers once more."""
        return Ledger(self.book.emptied())

    @property
    def n_told(self) -> int:
        """Number of the latest answers; -1 before anything has begun."""
        return len(self.told) - 1

    @property
    def n_asked(self) -> int:
        """Rows asked so far."""
        return len(self._names)

    @property
    def pending(self) -> NDArray[np.int64]:
        """Rows asked and not answered, in the order asked."""
        return np.fromiter(self._open, dtype=np.int64, count=len(self._open))

    @property
    def closed(self) -> NDArray[np.int64]:
        """Rows that are not to be asked although they have no label."""
        return np.concatenate([self.pending, self.unknown])

    def gains_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Scores with which the rows were picked; NaN where there is none."""
        return np.array([self._gains.get(int(row), np.nan) for row in rows], dtype=np.float64)

    def known(self, names: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Those of the names that were asked, and their rows."""
        plain = dict.fromkeys(name_key(name)[1] for name in listed(names) or [])
        rows = [self._rows[name] for name in plain if name in self._rows]
        found = np.empty(len(rows), dtype=object)
        found[:] = [self._names[row] for row in rows]
        return np.array(rows, dtype=np.int64), found

    def ask(self, batch: Asked) -> None:
        """Record questions before they are asked."""
        if self.journal is None:
            self._take_questions(batch)
            return
        self.journal.asked(batch)
        self.refresh()

    def tell(self, reply: Reply, seconds: float, *, replace: bool = False) -> int:
        """Record what is new and usable among the answers; their number.

        Parameters
        ----------
        reply : Reply
        seconds : float
            That the answers have taken.
        replace : bool
            Whether rows that have an answer get this one in its place.

        Raises
        ------
        OracleError
            If some answers cannot be used. The others are recorded all the same.
        """
        for is_last in (False, False, True):
            self.refresh()
            event, error = self._event(reply, seconds, replace)
            n_new = len(event.rows) + len(event.unknown)
            try:
                self._write(event)
            except JournalError as failure:
                # Somebody else has answered in this moment.
                if is_last or not isinstance(failure.__cause__, RepeatedError):
                    raise
                continue
            break
        if error is not None:
            raise error
        return n_new

    def _event(
        self, reply: Reply, seconds: float, replace: bool
    ) -> tuple[Told, OracleError | None]:
        """What is new and usable, and what is wrong with the rest."""
        checked = self.book.check(reply.rows, reply.labels)
        labels = dict(
            zip(
                checked.indices.tolist(),
                [] if checked.labels is None else checked.labels,
                strict=True,
            )
        )
        error = reply.error or checked.error
        if not replace:
            error = error or self._contradiction(reply, labels)

        def is_new(row: int, answer: Any) -> bool:
            return row in self._open or (replace and not self._is_known(row, answer))

        usable = [row in labels and is_new(row, labels[row]) for row in reply.rows.tolist()]
        unknown = [is_new(row, None) for row in reply.unknown.tolist()]
        rows = reply.rows[np.array(usable, dtype=bool)]
        without = reply.unknown[np.array(unknown, dtype=bool)]
        kept = np.array([*usable, *unknown], dtype=bool)
        event = Told(
            number=self.n_told + 1,
            rows=rows,
            labels=None if checked.labels is None else _at(checked, rows),
            unknown=without,
            costs=reply.costs[kept],
            details=[d for d, keep in zip(reply.details, kept, strict=True) if keep],
            seconds=seconds,
            replaces=any(row in self._answered for row in [*rows.tolist(), *without.tolist()]),
        )
        return event, error

    def _is_known(self, row: int, answer: Any) -> bool:
        """Whether this is the answer that a row has already."""
        place = self._answered[row]
        if place is None or answer is None:
            return place is None and answer is None
        return np.array_equal(self.book.labels[place], answer)  # type: ignore[index]

    def _write(self, event: Told) -> None:
        if len(event.rows) + len(event.unknown) == 0:
            return
        if self.journal is None:
            self.take_answers([event])
            return
        self.journal.told(event)
        self.refresh()

    def _contradiction(self, reply: Reply, labels: dict[int, Any]) -> OracleError | None:
        """An answer that differs from an earlier one; the same answer twice does no harm."""
        answers = {**dict.fromkeys(reply.unknown.tolist()), **labels}
        for row, answer in answers.items():
            if row in self._answered and not self._is_known(row, answer):
                return self._contradicts(row, "no label" if answer is None else answer, reply)
        return None

    def _contradicts(self, row: int, label: Any, reply: Reply) -> OracleError:
        place = self._answered[row]
        before = "no label" if place is None else self.book.labels[place]  # type: ignore[index]
        return OracleError(
            f"{self._names.get(row, row)!r} has been answered with {before!r}, and now with "
            f"{label!r}; the first answer stays. Correct the labels that the loop gives when it "
            "has ended.",
            reply,
        )

    def _take_questions(self, batch: Asked) -> None:
        self.batches.append(batch)
        names = batch.rows.tolist() if batch.ids is None else batch.ids
        for row, name in zip(batch.rows.tolist(), names, strict=True):
            self._rows[plain_value(name)] = row
            self._names[row] = name
            self._open[row] = None
        self._gains.update(zip(batch.rows.tolist(), batch.gains.tolist(), strict=True))

    def take_answers(self, told: list[Told]) -> None:
        """Count answers that have been written down."""
        corrects = False
        for answers in told:
            rows = [*answers.rows.tolist(), *answers.unknown.tolist()]
            corrects |= answers.replaces and any(row in self._answered for row in rows)
            self.told.append(answers)
            self.cost += float(answers.costs.sum())
            if not corrects:
                self._count(answers)
            if answers.number == 0:
                self.book.n_owned = len(self.book)
        if corrects:
            self._count_anew()

    def _count(self, answers: Told) -> None:
        n_before = len(self.book)
        if answers.labels is not None and len(answers.rows):
            self.book.add(answers.rows, answers.labels)
        self.unknown = np.concatenate([self.unknown, answers.unknown])
        for place, row in enumerate(answers.rows.tolist(), start=n_before):
            self._answered[row] = place
            self._open.pop(row, None)
        for row in answers.unknown.tolist():
            self._answered[row] = None
            self._open.pop(row, None)

    def _count_anew(self) -> None:
        """The latest answer of each row is the one that counts."""
        latest = {
            row: answers.number
            for answers in self.told
            for row in [*answers.rows.tolist(), *answers.unknown.tolist()]
        }

        def counts(rows: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
            return np.array([latest[row] == number for row in rows.tolist()], dtype=bool)

        self.book.clear()
        self.unknown = self.unknown[:0]
        for answers in self.told:
            kept = counts(answers.rows, answers.number)
            self._count(
                answers._replace(
                    rows=answers.rows[kept],
                    labels=None if answers.labels is None else answers.labels[kept],
                    unknown=answers.unknown[counts(answers.unknown, answers.number)],
                )
            )


def _at(checked: Checked, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Labels of some of the rows."""
    assert checked.labels is not None
    return checked.labels[np.isin(checked.indices, rows)]
