"""What a journal's address means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from skactive._extras import require
from skactive.exceptions import JournalError

_ALLOWED = (
    "a path, or an SQLAlchemy URL such as 'sqlite:///labels.db' or "
    "'postgresql+psycopg://user@host/database'"
)


class Target(NamedTuple):
    """A database: a file, or a server's URL."""

    path: Path | None
    url: Any  # sqlalchemy.URL
    name: str  # for messages; without the password


def resolve(target: Any) -> Target:
    """Which database is meant; nothing is opened."""
    url_class, make_url = _import_sqlalchemy()
    if isinstance(target, url_class):
        url = target
    elif isinstance(target, str) and "://" in target:
        try:
            url = make_url(target)
        except Exception as error:  # SQLAlchemy does not name them all
            raise JournalError(
                f"journal is a URL that SQLAlchemy cannot read ({type(error).__name__}); must be "
                f"{_ALLOWED}. Write special characters of a password as %xx."
            ) from error
    elif isinstance(target, str | os.PathLike):
        return _file(os.fspath(target), url_class)
    else:
        raise JournalError(
            f"journal == {target!r}, must be {_ALLOWED}; got {type(target).__name__}."
        )
    return _from_url(url, url_class)


def check_file(path: Path) -> None:
    """Refuse what cannot become or be an SQLite file of ours."""
    if path.is_dir():
        raise JournalError(
            f"journal == {str(path)!r} is a folder. Name a file in it: {str(path / 'labels.db')!r}."
        )
    if not path.parent.is_dir():
        raise JournalError(
            f"journal == {str(path)!r}: the folder {str(path.parent)!r} does not exist. Make it, "
            "or correct the name."
        )
    if not path.exists():
        return
    try:
        with open(path, "rb") as file:
            start = file.read(18)
    except OSError as error:
        raise JournalError(
            f"journal == {str(path)!r} cannot be opened: {error.strerror}. Change the file's "
            "permissions, or name another file."
        ) from error
    if start and start[:16] != b"SQLite format 3\0":
        raise JournalError(
            f"journal == {str(path)!r} is not a journal: the file does not begin like an SQLite "
            "database. Name another file. If it was a journal and is damaged, "
            f"skactive.journal.read_journal({str(path)!r}, damaged=True) reads what is left."
        )
    page_size = max(1, int.from_bytes(start[16:]))
    # SQLite reads zeros beyond the end. With a log the end may be there.
    if path.stat().st_size % page_size and not has_log(path):
        raise damaged(str(path), "its end is missing")


def has_log(path: Path) -> bool:
    """Whether a part of the journal is in SQLite's write-ahead log."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def damaged(name: str, what: str) -> JournalError:
    """The error for contents that cannot be right."""
    return JournalError(
        f"journal == {name!r} is damaged: {what}. Keep a copy; skactive.journal.read_journal("
        f"{name!r}, damaged=True) reads what is left."
    )


def _file(path: str | bytes, url_class: Any) -> Target:
    path = os.fsdecode(path)
    if path == ":memory:" or not path:
        raise JournalError(
            f"journal == {path!r} would be lost with the process. Name a file, for instance "
            "journal='labels.db'."
        )
    absolute = Path(os.path.abspath(path))  # the working directory may change
    return Target(absolute, url_class.create("sqlite", database=str(absolute)), str(absolute))


def _from_url(url: Any, url_class: Any) -> Target:
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.query or (url.database or "").startswith("file:"):
            raise JournalError(
                f"journal == {str(url)!r} has options, which a journal sets itself. Name the file "
                "only: 'sqlite:///labels.db'."
            )
        return _file(url.database or "", url_class)
    name = url.render_as_string(hide_password=True)
    if backend not in ("postgresql", "postgres"):
        raise JournalError(f"journal == {name!r}, must be {_ALLOWED}; got {backend}.")
    if url.drivername != "postgresql+psycopg":
        url = url.set(drivername="postgresql+psycopg")
    return Target(None, url, name)


def _import_sqlalchemy() -> tuple[Any, Any]:
    engine = require("sqlalchemy.engine", "journal", "A journal")
    return engine.URL, engine.make_url
