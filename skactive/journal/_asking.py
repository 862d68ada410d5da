"""The right to ask, which one process has at a time."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from skactive.exceptions import JournalInUseError
from skactive.journal._target import Target, check_file

_held: set[int] = set()  # file numbers of the connections that hold a lock
_HOLDER = """
SELECT activity.application_name, activity.client_addr, activity.backend_start
FROM pg_locks JOIN pg_stat_activity AS activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = :high AND objid = :low AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """A lock that the operating system frees when its holder ends, however it ends.

    It is SQLite's lock of an empty database beside the journal: processes forked meanwhile do not
    inherit it, as they would a lock of an open file.
    """
    from skactive.journal._errors import journal_errors

    check_file(path)
    note = path.with_name(path.name + ".holder")
    with journal_errors(str(path)):
        connection = sqlite3.connect(
            f"{path}.lock", timeout=0, isolation_level=None, check_same_thread=False
        )
    with closing(connection):
        with journal_errors(str(path)):
            try:
                connection.execute("PRAGMA journal_mode = MEMORY")  # leaves no file behind
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise _in_use(str(path), read_note(note)) from None
        pid, since = os.getpid(), datetime.now(UTC).isoformat(timespec="seconds")
        with suppress(OSError):  # on a full disk others are refused without being told by whom
            note.write_text(json.dumps({"pid": pid, "host": socket.gethostname(), "since": since}))
        try:
            yield
        finally:
            if os.getpid() == pid:
                note.unlink(missing_ok=True)


@contextmanager
def server_lock(target: Target) -> Iterator[None]:
    """A lock that the server frees when its holder's connection ends, also in forked processes."""
    from sqlalchemy import NullPool, text

    from skactive.journal._database import server_engine
    from skactive.journal._errors import journal_errors

    engine = server_engine(target, NullPool, isolation_level="AUTOCOMMIT")
    with journal_errors(target.name):
        connection = engine.connect()
    with connection:
        with journal_errors(target.name):
            schema = connection.execute(text("SELECT current_schema()")).scalar_one()
            key = lock_key(f"asking {schema}")
            taken = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
            if not taken.scalar_one():
                halves = {"high": key >> 32, "low": key & 0xFFFFFFFF}
                holder = connection.execute(text(_HOLDER), halves).first()
                raise _in_use(target.name, _describe(holder))
        number = connection.connection.fileno()
        _held.add(number)
        try:
            yield
        finally:
            _held.discard(number)


def _let_go_in_child() -> None:
    """Or a worker that outlives the holder would keep its connection open."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in _held:
        os.dup2(nothing, number, inheritable=False)
    os.close(nothing)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


def lock_key(purpose: str) -> int:
    """A number of 63 bits for PostgreSQL, where locks have no names."""
    digest = blake2b(f"skactive {purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def _describe(row: Any) -> str:
    if row is None:  # it has just ended
        return "another process"
    process = str(row.application_name).removeprefix("skactive ")
    address = f" ({row.client_addr})" if row.client_addr else ""
    return f"process {process}{address} since {row.backend_start}"


def read_note(note: Path) -> str:
    with suppress(OSError, ValueError, KeyError):  # it may be about to be written or removed
        holder = json.loads(note.read_text())
        return f"process {holder['pid']}@{holder['host']} since {holder['since']}"
    return "another process"


def _in_use(name: str, holder: str) -> JournalInUseError:
    return JournalInUseError(
        f"journal == {name!r}: {holder} asks questions with it. Wait for it, end it, or use "
        "another journal; answers can be told meanwhile."
    )
