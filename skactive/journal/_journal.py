"""The journal of a loop."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from skactive._record import Asked, Header, Told
from skactive.exceptions import JournalError
from skactive.journal import _events as events
from skactive.journal._asking import file_lock, server_lock
from skactive.journal._errors import RepeatedError
from skactive.journal._target import Target, resolve
from skactive.journal._values import from_text

if TYPE_CHECKING:
    from skactive.journal._database import Database


class Journal:
    """Questions and answers of a loop, durable before the loop acts on them.

    Every method that writes is one transaction: when it has returned, what it wrote survives a
    crash of the process, of the machine and of its power supply; when it raises, nothing of it was
    written. Any number of processes may write answers at the same time. Only the one inside
    `asking` should write questions and rounds.

    Parameters
    ----------
    target : str, os.PathLike or sqlalchemy.URL
        A path of an SQLite file, which is made when first written to, or the URL of a database:
        ``"sqlite:///labels.db"``, ``"postgresql+psycopg://user@host/database"``. All tables have
        names that begin with ``skactive_``. One database (for PostgreSQL: one schema) holds one
        journal.

    Raises
    ------
    JournalError
        If `target` cannot be a journal. Every method raises it where the database cannot be read
        or written, with what to do about it.
    ImportError
        If SQLAlchemy or, for PostgreSQL, psycopg is missing.

    Notes
    -----
    A journal can be pickled and used after a fork; each process opens its own connection. SQLite
    runs with a write-ahead log and ``synchronous=FULL``, so that beside ``labels.db`` there are
    ``labels.db-wal`` and ``labels.db-shm`` while it is open; copy all of them or none. It needs a
    file system with working locks, which network file systems often lack: share a journal between
    machines through PostgreSQL.

    See Also
    --------
    read_journal : All that a journal holds, as plain values.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skactive._record import Asked, Header, Told
    >>> folder = tempfile.TemporaryDirectory()
    >>> journal = Journal(os.path.join(folder.name, "labels.db"))
    >>> journal.start(Header("of the pool", 100, None, {"budget": "10"}, 0), None)
    >>> journal.asked(Asked(1, np.array([7]), None, np.array([0.5]), "CoreSet", 0, {}, 0.1))
    >>> nobody = np.array([], dtype=int)
    >>> journal.told(Told(0, np.array([7]), np.array(["cat"]), nobody, np.ones(1), [None], 0.0))
    1
    >>> asked, told = journal.events(after_batch=0, after_told=0)
    >>> told[0].labels
    array(['cat'], dtype='<U3')
    >>> journal.close()
    >>> folder.cleanup()
    """

    def __init__(self, target: Any) -> None:
        self.target = target
        self._target: Target = resolve(target)
        self._opened: Database | None = None
        self._header: Header | None = None

    def __repr__(self) -> str:
        return f"Journal({self._target.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        target = self.target
        return {"target": os.fspath(target) if isinstance(target, os.PathLike) else target}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Journal.__init__(self, state["target"])

    def exists(self) -> bool:
        """Whether the journal has been started."""
        return self.header() is not None

    def header(self) -> Header | None:
        """What the journal belongs to; None if it has not been started.

        Raises
        ------
        JournalError
            If it was written by a newer version of skactive.
        """
        from skactive.journal._tables import started

        path = self._target.path
        if self._header is None and (path is None or path.exists()):
            with self._database.reading() as connection:
                self._header = started(connection, self._target.name)
        return self._header

    def start(self, header: Header, owned: Told | None) -> None:
        """Write the header and the labels known from the start, as answers of number 0.

        Parameters
        ----------
        header : Header
        owned : Told or None
            None if there are none.

        Raises
        ------
        JournalError
            If the journal has been started before.
        """
        from skactive.journal._schema import SCHEMA_VERSION
        from skactive.journal._tables import create

        nothing = np.empty(0, dtype=np.int64)
        if owned is None:
            owned = Told(0, nothing, None, nothing, np.empty(0), [], 0.0)
        reply = events.reply_rows(owned)
        first = events.header_row(header, SCHEMA_VERSION)
        try:
            with self._database.writing() as connection:
                create(connection, first, reply)
        except RepeatedError as error:
            raise JournalError(
                f"journal == {self._target.name!r} has been started already. Go on with it, or "
                "name another one."
            ) from error
        self._database.sync_folder()
        self._header = header

    def events(self, after_batch: int, after_told: int) -> tuple[list[Asked], list[Told]]:
        """Batches and answers that are newer than those known.

        Parameters
        ----------
        after_batch : int
            Number of the last batch known, 0 if none is.
        after_told : int
            Number of the last answers known, -1 if none are.

        Returns
        -------
        asked : list of Asked
        told : list of Told
        """
        from skactive.journal._tables import read_batches, read_replies, tips

        self._check_started()
        name = self._target.name
        with self._database.reading() as connection:
            last_batch, last_told = tips(connection)
            asked = read_batches(connection, after_batch, name) if last_batch > after_batch else []
            told = read_replies(connection, after_told, name) if last_told > after_told else []
        return [events.asked_of(*rows) for rows in asked], [events.told_of(*rows) for rows in told]

    def rounds(self, after: int) -> list[dict[str, Any]]:
        """Records of rounds, in order, without the first `after` of them."""
        from skactive.journal._tables import read_rounds

        self._check_started()
        with self._database.reading() as connection:
            rows = read_rounds(connection, after, self._target.name)
        return [from_text(row["content"]) for row in rows]

    def asked(self, event: Asked) -> None:
        """Write a batch of questions.

        Raises
        ------
        JournalError
            If the batch, or a question of it, has been written before.
        """
        from skactive.journal._tables import write_batch

        self._check_started()
        batch = events.batch_rows(event)
        try:
            with self._database.writing() as connection:
                write_batch(connection, batch)
        except RepeatedError as error:
            raise JournalError(
                f"journal == {self._target.name!r}: batch {event.batch}, or one of its rows, has "
                "been asked before, by another process or with another copy of the loop. Nothing "
                "of it was written. Let one process at a time ask."
            ) from error

    def told(self, event: Told) -> int:
        """Write answers that came in together.

        Parameters
        ----------
        event : Told
            Its number is not looked at.

        Returns
        -------
        number : int
            The one assigned, counting from 1 in the order in which answers are written.

        Raises
        ------
        JournalError
            If a row has an answer already, and `event` does not replace it.
        """
        from skactive.journal._tables import answered_at, write_reply

        self._check_started()
        reply = events.reply_rows(event)
        try:
            with self._database.writing() as connection:
                return write_reply(connection, reply, replaces=event.replaces)
        except RepeatedError as error:
            rows = np.concatenate([event.rows, event.unknown]).tolist()
            with self._database.reading() as connection:
                moments = answered_at(connection)
            known = [row for row in rows if row in moments]
            raise JournalError(
                f"journal == {self._target.name!r}: {len(known)} of {len(rows)} rows have been "
                f"answered before, for instance { ({row: moments[row] for row in known[:1]}) }. "
                "Nothing of this reply was written. Read what is known, and tell the others again."
            ) from error

    def round_done(self, record: dict[str, Any]) -> None:
        """Write the record of a round.

        Parameters
        ----------
        record : dict
            With an int at ``"round"``, and otherwise numbers, texts, arrays, lists and dicts.

        Raises
        ------
        JournalError
            If that round has been written before.
        """
        from skactive.journal._tables import write_round

        self._check_started()
        try:
            with self._database.writing() as connection:
                write_round(connection, record)
        except RepeatedError as error:
            raise JournalError(
                f"journal == {self._target.name!r}: round {record['round']} has been written "
                "before, by another process or with another copy of the loop. Let one process at "
                "a time ask."
            ) from error

    def asking(self) -> AbstractContextManager[None]:
        """The right to write questions, held inside a ``with`` block.

        The operating system (for PostgreSQL: the server) takes it back when the process ends,
        whatever ends it.

        Raises
        ------
        JournalInUseError
            On entering, if another process, or another object, has it. Says which.
        """
        path = self._target.path
        if path is None:
            return server_lock(self._target)
        return file_lock(path)

    def close(self) -> None:
        """Close the connection. The journal can be used again, which opens another."""
        if self._opened is not None:
            self._opened.close()

    @property
    def _database(self) -> Database:
        if self._opened is None:
            from skactive.journal._database import Database

            self._opened = Database(self._target)
        return self._opened

    def _check_started(self) -> None:
        if self.header() is None:
            raise JournalError(
                f"journal == {self._target.name!r} has not been started: it has no questions. Let "
                "the loop ask first, or correct the name."
            )
