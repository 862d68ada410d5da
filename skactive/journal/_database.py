"""Transactions of a journal's database."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from skactive._extras import require
from skactive.exceptions import JournalError
from skactive.journal._errors import journal_errors
from skactive.journal._target import Target, check_file, damaged, has_log

_SECONDS_TO_WAIT = 30
_inherited: list[Engine] = []  # of the parent process; closing them here would disturb it


class Database:
    """One connection, opened at the first transaction and kept.

    Parameters
    ----------
    target : Target
    read_only : bool
        Change nothing, not even the way in which a file is kept.
    """

    def __init__(self, target: Target, read_only: bool = False) -> None:
        self.target = target
        self.read_only = read_only
        self._forget()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment."""
        with self._transaction({"isolation_level": "REPEATABLE READ"}) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is durable when the block has ended."""
        with self._transaction({"skactive_writes": True}) as connection:
            self._refuse_other_file()
            yield connection

    def sync_folder(self) -> None:
        """Make the name of a new file durable."""
        path = self.target.path
        if path is not None and os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Close the connection; the next transaction opens another."""
        if self._finalizer is not None and self._pid == os.getpid():
            with self._lock:
                self._finalizer()
        self._forget()

    def _forget(self) -> None:
        self._engine: Engine | None = None
        self._finalizer: Any = None
        self._inode: tuple[int, int] | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Connection]:
        if self._pid != os.getpid():
            if self._engine is not None:
                _inherited.append(self._engine)
                self._finalizer.detach()
            self._forget()
        path = self.target.path
        with self._lock, journal_errors(self.target.name):
            if self._engine is None:
                self._open()
            assert self._engine is not None
            if path is not None:
                options.pop("isolation_level", None)
            with self._engine.connect().execution_options(**options) as connection:
                with connection.begin():
                    yield connection

    def _open(self) -> None:
        path = self.target.path
        if path is None:
            engine = server_engine(self.target, QueuePool, pool_size=1, max_overflow=0)
        else:
            check_file(path)
            engine = _file_engine(self.target, self.read_only)
        try:
            with engine.connect():  # so that an unusable database is not kept
                pass
        except BaseException:
            engine.dispose()
            raise
        self._engine, self._finalizer = engine, weakref.finalize(self, engine.dispose)
        if path is not None:
            self._inode = _inode(path)

    def _refuse_other_file(self) -> None:
        path = self.target.path
        if path is not None and (not path.exists() or _inode(path) != self._inode):
            raise JournalError(
                f"journal == {str(path)!r} was removed or replaced while in use, so that nothing "
                "can be written to it. Put the file back and start again."
            )


def server_engine(target: Target, pool: Any, **options: Any) -> Engine:
    """Connections to PostgreSQL that wait for the disk and not for ever."""
    defaults = {
        "application_name": f"skactive {os.getpid()}@{socket.gethostname()}"[:63],
        "connect_timeout": _SECONDS_TO_WAIT,
        "keepalives_idle": 30,  # a vanished machine does not hold its lock for hours
    }
    arguments = {key: value for key, value in defaults.items() if key not in target.url.query}
    require("psycopg", "postgresql", "A journal on PostgreSQL")
    engine = create_engine(
        target.url, poolclass=pool, connect_args=arguments, hide_parameters=True, **options
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{_SECONDS_TO_WAIT}s'")
            cursor.execute("SET synchronous_commit = on")
        connection.commit()

    return engine


def _file_engine(target: Target, read_only: bool) -> Engine:
    """A connection to an SQLite file that is checked first."""
    assert target.path is not None
    address = target.path.as_uri() + _mode(target.path, read_only)

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, timeout=_SECONDS_TO_WAIT, check_same_thread=False)

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions on its own
        connection.execute("PRAGMA foreign_keys = ON")
        findings = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if findings != [("ok",)]:
            raise damaged(target.name, str(findings[0][0]).replace("\n", " "))
        if not read_only:
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("skactive_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_write_ahead_log(connection: Any) -> None:
    """Let readers and a writer work at once, where the file system can do it."""
    deadline = time.monotonic() + _SECONDS_TO_WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:  # SQLite does not wait here by itself
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _mode(path: Path, read_only: bool) -> str:
    if not read_only:
        return "?mode=rwc"
    if not has_log(path) and not os.access(path.parent, os.W_OK):
        return "?mode=ro&immutable=1"  # SQLite cannot make the files that readers share
    return "?mode=ro"


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
