"""The page's web application: a few addresses in front of a desk."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from skactive.exceptions import JournalError
from skactive.files import FileError
from skactive.labelling._curve import LearningCurve
from skactive.labelling._desk import NOBODY, Desk, Refused
from skactive.labelling._guard import Guard, Secrets, refusal, reply
from skactive.labelling._images import ImageError, load_image
from skactive.labelling._labels import assign_keys

MAX_BODY = 1024  # bytes; an answer has less than a hundred
_STATIC = {
    "/": ("index.html", "text/html"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/curve.js": ("curve.js", "text/javascript"),
}


class Views:
    """Answers to requests.

    Parameters
    ----------
    desk : Desk
    curve : LearningCurve
    secrets : Secrets
    title : str
        What is being labelled.
    notes : dict of str to str
        What else the page says: "journal", "export".
    """

    def __init__(
        self,
        desk: Desk,
        curve: LearningCurve,
        secrets: Secrets,
        *,
        title: str,
        notes: dict[str, str],
    ) -> None:
        self._desk = desk
        self._curve = curve
        self._secrets = secrets
        self._title = title
        self._notes = notes

    def routes(self) -> list[Route]:
        return [
            *(Route(path, _static(*content), methods=["GET"]) for path, content in _STATIC.items()),
            Route("/api/page", self.about, methods=["GET"]),
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/answered", self.answered, methods=["GET"]),
            Route("/api/answer", self.answer, methods=["POST"]),
            Route("/api/later", self.later, methods=["POST"]),
            Route("/image/{row}", self.image, methods=["GET"]),
        ]

    async def about(self, request: Request) -> Response:
        """What does not change while the server runs."""
        choices = assign_keys(self._desk.labels)
        labels = [{"label": choice.label, "keys": list(choice.keys)} for choice in choices]
        return reply(
            {"title": self._title, "labels": labels, "csrf": self._secrets.csrf, **self._notes}
        )

    async def state(self, request: Request) -> Response:
        return reply(await run_in_threadpool(self._state))

    async def answered(self, request: Request) -> Response:
        """The question answered before ?before=row, or last of all."""
        text = request.query_params.get("before", "")
        row = None if text == "" else _row(text)
        return reply({"question": await run_in_threadpool(self._desk.before, row)})

    async def answer(self, request: Request) -> Response:
        content = await _content(request)
        row, label = _natural(content, "row"), self._label(content)
        seen = NOBODY if content.get("seen") is None else self._label(_seen(content))
        try:
            await run_in_threadpool(self._desk.answer, row, label, seen)
        except Refused as error:
            return reply({"error": str(error), **await run_in_threadpool(self._state)}, 409)
        return reply(await run_in_threadpool(self._state))

    async def later(self, request: Request) -> Response:
        row = _natural(await _content(request), "row")
        try:
            await run_in_threadpool(self._desk.postpone, row)
        except Refused as error:
            return reply({"error": str(error), **await run_in_threadpool(self._state)}, 409)
        return reply(await run_in_threadpool(self._state))

    async def image(self, request: Request) -> Response:
        row = _row(request.path_params["row"])
        if row >= len(self._desk.pool):
            raise HTTPException(404, "There is no such row.")
        try:
            content, kind = await run_in_threadpool(load_image, self._desk.pool, row)
        except (FileError, ImageError) as error:
            raise HTTPException(404, str(error)) from error
        return Response(content, media_type=kind)

    def _state(self) -> dict[str, Any]:
        state = self._desk.state()
        points = self._curve.points(state["progress"]["labels"])
        return {**state, "curve": {"points": points, "meaning": self._curve.meaning}}

    def _label(self, content: dict[str, Any]) -> str | None:
        if "label" not in content:
            raise HTTPException(400, "label is missing: the number of a label, or null.")
        if content["label"] is None:
            return None
        number = _natural(content, "label")
        if number >= len(self._desk.labels):
            raise HTTPException(400, f"label must be below {len(self._desk.labels)}.")
        return self._desk.labels[number]


def make_app(views: Views, secrets: Secrets, port: int) -> ASGIApp:
    """The application with its guard in front."""
    return Guard(
        Starlette(
            routes=views.routes(),
            exception_handlers={
                HTTPException: _http_error,
                JournalError: _journal_error,
                ClientDisconnect: _gone,
            },
        ),
        secrets,
        port,
    )


def _static(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("skactive.labelling").joinpath("static", name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=kind)

    return send


async def _content(request: Request) -> dict[str, Any]:
    """The body as a JSON object."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise HTTPException(415, "The body must be application/json.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"The body must have at most {MAX_BODY} bytes.")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The body must be JSON.") from error
    if not isinstance(content, dict):
        raise HTTPException(400, "The body must be a JSON object.")
    return content


def _natural(content: dict[str, Any], name: str) -> int:
    value = content.get(name)
    if type(value) is not int or value < 0:
        raise HTTPException(400, f"{name} must be an integer >= 0.")
    return value


def _seen(content: dict[str, Any]) -> dict[str, Any]:
    seen = content["seen"]
    if not isinstance(seen, dict):
        raise HTTPException(400, "seen must be null or an object with the label seen.")
    return seen


def _row(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise HTTPException(404, "A row is named by its number.")
    return int(text)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, dict(error.headers or {}))


async def _journal_error(request: Request, error: Exception) -> Response:
    return refusal(503, f"Nothing was recorded: {error}")


async def _gone(request: Request, error: Exception) -> Response:
    return refusal(400, "The request ended early.")
