"""Rows in the pages of an SQLite file, without SQLite, which stops at the first bad page.

The format is described at https://www.sqlite.org/fileformat2.html; section numbers refer to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_DEFAULT_SIZE = 4096
_TABLE_LEAF = 13  # section 1.6
_INTEGER_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # section 2.1


class Record(NamedTuple):
    """One row of some table."""

    rowid: int
    values: list[Any]


class Pages:
    """All images of all pages, those in the write-ahead log too.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        log_path = path.with_name(path.name + "-wal")
        log = log_path.read_bytes() if log_path.exists() else b""
        self.size = _page_size(data, log)
        usable = self.size - data[20] if len(data) > 20 else self.size
        self.usable = usable if usable >= 480 else self.size  # section 1.3.4
        self.images: list[tuple[int, bytes]] = []
        for start in range(0, len(data), self.size):
            page = data[start : start + self.size].ljust(self.size, b"\0")
            self.images.append((start // self.size + 1, page))
        self.images += _logged_pages(log, self.size)
        self.latest = dict(self.images)

    def records(self) -> Iterator[Record]:
        """Rows of all tables, in no order; some may be found twice, and some be nonsense."""
        for number, page in self.images:
            start = 100 if number == 1 else 0
            if page[start] != _TABLE_LEAF:
                continue
            n_cells = int.from_bytes(page[start + 3 : start + 5])
            for place in range(start + 8, start + 8 + 2 * n_cells, 2):
                try:
                    yield self._record(page, int.from_bytes(page[place : place + 2]))
                except (IndexError, KeyError, ValueError, struct.error):
                    continue  # what cannot be read is what this is for

    def _record(self, page: bytes, start: int) -> Record:
        n_bytes, start = _varint(page, start)
        rowid, start = _varint(page, start)
        payload = self._payload(page, start, n_bytes)
        header_size, place = _varint(payload, 0)
        values, value_start = [], header_size
        while place < header_size:
            kind, place = _varint(payload, place)
            value, value_start = _value(payload, value_start, kind)
            values.append(value)
        if value_start != n_bytes:
            raise ValueError("The record is longer or shorter than its columns.")
        return Record(rowid - 2**64 if rowid >= 2**63 else rowid, values)

    def _payload(self, page: bytes, start: int, n_bytes: int) -> bytes:
        """Bytes of a record, which may continue on other pages (section 1.6)."""
        most, least = self.usable - 35, (self.usable - 12) * 32 // 255 - 23
        if n_bytes <= most:
            return page[start : start + n_bytes]
        n_here = least + (n_bytes - least) % (self.usable - 4)
        n_here = least if n_here > most else n_here
        parts, missing = [page[start : start + n_here]], n_bytes - n_here
        next_page = int.from_bytes(page[start + n_here : start + n_here + 4])
        while missing > 0:
            page = self.latest[next_page]
            parts.append(page[4 : 4 + min(missing, self.usable - 4)])
            missing -= len(parts[-1])
            next_page = int.from_bytes(page[:4])
        return b"".join(parts)


def _page_size(data: bytes, log: bytes) -> int:
    size = int.from_bytes(data[16:18])
    for found in (65536 if size == 1 else size, int.from_bytes(log[8:12])):
        if 512 <= found <= 65536 and found & (found - 1) == 0:
            return found
    return _DEFAULT_SIZE


def _logged_pages(log: bytes, size: int) -> list[tuple[int, bytes]]:
    """Pages of committed transactions (section 4.1)."""
    pages, n_committed = [], 0
    for start in range(32, len(log) - 24 - size + 1, 24 + size):
        number, size_after_commit = struct.unpack(">II", log[start : start + 8])
        if log[start + 8 : start + 16] != log[16:24]:  # left from before the last checkpoint
            break
        pages.append((number, log[start + 24 : start + 24 + size]))
        n_committed = len(pages) if size_after_commit else n_committed
    return pages[:n_committed]


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """A number, and where it ends (section 1.6)."""
    value = 0
    for place in range(start, start + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[start + 8], start + 9


def _value(data: bytes, start: int, kind: int) -> tuple[Any, int]:
    """A value, and where it ends (section 2.1)."""
    if kind == 0:
        return None, start
    if kind in (8, 9):
        return kind - 8, start
    if kind == 7:
        return struct.unpack(">d", data[start : start + 8])[0], start + 8
    n_bytes = _INTEGER_SIZES[kind] if kind < 12 else (kind - 12) // 2
    part = data[start : start + n_bytes]
    if len(part) != n_bytes:
        raise ValueError("The record ends before its columns do.")
    if kind < 12:
        return int.from_bytes(part, signed=True), start + n_bytes
    return part.decode() if kind % 2 else part, start + n_bytes
