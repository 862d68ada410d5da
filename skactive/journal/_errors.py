"""What a database says went wrong, and what to do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from skactive.exceptions import JournalError

# Part of what SQLite says, and a remedy.
_REMEDIES = (
    (
        ("malformed", "not a database", "disk i/o error"),
        "The file is damaged, or its disk is failing or full. Keep a copy; "
        "skactive.journal.read_journal({name!r}, damaged=True) reads what is left.",
    ),
    (
        ("is full", "file too large"),
        "Nothing of this step was written, all earlier ones are. Make room on the disk and "
        "repeat the call.",
    ),
    (
        ("readonly", "unable to open"),
        "Give this user the right to write to the file and to its folder, or name another file.",
    ),
    (
        ("is locked", "lock timeout"),
        "Another process has been writing for 30 s. End it, or repeat the call.",
    ),
)
_OTHER = "Nothing of this step was written. Repeat the call when the cause is gone."
_SERVER = "Nothing of this step was written. Check that the server is up and repeat the call."


class RepeatedError(JournalError):
    """A row, batch or round is there already."""


@contextmanager
def journal_errors(name: str) -> Iterator[None]:
    """Raise what the database raises as JournalError."""
    from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

    try:
        yield
    except IntegrityError as error:
        raise RepeatedError(f"journal == {name!r}: {error.orig}") from error
    except DBAPIError as error:
        raise _translated(name, error.orig or error) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise _translated(name, error) from error


def _translated(name: str, error: BaseException) -> JournalError:
    text = str(error).strip()
    is_file = isinstance(error, sqlite3.Error)
    remedy = _OTHER if is_file else _SERVER
    for parts, hint in _REMEDIES:
        if any(part in text.lower() for part in parts):
            remedy = hint.format(name=name)
            break
    return JournalError(f"journal == {name!r}: {text}. {remedy}")
