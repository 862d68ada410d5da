"""One desk at which a pool is labelled, by any number of people at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skactive._loop import ActiveLearningLoop
from skactive.exceptions import JournalError, JournalInUseError, OracleError
from skactive.journal import Journal
from skactive.labelling._board import Board
from skactive.labelling._pool import Pool
from skactive.labelling._reasons import reason
from skactive.oracles import DONT_KNOW

EXPORTED = ["id", "label", "status", "batch", "rank", "gain", "selected_by"]


class Nobody(Enum):
    """In place of an answer, where there is none."""

    NOBODY = "nobody has answered"


NOBODY = Nobody.NOBODY
Given = str | None | Nobody


class Refused(Exception):
    """An answer that was not recorded, and why."""


class Outlook(NamedTuple):
    """What comes when no question is open."""

    status: str  # "preparing", "finished" or "failed"
    message: str


class Desk:
    """Questions of a loop, handed out and answered one by one.

    All methods may be called from any thread. Answers are in the journal when `answer` returns.
    `prepare` runs in one thread only.

    Parameters
    ----------
    pool : Pool
    labels : list of str
        All labels that can be given.
    make_loop : callable
        Gives the loop, the same each time, with a journal.
    budget, batch_size : int
        Of the loop.
    annotator : str or None
        Who answers; is recorded with each answer.
    """

    def __init__(
        self,
        pool: Pool,
        labels: list[str],
        make_loop: Callable[[], ActiveLearningLoop],
        *,
        budget: int,
        batch_size: int,
        annotator: str | None = None,
    ) -> None:
        self.pool = pool
        self.labels = list(labels)
        self._budget, self._batch_size = budget, batch_size
        self._details = None if annotator is None else [{"annotator": annotator}]
        self._asker, self._teller = make_loop(), make_loop()
        self._journal = Journal(self._asker.journal)
        self._board = Board()
        self._postponed: dict[int, None] = {}
        self._lock = threading.RLock()
        self._outlook = Outlook("preparing", "")
        self._asked_at: int | None = None  # number of the answers that the last question followed
        self.changed = threading.Event()  # whether an answer has come in

    def open(self) -> None:
        """Go on with the journal, or ask the first questions.

        Raises
        ------
        JournalError
            If the journal cannot be used, or belongs to something else.
        """
        self._asker.ask(self.pool.X, ids=self.pool.ids)
        self.refresh()
        self._look_ahead()
        if self._outlook.status == "finished":
            self._asked_at = self._board.n_told

    def refresh(self) -> None:
        """Learn what is new in the journal."""
        with self._lock:
            board = self._board
            board.take(*self._journal.events(board.n_batches, board.n_told))

    # What the background does

    def needs_batch(self) -> bool:
        """Whether it is time to pick further rows: the last ones are being labelled."""
        with self._lock:
            board, n_open = self._board, len(self._board.open)
            if self._asked_at == board.n_told:
                return False
            n_left = len(self.pool) - len(board.questions)
            room = min(self._budget - board.n_labels - n_open, n_left)
            return n_open == 0 or (room > 0 and n_open <= max(1, self._batch_size // 2))

    def prepare(self) -> None:
        """Ask the next batch, with a model that knows all answers so far."""
        with self._lock:
            n_told = self._board.n_told
        try:
            self._asker.ask(self.pool.X, ids=self.pool.ids, ahead=True)
        except JournalInUseError as error:  # for as long as another process picks rows
            self._outlook = Outlook("preparing", str(error))
            raise
        except Exception as error:
            self._asked_at = n_told
            self._outlook = Outlook("failed", f"{type(error).__name__}: {error}")
            raise
        self._asked_at = n_told
        self.refresh()
        self._look_ahead()

    def labeled(self) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        """Rows with a label and their labels."""
        with self._lock:
            return self._board.labeled()

    # What people do

    def answer(self, row: int, label: str | None, seen: Given = NOBODY) -> None:
        """Record an answer, durably.

        Parameters
        ----------
        row : int
        label : str or None
            One of `labels`; None for don't know.
        seen : str, None or NOBODY
            The answer that this one replaces, as the person saw it; NOBODY if there was none.

        Raises
        ------
        Refused
            If the row has another answer by now, or has not been asked.
        """
        with self._lock:
            self.refresh()
            present = self.answer_of(row)
            if isinstance(present, Nobody):
                self._tell(row, label, replace=False)
            elif present != label:
                if seen is NOBODY or present != seen:
                    raise Refused(
                        f"Not recorded: this row has been answered with {_quoted(present)} in the "
                        "meantime, in another tab or by another program."
                    )
                self._tell(row, label, replace=True)
            self._postponed.pop(row, None)
        self.changed.set()

    def postpone(self, row: int) -> None:
        """Put an open row behind all others."""
        with self._lock:
            self.answer_of(row)
            if row in self._board.open:
                self._postponed.pop(row, None)
                self._postponed[row] = None

    def answer_of(self, row: int) -> Given:
        """Label of a row, None for don't know, NOBODY while it is open."""
        with self._lock:
            if row not in self._board.questions:
                raise Refused(f"Row {row} has not been asked.")
            return self._board.answers.get(row, NOBODY)

    # What people see

    def state(self) -> dict[str, Any]:
        """The open question that comes next, and how far the work is."""
        with self._lock:
            self.refresh()
            row = next(self._queue(), None)
            return {
                "status": "open" if row is not None else self._outlook.status,
                "message": "" if row is not None else self._outlook.message,
                "question": None if row is None else self._question(row),
                "progress": self._progress(row),
            }

    def before(self, row: int | None) -> dict[str, Any] | None:
        """The question answered before that row, or last of all for None."""
        with self._lock:
            self.refresh()
            found = self._board.before(row)
            return None if found is None else self._question(found)

    def export_rows(self) -> list[dict[str, Any]]:
        """A row for the file of labels for each answer."""
        with self._lock:
            rows = []
            for row, label in self._board.answers.items():
                question = self._board.questions[row]
                status = "don't know" if label is None else "labelled"
                cells = [self.pool.ids[row], label, status, *question[:2], *question[3:]]
                rows.append(dict(zip(EXPORTED, cells, strict=True)))
            return rows

    @property
    def version(self) -> int:
        """A number that grows with each answer."""
        return self._board.n_told

    def _tell(self, row: int, label: str | None, replace: bool) -> None:
        name = self.pool.ids[row : row + 1].tolist()
        answer = [DONT_KNOW if label is None else label]
        try:
            self._teller.tell(name, answer, details=self._details, replace=replace)
        except OracleError as error:  # answered in this moment by another program
            raise Refused(f"Not recorded: {error}") from error
        except ValueError as error:  # the journal is gone
            raise JournalError(str(error)) from error
        finally:
            self.refresh()

    def _look_ahead(self) -> None:
        if self._asker.termination_condition_ == "waiting for labels":
            self._outlook = Outlook("preparing", "")
        else:
            self._outlook = Outlook("finished", self._asker.stop_reason_)

    def _queue(self) -> Iterator[int]:
        """Open rows, those put off last."""
        yield from (row for row in self._board.open if row not in self._postponed)
        yield from (row for row in self._postponed if row in self._board.open)

    def _question(self, row: int) -> dict[str, Any]:
        question = self._board.questions[row]
        answer = self.answer_of(row)
        return {
            "row": row,
            "id": str(self.pool.ids[row]),
            "kind": self.pool.kind,
            "fields": list(self.pool.shown(row).items()),
            "has_image": self.pool.kind == "images",
            "why": reason(
                question.selected_by, question.gain, question.rank, question.size, question.batch
            ),
            "answer": None if isinstance(answer, Nobody) else {"label": self._number(answer)},
        }

    def _number(self, label: str | None) -> int | None:
        if label is None:
            return None
        if label not in self.labels:  # told by another program
            self.labels.append(label)
        return self.labels.index(label)

    def _progress(self, row: int | None) -> dict[str, int]:
        board = self._board
        n_labels = board.n_labels
        batch = board.n_batches if row is None else board.questions[row].batch
        return {
            "labels": n_labels,
            "budget": self._budget,
            "unknown": len(board.answers) - n_labels,
            "open": len(board.open),
            "batch": batch,
        }


def _quoted(label: str | None) -> str:
    if label is None:
        return "“don't know”"
    return f"“{label if len(label) <= 80 else label[:79] + '…'}”"
