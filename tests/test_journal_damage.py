"""Damaged files and full disks: noticed, explained, and read as far as possible."""

import os
import resource
import signal
import sqlite3

import numpy as np
import pytest

from skactive.exceptions import JournalError
from skactive.journal import Journal, read_journal
from skactive.journal._pages import Pages
from tests.journals import HEADER, asked, assert_same, fork, may_fork, record, status_of, told

PAGE = 4096
N_ROUNDS = 120


def write(path):
    """A journal of 120 rounds of 4 rows, some with long texts."""
    journal = Journal(path)
    journal.start(HEADER, told([5, 7], np.array(["cat", "dog"])))
    for number in range(1, N_ROUNDS + 1):
        rows = np.arange(4) + 10 * number
        gains = [0.5, 1.0, np.nan, -3.25]
        journal.asked(asked(number, rows, [f"name {row}" for row in rows], gains))
        text = "x" * 20_000 if number == 60 else "cat"
        labels = np.array([text, "dog", f"label {number}"])
        journal.told(told(rows[:3], labels, rows[3:], [1, 2.5, 0, 1], [{"by": "Ann"}] + 3 * [None]))
        journal.round_done(record(number))
    return journal


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    path = tmp_path_factory.mktemp("original") / "labels.db"
    write(path).close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def truth(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "labels.db"
    path.write_bytes(original)
    return read_journal(path)


def without_mark(rows):
    return [{key: value for key, value in row.items() if key != "intact"} for row in rows]


def assert_noticed(path, truth):
    """Reading gives all or an error with a remedy; True for the error."""
    try:
        assert_same(read_journal(path), truth)
    except JournalError as error:
        assert "journal == " in str(error)
        return True
    return False


def salvaged(path, truth):
    """Answers in a damaged file; those that are said to be intact are true."""
    try:
        found = read_journal(path, damaged=True)
    except JournalError as error:
        assert "nothing in it can be read" in str(error)
        return []
    true = {answer["row"]: answer for answer in truth["answers"]}
    own = ("row", "label", "unknown", "cost", "details", "number", "answered_at")
    for answer in found["answers"]:
        if answer["intact"]:
            for name in own:
                assert_same(answer[name], true[answer["row"]][name])
    return found["answers"]


def test_a_sound_file_is_salvaged_whole(tmp_path, original, truth):
    (tmp_path / "labels.db").write_bytes(original)
    found = read_journal(tmp_path / "labels.db", damaged=True)
    assert all(row["intact"] for row in found["answers"] + found["questions"])
    for name in truth:
        assert_same(without_mark(found[name]), truth[name])


def test_an_open_file_is_salvaged_with_its_log(tmp_path, truth):
    journal = write(tmp_path / "labels.db")
    assert (tmp_path / "labels.db-wal").stat().st_size > 0
    found = read_journal(tmp_path / "labels.db", damaged=True)
    assert_same(without_mark(found["answers"]), read_journal(tmp_path / "labels.db")["answers"])
    assert all(row["intact"] for row in found["answers"])
    journal.close()


def test_flipped_bits_are_noticed(tmp_path, original, truth):
    path, rng, n_noticed = tmp_path / "labels.db", np.random.default_rng(0), 0
    for _ in range(60):
        damaged = bytearray(original)
        for place in rng.integers(len(original), size=rng.integers(1, 4)):
            damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        n_noticed += assert_noticed(path, truth)
        assert len(salvaged(path, truth)) > 0.8 * len(truth["answers"])
    assert n_noticed > 20  # others hit unused space


def test_lost_pages_are_noticed_and_cost_only_their_own_rows(tmp_path, original, truth):
    path, rng = tmp_path / "labels.db", np.random.default_rng(0)
    n_pages = len(original) // PAGE
    for page in range(n_pages):
        damaged = bytearray(original)
        noise = rng.bytes(PAGE) if page % 2 else bytes(PAGE)
        damaged[page * PAGE : (page + 1) * PAGE] = noise
        path.write_bytes(damaged)
        assert assert_noticed(path, truth)
        assert len(salvaged(path, truth)) > len(truth["answers"]) - 200  # a page of answers


def test_truncation_is_noticed(tmp_path, original, truth):
    path, rng = tmp_path / "labels.db", np.random.default_rng(0)
    lengths = [1, 15, 16, 99, 100, PAGE - 1, PAGE, PAGE + 1, len(original) - 1]
    lengths += rng.integers(len(original), size=40).tolist()
    n_before = 0
    for length in sorted(lengths):
        path.write_bytes(original[:length])
        assert assert_noticed(path, truth)
        with pytest.raises(JournalError):
            Journal(path).told(told([1], np.array(["cat"])))
        assert path.read_bytes() == original[:length]
        n_found = len(salvaged(path, truth))
        assert n_found >= n_before - 1
        n_before = n_found
    assert n_before > 0.9 * len(truth["answers"])


def test_a_damaged_file_is_not_written_to(tmp_path, original):
    path = tmp_path / "labels.db"
    damaged = bytearray(original)
    damaged[5 * PAGE : 6 * PAGE] = bytes(PAGE)
    path.write_bytes(damaged)
    journal = Journal(path)
    for act in (
        journal.exists,
        lambda: journal.told(told([1], np.array(["cat"]))),
        lambda: journal.start(HEADER, None),
    ):
        with pytest.raises(JournalError, match="damaged=True"):
            act()
    assert path.read_bytes() == damaged


def test_changed_values_are_noticed(tmp_path, original):
    """SQLite itself sees no harm in them."""
    path = tmp_path / "labels.db"
    for change in (
        "UPDATE skactive_answers SET label = '\"fox\"' WHERE row = 11",
        "UPDATE skactive_answers SET cost = 3 WHERE row = 11",
        "UPDATE skactive_questions SET gain = 3 WHERE row = 12",
        "DELETE FROM skactive_answers WHERE row = 11",
        "UPDATE skactive_rounds SET content = '{}' WHERE number = 3",
        "DELETE FROM skactive_rounds WHERE number = 3",
        "UPDATE skactive_header SET content = replace(content, 'ITL', 'VTL')",
    ):
        path.write_bytes(original)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(change)
        connection.close()
        with pytest.raises(JournalError, match="is damaged"):
            read_journal(path)
        journal = Journal(path)
        with pytest.raises(JournalError, match="is damaged"):
            journal.events(0, -1)
            journal.rounds(0)
        journal.close()


def test_pages_are_read_as_sqlite_reads_them(tmp_path):
    """All kinds of values, over one page and over several."""
    path = tmp_path / "any.db"
    rng = np.random.default_rng(0)
    ints = [0, 1, -1, *(sign * 2**bits for bits in (6, 7, 14, 20, 30, 45, 62) for sign in (1, -1))]
    rows = [(n, float(rng.normal()), "ä" * int(rng.integers(9000)), None, b"\0") for n in ints]
    rows += [(n, 0.5, "x" * n, None, bytes(n)) for n in range(4000, 4120)]
    for page_size in (512, 4096, 65536):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(f"PRAGMA page_size = {page_size}")
        connection.execute("CREATE TABLE t (a INTEGER, b REAL, c TEXT, d TEXT, e BLOB)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        connection.close()
        found = [record for record in Pages(path).records() if record.values[0] != "table"]
        found.sort(key=lambda record: record.rowid)
        assert [tuple(record.values) for record in found] == rows
        path.unlink()


def fill(path, limit):
    """Write until the file may not grow any more, then with more room."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal, number = Journal(path), 0
    try:
        while True:
            number += 1
            assert journal.told(told([number], np.array(["x" * 3000]))) == number
    except JournalError as error:
        assert "Make room" in str(error) or "disk" in str(error)
    before = journal.events(0, 0)[1]
    assert [reply.number for reply in before] == list(range(1, number))
    with pytest.raises(JournalError):
        journal.asked(asked(1, np.arange(3000)))
    assert journal.events(0, 0)[0] == []
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
    assert journal.told(told([number], np.array(["later"]))) == number
    journal.asked(asked(1, np.arange(3000)))
    journal.close()


@may_fork
@pytest.mark.parametrize("kilobytes", [40, 100, 333, 1000])
def test_a_full_disk_costs_nothing(tmp_path, kilobytes):
    path = tmp_path / "labels.db"
    journal = Journal(path)
    journal.start(HEADER, None)
    journal.close()
    child = fork(lambda: fill(path, kilobytes * 1024))
    assert status_of(child) == 0
    found = read_journal(path)
    assert found["answers"][-1]["label"] == "later"
    assert [answer["number"] for answer in found["answers"]] == list(
        range(1, len(found["answers"]) + 1)
    )


@may_fork
def test_no_room_to_begin(tmp_path):
    path = tmp_path / "labels.db"

    def begin():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, unlimited))
        journal = Journal(path)
        with pytest.raises(JournalError):
            journal.start(HEADER, None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
        journal.start(HEADER, None)
        journal.close()

    assert status_of(fork(begin)) == 0
    assert Journal(path).header() == HEADER
    assert os.listdir(tmp_path) == ["labels.db"]
