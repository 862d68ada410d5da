"""A labelling page without a network: requests go to its application as they are."""

import asyncio
import csv
import json
import time
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np

from skactive.files import read_pool
from skactive.labelling import LabellingPage

SECONDS_TO_WAIT = 60


def write_pool(path, n=60, texts=None, seed=0):
    """A CSV of two clouds of points, with a text and the true label of each."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    points = rng.normal(size=(n, 2)) + 3 * labels[:, None]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "x", "y"])
        for i in range(n):
            text = f"Row {i}" if texts is None else texts[i % len(texts)]
            writer.writerow([f"r{i:03d}", text, *points[i].tolist()])
    return ["left" if label == 0 else "right" for label in labels]


def open_pool(path):
    return read_pool(path, columns=["x", "y"], text_column="text")


def make_page(folder, **options):
    """A page for pool.csv in a folder, which is written if it is not there."""
    if not (folder / "pool.csv").exists():
        write_pool(folder / "pool.csv")
    options = {"budget": 20, "batch_size": 6, **options}
    labels = options.pop("labels", ["left", "right"])
    pool = options.pop("pool", None) or open_pool(folder / "pool.csv")
    return LabellingPage(pool, labels, journal=folder / "labels.db", **options)


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # list of (name, value)
        self.body = body

    def json(self):
        return json.loads(self.body)

    def header(self, name):
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, found
        return found[0] if found else None


class Tab:
    """A tab of a browser that has opened the link."""

    def __init__(self, page, opened=True):
        parts = urlsplit(page.url)
        self.app = page.app
        self.host = parts.netloc
        self.token = parts.query.removeprefix("token=")
        self.headers = {"host": self.host, "origin": f"http://{self.host}"}
        if opened:
            reply = self.send("GET", "/", query=parts.query)
            assert reply.status == 303, reply.body
            self.headers["cookie"] = reply.header("set-cookie").split(";")[0]
            self.about = self.get("/api/page").json()
            self.headers["x-skactive-csrf"] = self.about["csrf"]

    def send(self, method, path, *, query="", headers=None, body=b""):
        """Any request; headers given replace those of a browser, None removes one."""
        merged = {**self.headers, **(headers or {})}
        raw = [
            (name.encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, value in merged.items()
            if value is not None
        ]
        return send(self.app, method, path, query, raw, body)

    def get(self, path, query=""):
        return self.send("GET", path, query=query)

    def post(self, path, content, **headers):
        body = json.dumps(content).encode()
        return self.send(
            "POST", path, headers={"content-type": "application/json", **headers}, body=body
        )

    def state(self):
        return self.get("/api/state").json()

    def answer(self, row, label, seen=None):
        return self.post("/api/answer", {"row": row, "label": label, "seen": seen})

    def wait(self, condition):
        """The first state for which something holds."""
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not condition(state := self.state()):
            assert time.monotonic() < deadline, state
            time.sleep(0.005)
        return state

    def next(self):
        """The state with the next open row, or the last one."""
        return self.wait(lambda state: state["status"] != "preparing")

    def label_all(self, answer_of, n_most=10**6):
        """Answer until the end, by the id of each row; what was answered, in order."""
        given = {}
        while len(given) < n_most and (question := self.next()["question"]) is not None:
            label = answer_of(question["id"])
            number = None if label is None else self.labels.index(label)
            assert self.answer(question["row"], number).status == 200
            given[question["id"]] = label
        return given

    @property
    def labels(self):
        return [choice["label"] for choice in self.about["labels"]]


def send(app, method, path, query="", headers=(), body=b""):
    """One request to an ASGI application; errors of the application come out."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("utf-8", "replace"),
        "root_path": "",
        "query_string": query if isinstance(query, bytes) else query.encode(),
        "headers": list(headers),
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 50000),
    }
    chunks = [body[i : i + 700] for i in range(0, len(body), 700)] or [b""]
    incoming = [
        {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1}
        for i, chunk in enumerate(chunks)
    ]
    sent = []

    async def receive():
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def collect(message):
        sent.append(message)

    asyncio.run(app(scope, receive, collect))
    headers = [
        (key.decode("latin-1"), value.decode("latin-1")) for key, value in sent[0]["headers"]
    ]
    return Reply(
        sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])
    )
