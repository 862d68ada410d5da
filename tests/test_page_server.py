"""``skactive label`` as a process: what it answers on the wire, how it starts and ends."""

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from skactive.cli import main
from skactive.journal import read_journal
from tests.browser import Server
from tests.pages import write_pool

pytest.importorskip("starlette", reason='the page is not installed: pip install "skactive[page]"')
pytest.importorskip("uvicorn", reason='the page is not installed: pip install "skactive[page]"')

OPTIONS = ["pool.csv", "--labels", "left,right", "--columns", "x,y", "--journal", "labels.db"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    write_pool(folder / "pool.csv")
    (folder / "secret.txt").write_text("nobody may read this")
    with Server(folder, *OPTIONS) as server:
        server.folder = folder
        yield server


def wire(server, request):
    """What comes back for bytes, until the server closes."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        connection.sendall(request)
        with suppress(OSError):  # the server has closed it already
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def get(server, target, *lines):
    host = urlsplit(server.url).netloc
    head = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
    return wire(server, "\r\n".join([*head, "", ""]).encode())


def cookie(server):
    answer = get(server, f"/?{urlsplit(server.url).query}")
    assert answer.startswith(b"HTTP/1.1 303 ")
    name = next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"set-cookie"))
    return "Cookie: " + name.split(b": ", 1)[1].split(b";")[0].decode()


def test_the_page_comes_with_the_cookie_only(server):
    assert get(server, "/").startswith(b"HTTP/1.1 403 ")
    answer = get(server, "/", cookie(server))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"<!DOCTYPE html>" in answer
    assert b"uvicorn" not in answer


@pytest.mark.parametrize(
    "target",
    ["/../secret.txt", "/image/../../secret.txt", "/%2e%2e/secret.txt", "//secret.txt",
     "http://evil.example/", "*", "/\\..\\secret.txt", "/image/0%00", "/" + "a" * 60000],
)  # fmt: skip
def test_targets_that_are_no_pages(server, target):
    answer = get(server, target, cookie(server))
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"nobody may read this" not in answer


@pytest.mark.parametrize(
    "request_",
    [b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 1000, b"\x16\x03\x01",
     b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
     b"POST /api/answer HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"],
    ids=range(8),
)  # fmt: skip
def test_what_is_no_request(server, request_):
    try:
        answer = wire(server, request_)
    except ConnectionError:  # closed before all of it was sent
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert get(server, "/", cookie(server)).startswith(b"HTTP/1.1 200 ")


def test_only_this_computer_can_connect(server):
    port = urlsplit(server.url).port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; says which address would be used
        address = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this computer has no other address")
    with pytest.raises(OSError):
        socket.create_connection((address, port), 2)


def test_a_second_server_names_the_first(server):
    command = [sys.executable, "-m", "skactive.cli", "label", *OPTIONS, "--no-browser"]
    done = subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"process {server.process.pid}@" in done.stderr
    assert "serves a labelling page with it" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_however_it_ends_it_can_start_again(tmp_path, number, code):
    write_pool(tmp_path / "pool.csv")
    for _ in range(2):
        with Server(tmp_path, *OPTIONS) as server:
            assert get(server, "/", cookie(server)).startswith(b"HTTP/1.1 200 ")
            assert server.end(number) == code
        assert "Traceback" not in server.errors.read_text()
    assert len(read_journal(tmp_path / "labels.db")["questions"]) == 10


# Options


def run(folder, monkeypatch, *options):
    monkeypatch.chdir(folder)
    return main(["label", *options, "--no-browser"])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["pool.csv", "--labels", "a,b"], 2, "--journal"),
        (["pool.csv", "--journal", "labels.db"], 2, "--labels"),
        (["pool.csv", "--labels", "a", "--journal", "labels.db"], 2, "at least two; got 1"),
        (["pool.csv", "--labels", "a,a", "--journal", "labels.db"], 2, "'a' more than once"),
        (["pool.csv", "--labels", '"a,b', "--journal", "labels.db"], 2, "--labels: "),
        ([*OPTIONS, "--selector", "best"], 2, "invalid choice: 'best'"),
        ([*OPTIONS, "--param", "depth=3"], 2, "--param depth: itl has the parameters"),
        ([*OPTIONS, "--held-out", "bare.csv"], 2, "there is no column 'label'"),
        ([*OPTIONS, "--held-out", "strange.csv"], 2, "'up' is not one of --labels"),
        ([*OPTIONS, "--held-out", "unknown.csv"], 1, "'r999'"),
        ([*OPTIONS, "--budget", "0"], 1, "budget == 0, must be an int > 0"),
        ([*OPTIONS, "--param", "kernel=round"], 1, "kernel == 'round'"),
        ([*OPTIONS, "--export", "labels.doc"], 1, "labels.doc"),
        (["none.csv", *OPTIONS[1:]], 1, "none.csv"),
        ([*OPTIONS[:-1], "no/folder.db"], 1, "does not exist"),
        ([*OPTIONS[:-1], "pool.csv"], 1, "is not a journal"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, monkeypatch, capsys, options, code, message):
    write_pool(tmp_path / "pool.csv")
    (tmp_path / "bare.csv").write_text("id\nr001\n")
    (tmp_path / "strange.csv").write_text("id,label\nr001,up\n")
    (tmp_path / "unknown.csv").write_text("id,label\nr999,left\n")
    assert run(tmp_path, monkeypatch, *options) == code
    assert message in capsys.readouterr().err


def test_help_says_how(capsys):
    assert main(["label", "--help"]) == 0
    assert "skactive label reviews.csv --labels good,bad" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_what_is_missing_is_named(tmp_path, monkeypatch, capsys, missing):
    write_pool(tmp_path / "pool.csv")
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(tmp_path, monkeypatch, *OPTIONS) == 1
    message = capsys.readouterr().err
    assert f"needs {missing}, which is not installed" in message
    assert 'pip install "skactive[page]"' in message
    assert not (tmp_path / "labels.db").exists()


def test_held_out_rows_from_a_file_are_not_asked(tmp_path):
    write_pool(tmp_path / "pool.csv")
    known = "\n".join(f"r{i:03d},left" for i in range(50)) + "\nr055,\n"
    (tmp_path / "known.csv").write_text("id,label\n" + known)
    with Server(tmp_path, *OPTIONS, "--held-out", "known.csv", "--batch-size", "10") as server:
        server.end()
    asked = [question["id"] for question in read_journal(tmp_path / "labels.db")["questions"]]
    assert sorted(asked) == [f"r{i:03d}" for i in range(50, 60)]
