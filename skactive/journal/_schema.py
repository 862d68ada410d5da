"""The tables of a journal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

metadata = MetaData()

# Rows, counts and versions are ints, moments ISO 8601 in UTC, and everything else that is text is
# JSON. NaN is NULL, since SQLite has none. `checksum` is the CRC-32 of what came in together.
header = Table(
    "skactive_header",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # 1
    Column("schema_version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("checksum", BigInteger, nullable=False),
)
batches = Table(
    "skactive_batches",
    metadata,
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("asked_at", Text, nullable=False),
    Column("selected_by", Text, nullable=False),
    Column("n_told", Integer, nullable=False),
    Column("measures", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("checksum", BigInteger, nullable=False),
)
questions = Table(
    "skactive_questions",
    metadata,
    Column("batch", ForeignKey(batches.c.batch), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("row", BigInteger, nullable=False, unique=True),
    Column("name", Text),  # NULL where rows have no ids
    Column("gain", Double),
)
replies = Table(
    "skactive_replies",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("answered_at", Text, nullable=False),
    Column("dtype", Text),  # of the labels; NULL where there are none
    Column("shape", Text),  # of one label
    Column("seconds", Double, nullable=False),
    Column("checksum", BigInteger, nullable=False),
)
answers = Table(
    "skactive_answers",
    metadata,
    Column("number", ForeignKey(replies.c.number), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("row", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),  # 0, and one more for each correction
    Column("label", Text),  # NULL where nobody can label the row
    Column("cost", Double),
    Column("details", Text),
    UniqueConstraint("row", "version"),
)
rounds = Table(
    "skactive_rounds",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("round", Integer, nullable=False, unique=True),
    Column("content", Text, nullable=False),
    Column("checksum", BigInteger, nullable=False),
)
