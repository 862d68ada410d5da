"""The journal on a PostgreSQL server, which is started here where Debian's package is installed."""

import getpass
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from skactive.exceptions import JournalError, JournalInUseError
from skactive.journal import Journal, read_journal
from tests.journals import HEADER, JournalCases, fork, may_fork, status_of, told

pytest.importorskip("psycopg", reason='needs pip install "skactive[postgresql]"')
_numbers = itertools.count()


def find_binaries():
    """The folder of initdb and pg_ctl, of the newest version; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: p.parts[4])
    in_path = shutil.which("initdb")
    return found[-1].parent if found else Path(in_path).parent if in_path else None


@pytest.fixture(scope="session")
def server():
    """URL of a server that listens on a socket in a folder of its own."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server: run tests/install_postgresql.sh")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # socket paths must be short
    other = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        other = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"

    def run(name, *arguments):
        command = [binaries / name, "-D", data, *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **other)

    run("initdb", "-A", "trust", "-U", "ann", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
    run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
    try:
        yield make_url(f"postgresql+psycopg://ann@/postgres?host={folder}"), run
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def target(server):
    """A schema of its own."""
    name = f"tests_{next(_numbers)}"
    engine = create_engine(server[0])
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    engine.dispose()
    return server[0].update_query_dict({"options": f"-csearch_path={name}"})


class TestServer(JournalCases):
    """PostgreSQL."""


def test_urls_without_a_driver(target):
    url = target.set(drivername="postgresql").render_as_string(hide_password=False)
    journal = Journal(url)
    journal.start(HEADER, None)
    assert Journal(target).header() == HEADER
    assert read_journal(url)["header"][0]["seed"] == HEADER.seed
    assert getpass.getuser() not in repr(journal) or getpass.getuser() == "ann"
    journal.close()


def test_two_schemas_are_two_journals(server, target):
    journal, other = Journal(target), Journal(server[0])
    journal.start(HEADER, None)
    assert not other.exists()
    with journal.asking(), other.asking():
        pass
    journal.close()
    other.close()


def test_goes_on_after_a_restart_of_the_server(server, target):
    journal = Journal(target)
    journal.start(HEADER, None)
    journal.told(told([1], np.array(["cat"])))
    server[1]("pg_ctl", "-w", "-m", "immediate", "stop")
    with pytest.raises(JournalError, match="Check that the server is up"):
        journal.told(told([2], np.array(["cat"])))
    options = f"-c listen_addresses='' -c unix_socket_directories={server[0].query['host']}"
    server[1]("pg_ctl", "-w", "-l", os.devnull, "-o", options, "start")
    assert journal.told(told([2], np.array(["cat"]))) == 2
    assert [reply.rows[0] for reply in journal.events(0, 0)[1]] == [1, 2]
    journal.close()


@may_fork
def test_names_the_process_that_asks(target):
    journal = Journal(target)

    def ask():
        with pytest.raises(JournalInUseError, match=f"process {os.getppid()}@"), journal.asking():
            pass

    with journal.asking():
        assert status_of(fork(ask)) == 0
    journal.close()


def test_damaged_is_for_files(target):
    with pytest.raises(JournalError, match="for SQLite files"):
        read_journal(target, damaged=True)
