"""Reading and writing the tables inside a transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, func, inspect, select

from skactive._record import Header
from skactive.exceptions import JournalError
from skactive.journal._asking import lock_key
from skactive.journal._events import Row, grouped, header_of, is_intact, numbered, round_row
from skactive.journal._schema import (
    SCHEMA_VERSION,
    answers,
    batches,
    header,
    metadata,
    questions,
    replies,
    rounds,
)
from skactive.journal._target import damaged

Group = tuple[Row, list[Row]]

# Databases limit the parameters of a query.
_IN_A_QUERY = 500


def read_header(connection: Connection, name: str) -> Row | None:
    """The row of the header; None where nothing has been started."""
    if not inspect(connection).has_table(header.name):
        return None
    version = connection.execute(select(header.c.schema_version)).scalar()
    if version is None:
        return None
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"journal == {name!r} was written by a newer skactive (schema {version}; this one "
            f"reads up to {SCHEMA_VERSION}). Run: pip install --upgrade skactive"
        )
    [row] = _rows(connection, select(header))
    _check(row, [], name, "header")
    return row


def started(connection: Connection, name: str) -> Header | None:
    """What `create` has written."""
    row = read_header(connection, name)
    return None if row is None else header_of(row)


def tips(connection: Connection) -> tuple[int, int]:
    """Numbers of the latest batch and the latest reply."""
    last_batch = select(func.max(batches.c.batch)).scalar_subquery()
    last_reply = select(func.max(replies.c.number)).scalar_subquery()
    batch, reply = connection.execute(select(last_batch, last_reply)).one()
    return batch or 0, -1 if reply is None else reply


def read_batches(connection: Connection, after: int, name: str) -> list[Group]:
    """Batches of a higher number, with their questions."""
    return _read_groups(connection, batches, questions, after, name)


def read_replies(connection: Connection, after: int, name: str) -> list[Group]:
    """Replies of a higher number, with their answers."""
    return _read_groups(connection, replies, answers, after, name)


def read_rounds(connection: Connection, after: int, name: str) -> list[Row]:
    """Rounds but for the first ones."""
    query = select(rounds).where(rounds.c.number > after).order_by(rounds.c.number)
    found = _rows(connection, query)
    for number, row in enumerate(found, start=after + 1):
        if row["number"] != number:
            raise damaged(name, f"round {number} is missing")
        _check(row, [], name, f"round {number}")
    return found


def create(connection: Connection, first: Row, owned: Group) -> None:
    """Make the tables, with a header and the labels owned."""
    if connection.dialect.name == "postgresql":  # or two that start would collide
        schema = connection.execute(select(func.current_schema())).scalar_one()
        connection.execute(select(func.pg_advisory_xact_lock(lock_key(f"start {schema}"))))
    metadata.create_all(connection)
    connection.execute(header.insert(), first)
    _insert(connection, replies, answers, numbered(*owned, 0, {}))


def write_batch(connection: Connection, batch: Group) -> None:
    _lock(connection)
    _insert(connection, batches, questions, batch)


def write_reply(connection: Connection, reply: Group, *, replaces: bool) -> int:
    """Give a reply the next number; that number."""
    _lock(connection)
    number = connection.execute(select(func.max(replies.c.number))).scalar_one() + 1
    versions = _next_versions(connection, [row["row"] for row in reply[1]]) if replaces else {}
    _insert(connection, replies, answers, numbered(*reply, number, versions))
    return int(number)


def _next_versions(connection: Connection, rows: list[int]) -> dict[int, int]:
    """Versions of further answers to rows that have one."""
    found: dict[int, int] = {}
    for start in range(0, len(rows), _IN_A_QUERY):
        some = answers.c.row.in_(rows[start : start + _IN_A_QUERY])
        query = select(answers.c.row, func.max(answers.c.version)).where(some)
        for row, version in connection.execute(query.group_by(answers.c.row)):
            found[row] = version + 1
    return found


def write_round(connection: Connection, record: dict[str, Any]) -> None:
    _lock(connection)
    number = connection.execute(select(func.max(rounds.c.number))).scalar() or 0
    connection.execute(rounds.insert(), round_row(record, number + 1))


def answered_at(connection: Connection) -> dict[int, str]:
    """When each row was answered."""
    query = select(answers.c.row, replies.c.answered_at).join(replies)
    return {row: moment for row, moment in connection.execute(query)}


def _lock(connection: Connection) -> None:
    """Let one transaction write at a time, as SQLite does by itself.

    Replies become visible in the order of their numbers then, so that a reader misses none.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(select(header.c.id).with_for_update())


def _insert(connection: Connection, heads: Table, bodies: Table, group: Group) -> None:
    head, body = group
    connection.execute(heads.insert(), head)
    if body:
        connection.execute(bodies.insert(), body)


def _read_groups(
    connection: Connection, heads: Table, bodies: Table, after: int, name: str
) -> list[Group]:
    key = heads.primary_key.columns.keys()[0]
    first = _rows(connection, select(heads).where(heads.c[key] > after).order_by(heads.c[key]))
    places = select(bodies).where(bodies.c[key] > after).order_by(bodies.c[key], bodies.c.place)
    groups = grouped(first, _rows(connection, places), key)
    what = heads.name.removeprefix("skactive_")
    for number, (head, body) in enumerate(groups, start=after + 1):
        if head[key] != number:
            raise damaged(name, f"number {number} of the {what} is missing")
        _check(head, body, name, f"number {number} of the {what}")
    return groups


def _check(head: Row, body: list[Row], name: str, what: str) -> None:
    if not is_intact(head, body):
        raise damaged(name, f"{what} is not as it was written")


def _rows(connection: Connection, query: Any) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]
