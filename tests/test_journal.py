"""The journal in a file, and what is refused."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from skactive.exceptions import JournalError, JournalInUseError
from skactive.journal import Journal, read_journal
from skactive.journal._values import from_text, to_text
from tests.journals import HEADER, NAMES, JournalCases, assert_same, fork, status_of, told


class TestFile(JournalCases):
    """An SQLite file."""

    @pytest.fixture
    def target(self, tmp_path):
        return tmp_path / "labels.db"


def test_asking_does_without_a_note_of_who_asks(tmp_path, monkeypatch):
    def is_full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", is_full)
    journal = Journal(tmp_path / "labels.db")
    with journal.asking(), pytest.raises(JournalInUseError, match="another process asks"):
        journal.asking().__enter__()


def containers(inner):
    pairs = st.tuples(inner, inner)
    return st.lists(inner) | pairs | st.dictionaries(NAMES | st.just("$"), inner)


@given(st.recursive(NAMES | st.none() | st.floats(), containers, max_leaves=8))
def test_values_come_back_equal(value):
    text = to_text(value, "value")
    assert text.isascii()
    assert_same(from_text(text), value)


def test_ints_too_long_to_be_printed():
    assert from_text(to_text(-(3**20_000), "value")) == -(3**20_000)


SCALARS = [np.int32(3), np.float32(0.1), np.str_("a"), np.bool_(True), np.bytes_(b"a")]


@pytest.mark.parametrize("value", SCALARS)
def test_numpy_scalars_come_back_as_equal_python_values(value):
    found = from_text(to_text(value, "value"))
    assert found == value
    assert type(found) is type(value.item())


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = Journal("labels.db")
    journal.start(HEADER, None)
    journal.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert journal.exists()
    assert Journal(f"sqlite:///{tmp_path}/labels.db").header() == HEADER
    assert Journal(sqlalchemy.URL.create("sqlite", database=f"{tmp_path}/labels.db")).exists()
    assert os.listdir() == []
    journal.close()


def test_a_closed_journal_is_one_file(tmp_path):
    journal = Journal(tmp_path / "ä b%?#.db")
    journal.start(HEADER, None)
    journal.close()
    assert os.listdir(tmp_path) == ["ä b%?#.db"]
    assert read_journal(tmp_path / "ä b%?#.db")["header"][0]["seed"] == HEADER.seed


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (":memory:", "lost with the process"),
        ("sqlite://", "lost with the process"),
        ("sqlite:///:memory:", "lost with the process"),
        ("", "lost with the process"),
        ("sqlite:///file:x.db?uri=true", "has options"),
        ("mysql://ann:secret@host/labels", "got mysql"),
        ("what://", "cannot read|got what"),
        (3, "got int"),
    ],
)
def test_refuses_what_cannot_be_a_journal(target, message):
    with pytest.raises(JournalError, match=message) as caught:
        Journal(target)
    assert "journal" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_refuses_a_folder_and_a_path_to_nowhere(tmp_path):
    for method in ("exists", "start"):
        arguments = () if method == "exists" else (HEADER, None)
        with pytest.raises(JournalError, match="is a folder"):
            getattr(Journal(tmp_path), method)(*arguments)
    nowhere = tmp_path / "missing" / "labels.db"
    with pytest.raises(JournalError, match="missing' does not exist. Make it"):
        Journal(nowhere).start(HEADER, None)
    with pytest.raises(JournalError, match="does not exist"), Journal(nowhere).asking():
        pass
    with pytest.raises(JournalError, match="does not exist"):
        read_journal(tmp_path / "labels.db")
    assert os.listdir(tmp_path) == []


def test_refuses_a_file_of_another_kind(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("row,label\n1,cat\n")
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path).exists()
    assert path.read_text() == "row,label\n1,cat\n"


def test_an_empty_file_becomes_a_journal(tmp_path):
    path = tmp_path / "labels.db"
    path.touch()
    journal = Journal(path)
    assert not journal.exists()
    with pytest.raises(JournalError, match="holds nothing"):
        read_journal(path)
    journal.start(HEADER, None)
    assert journal.exists()
    journal.close()


def test_lives_beside_the_tables_of_others(tmp_path):
    path = tmp_path / "all.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE header (mine TEXT)")
        connection.execute("INSERT INTO header VALUES ('kept')")
    connection.close()
    journal = Journal(path)
    assert not journal.exists()
    journal.start(HEADER, None)
    journal.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT * FROM header").fetchall() == [("kept",)]
    names = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")
    }
    connection.close()
    assert all(name == "header" or name.startswith("skactive_") for name in names)
    assert len(names) == 7


def test_refuses_a_newer_schema(tmp_path):
    journal = Journal(tmp_path / "labels.db")
    journal.start(HEADER, None)
    journal.close()
    connection = sqlite3.connect(tmp_path / "labels.db", isolation_level=None)
    connection.execute("UPDATE skactive_header SET schema_version = 2")
    connection.close()
    for read in (Journal(journal.target).exists, lambda: read_journal(journal.target)):
        with pytest.raises(JournalError, match="newer skactive .schema 2"):
            read()


def test_notices_that_the_file_was_replaced(tmp_path):
    path = tmp_path / "labels.db"
    journal = Journal(path)
    journal.start(HEADER, None)
    path.rename(tmp_path / "moved.db")
    with pytest.raises(JournalError, match="removed or replaced"):
        journal.told(told([1], np.array(["cat"])))
    (tmp_path / "moved.db").rename(path)
    assert journal.told(told([1], np.array(["cat"]))) == 1
    journal.close()


def test_writes_reach_the_disk(tmp_path):
    journal = Journal(tmp_path / "labels.db")
    journal.start(HEADER, None)
    with journal._database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }
    journal.close()


@pytest.mark.parametrize("with_log", [False, True])
def test_reads_a_read_only_folder(with_log):
    """As an archive is, by a user who may not write."""
    folder = Path(tempfile.mkdtemp())  # those above it may be read by everyone
    journal = Journal(folder / "labels.db")
    journal.start(HEADER, told([1], np.array(["cat"])))
    if not with_log:
        journal.close()

    def read():
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        assert read_journal(journal.target)["answers"][0]["label"] == "cat"
        with pytest.raises(JournalError, match="right to write"), journal.asking():
            pass
        with pytest.raises(JournalError, match="right to write"):
            Journal(journal.target).told(told([2], np.array(["dog"])))

    try:
        folder.chmod(0o555)
        assert status_of(fork(read)) == 0
    finally:
        folder.chmod(0o755)
        journal.close()
        shutil.rmtree(folder)


def test_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy.engine", None)
    with pytest.raises(ImportError, match=r'pip install "skactive\[journal\]"'):
        Journal(tmp_path / "labels.db")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ImportError, match=r'pip install "skactive\[postgresql\]"'):
        Journal("postgresql://nobody@localhost/none").exists()


def test_needs_sqlalchemy_only_for_journals():
    code = "import sys, skactive, skactive.journal; assert 'sqlalchemy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0


def test_a_server_that_does_not_answer():
    journal = Journal("postgresql://ann:secret@localhost:1/none")
    with pytest.raises(JournalError, match="Check that the server is up") as caught:
        journal.exists()
    assert "secret" not in str(caught.value) + repr(journal)
    with pytest.raises(JournalError, match="Check that the server is up"), journal.asking():
        pass
