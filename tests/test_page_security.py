"""Who gets an answer from the labelling page, and what nobody gets."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skactive.files import read_pool
from skactive.journal import read_journal
from tests.pages import Tab, make_page, send, write_pool

pytest.importorskip("starlette", reason='the page is not installed: pip install "skactive[page]"')
pytest.importorskip("uvicorn", reason='the page is not installed: pip install "skactive[page]"')

SECRET = b"nobody may read this"
GETS = ["/", "/page.js", "/page.css", "/curve.js", "/icon.svg", "/api/page", "/api/state"]
GETS += ["/api/answered", "/image/0"]
POSTS = ["/api/answer", "/api/later"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page on images, with a secret beside their folder."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path_factory.mktemp("page")
    (folder / "images").mkdir()
    (folder / "secret.png").write_bytes(SECRET)
    rng = np.random.default_rng(0)
    for i in range(8):
        kind = "tiff" if i == 2 else "png"
        pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        image.fromarray(pixels).save(folder / "images" / f"{i}.{kind}")
    with make_page(folder, pool=read_pool(folder / "images"), budget=6) as page:
        yield page


def n_answers(page):
    return len(read_journal(page.journal)["answers"])


# The link and the cookie


@pytest.mark.parametrize("path", [*GETS, *POSTS, "/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nothing_without_the_link(page, path, method):
    stranger = Tab(page, opened=False)
    reply = stranger.send(method, path)
    assert reply.status == 403
    assert "skactive label" in reply.json()["error"]


@pytest.mark.parametrize("token", ["", "x", "é", "%00", "token"])
def test_a_wrong_link(page, token):
    reply = Tab(page, opened=False).send("GET", "/", query=f"token={token}")
    assert reply.status == 403
    assert reply.header("set-cookie") is None


def test_the_link_gives_a_cookie_and_is_left_behind(page):
    stranger = Tab(page, opened=False)
    reply = stranger.send("GET", "/", query=f"token={stranger.token}")
    assert (reply.status, reply.header("location")) == (303, "/")
    cookie = reply.header("set-cookie").lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert stranger.token not in reply.header("set-cookie")
    assert stranger.send("POST", "/", query=f"token={stranger.token}").status == 405
    assert stranger.send("GET", "/api/state", query=f"token={stranger.token}").status == 403


@pytest.mark.parametrize("cookie", ["", "skactive=1", "skactive-1=x", "\xff", "=;;=", "a" * 5000])
def test_a_wrong_cookie(page, cookie):
    assert Tab(page).send("GET", "/api/state", headers={"cookie": cookie}).status == 403


def test_the_cookie_of_another_start(page, tmp_path):
    write_pool(tmp_path / "pool.csv")
    with make_page(tmp_path) as other:
        cookie = Tab(other).headers["cookie"].split("=")[1]
    name = Tab(page).headers["cookie"].split("=")[0]
    assert Tab(page).send("GET", "/", headers={"cookie": f"{name}={cookie}"}).status == 403


# Other sites


@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "[::1]"]
)
def test_other_hosts(page, host):
    tab = Tab(page)
    host = host and host.format(port=tab.host.split(":")[1])
    reply = tab.send("GET", "/api/state", headers={"host": host})
    assert reply.status == 403
    assert "Host" in reply.json()["error"]


def test_localhost_is_this_host(page):
    tab = Tab(page)
    host = tab.host.replace("127.0.0.1", "localhost")
    assert tab.send("GET", "/api/state", headers={"host": host}).status == 200


def test_two_hosts(page):
    tab = Tab(page)
    headers = [(key.encode(), value.encode()) for key, value in tab.headers.items()]
    assert send(tab.app, "GET", "/api/state", headers=headers).status == 200
    assert send(tab.app, "GET", "/api/state", headers=[*headers, headers[0]]).status == 403


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "https://{host}"},
        {"origin": "http://{host}.evil.example"},
        {"origin": "http://localhost:1"},
        {"x-skactive-csrf": None},
        {"x-skactive-csrf": ""},
        {"x-skactive-csrf": "é"},
        {"x-skactive-csrf": "wrong"},
    ],
)
def test_other_sites_change_nothing(page, path, headers):
    tab = Tab(page)
    row, before = tab.state()["question"]["row"], n_answers(page)
    headers = {k: v and v.format(host=tab.host) for k, v in headers.items()}
    reply = tab.post(path, {"row": row, "label": 0, "seen": None}, **headers)
    assert reply.status == 403
    assert n_answers(page) == before
    assert tab.state()["question"]["row"] == row


# Requests that are wrong


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_pages_are_read_only(page, path, method):
    reply = Tab(page).send(method, path)
    assert reply.status == 405
    assert reply.json()["error"] == "Method Not Allowed"


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_changes_are_posted(page, path, method):
    assert Tab(page).send(method, path).status == 405


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"{"),
        (400, b"[]"),
        (400, b"\xff\xfe"),
        (400, b"[" * 1000),
        (400, b'{"row": 1}'),
        (400, b'{"row": true, "label": 0}'),
        (400, b'{"row": -1, "label": 0}'),
        (400, b'{"row": 1.0, "label": 0}'),
        (400, b'{"row": NaN, "label": 0}'),
        (400, b'{"row": 1, "label": 2}'),
        (400, b'{"row": 1, "label": "left"}'),
        (400, b'{"row": 1, "label": 0, "seen": 1}'),
        (400, b'{"row": 1, "label": 0, "seen": {}}'),
        (400, b'{"row": 1, "label": 0, "seen": {"label": 9}}'),
        (409, b'{"row": 999, "label": 0}'),
        (409, b'{"row": ' + b"9" * 500 + b', "label": 0}'),
        (413, b" " * 1025),
        (413, b" " * 10**6),
    ],
)
def test_bodies_that_are_wrong(page, status, body):
    before = n_answers(page)
    reply = Tab(page).send(
        "POST", "/api/answer", headers={"content-type": "application/json"}, body=body
    )
    assert reply.status == status
    assert reply.json()["error"]
    assert n_answers(page) == before


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_only_json_is_taken(page, kind):
    body = json.dumps({"row": 0, "label": 0}).encode()
    reply = Tab(page).send("POST", "/api/answer", headers={"content-type": kind}, body=body)
    assert reply.status == 415


def test_a_browser_that_leaves_early(page):
    tab = Tab(page)
    headers = {**tab.headers, "content-type": "application/json"}
    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    reply = send(_cut_off(tab.app), "POST", "/api/answer", headers=raw, body=b"{}")
    assert reply.status == 400


def _cut_off(app):
    """The application, of which every request body ends early."""

    async def cut(scope, receive, send):
        async def disconnect():
            return {"type": "http.disconnect"}

        await app(scope, disconnect, send)

    return cut


@pytest.mark.parametrize("path", [*GETS, "/nothing", "/api/answer"])
@pytest.mark.parametrize("opened", [True, False])
def test_every_answer_is_guarded(page, path, opened):
    reply = Tab(page, opened=opened).get(path)
    policy = reply.header("content-security-policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("x-frame-options") == "DENY"
    assert reply.header("access-control-allow-origin") is None


def test_the_page_holds_no_scripts_of_its_own_and_nothing_from_elsewhere(page):
    tab = Tab(page)
    html = tab.get("/").body.decode()
    code = "".join(tab.get(path).body.decode() for path in ("/page.js", "/curve.js", "/page.css"))
    assert html.count("<script") == html.count("<script src=")
    assert " on" not in html.replace(" on their", "").split("<body>")[0]
    assert "://" not in html
    assert code.replace("http://www.w3.org/2000/svg", "").count("://") == 0
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in code


# Images


def test_images_are_shown(page):
    tab = Tab(page)
    for row in range(8):
        reply = tab.get(f"/image/{row}")
        assert (reply.status, reply.header("content-type")) == (200, "image/png")
        assert reply.body.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name",
    ["8", "-1", "1.0", "x", "", "..", "../secret.png", "%2e%2e%2fsecret.png", "..%5csecret.png",
     "/etc/passwd", "%00", "0%00", "0/../../secret.png", "٣", "9" * 400],
)  # fmt: skip
def test_only_images_of_rows(page, name):
    reply = Tab(page).get(f"/image/{name}")
    assert reply.status == 404
    assert SECRET not in reply.body


def test_a_link_that_leads_out_later(page):
    target = page.pool.path / "0.png"
    content = target.read_bytes()
    target.unlink()
    try:
        for made in (
            lambda: target.symlink_to(page.pool.path.parent / "secret.png"),
            lambda: target.symlink_to(target),
            lambda: target.write_bytes(SECRET),
            lambda: os.mkfifo(target),
            lambda: None,
        ):
            made()
            reply = Tab(page).get("/image/0")
            assert reply.status == 404
            assert SECRET not in reply.body
            target.unlink(missing_ok=True)
    finally:
        target.write_bytes(content)


def test_a_journal_that_vanishes_is_no_answer(tmp_path):
    write_pool(tmp_path / "pool.csv")
    with make_page(tmp_path) as page:
        tab = Tab(page)
        row = tab.next()["question"]["row"]
        (tmp_path / "labels.db").rename(tmp_path / "moved.db")
        reply = tab.answer(row, 0)
        assert reply.status == 503
        assert reply.json()["error"].startswith("Nothing was recorded: ")
        (tmp_path / "moved.db").rename(tmp_path / "labels.db")
        assert tab.answer(row, 0).status == 200


# Anything at all

tokens = st.text(st.characters(codec="latin-1"), max_size=20)
paths = st.one_of(
    st.sampled_from([*GETS, *POSTS]),
    st.builds("{}{}".format, st.sampled_from([*GETS, *POSTS]), st.text(max_size=10)),
    st.lists(
        st.sampled_from(["..", "%2e%2e", "image", "secret.png", "api", "page.js", "~", "\\", ""])
    ).map(lambda parts: "/" + "/".join(parts)),
    st.text(max_size=40).map("/{}".format),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
bodies = st.one_of(
    st.binary(max_size=1500),
    json_values.map(json.dumps).map(str.encode),
    st.fixed_dictionaries(
        {},
        optional={"row": json_values | st.integers(0, 9), "label": json_values | st.integers(0, 2),
                  "seen": json_values | st.builds(lambda label: {"label": label}, json_values)},
    ).map(json.dumps).map(str.encode),
)  # fmt: skip


@settings(max_examples=400)
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS"]) | tokens.filter(bool),
    path=paths,
    query=st.binary(max_size=30) | st.sampled_from([b"before=1", b"before=x", b"token="]),
    body=bodies,
    headers=st.dictionaries(
        st.sampled_from(["host", "origin", "cookie", "x-skactive-csrf", "content-length", "range",
                         "content-type", "accept", "if-modified-since", "transfer-encoding"]),
        st.none() | tokens, max_size=2,
    ),
)  # fmt: skip
def test_no_request_breaks_the_page_or_gets_a_file(page, method, path, query, body, headers):
    tab = Tab(page)
    headers = {"content-type": "application/json", **headers}
    reply = tab.send(method, path, query=query, headers=headers, body=body)
    assert 200 <= reply.status < 500
    assert SECRET not in reply.body
    assert b"root:" not in reply.body
    assert (reply.header("content-type") or "application/json").split(";")[0] in (
        "application/json", "text/html", "text/css", "text/javascript", "image/svg+xml", "image/png"
    )  # fmt: skip
    assert reply.header("x-content-type-options") == "nosniff"
    if reply.status >= 400 and method != "HEAD":
        assert reply.json()["error"]
    assert set(tab.state()["progress"]) >= {"labels", "budget"}
