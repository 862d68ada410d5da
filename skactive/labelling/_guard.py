"""Who may speak to the page: this browser, by the link that it was given, and nobody else."""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_CLOSED = (
    "This page opens by the link that `skactive label` shows in its terminal; it is another one "
    "each time the command is started."
)


class Secrets:
    """What a browser must know.

    Attributes
    ----------
    token : str
        In the link with which the page is opened.
    cookie : str
        Given for it, so that the link need not stay in the address bar.
    csrf : str
        Which the page's own script can read and other sites cannot.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.cookie = secrets.token_urlsafe(32)
        self.csrf = secrets.token_urlsafe(32)


class Guard:
    """Let only those requests pass that the page itself makes.

    Every request must name this server as its host, against DNS rebinding, and carry the cookie;
    every request that changes something must come from this origin and carry `Secrets.csrf`.

    Parameters
    ----------
    app : ASGI application
    secrets : Secrets
    port : int
        Where the server listens.
    """

    def __init__(self, app: ASGIApp, secrets: Secrets, port: int) -> None:
        self._app = app
        self._secrets = secrets
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie_name = f"skactive-{port}"  # browsers share cookies between ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower().encode() for name in _HEADERS}
                kept = [pair for pair in message["headers"] if pair[0].lower() not in names]
                ours = [(n.lower().encode(), v.encode()) for n, v in _HEADERS.items()]
                message = {**message, "headers": [*kept, *ours]}
            await send(message)

        answer = self._answer(scope)
        await (self._app if answer is None else answer)(scope, receive, send_guarded)

    def _answer(self, scope: Scope) -> Response | None:
        """A refusal, or the cookie for the link; None for requests that may pass."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return refusal(403, "The Host header names another server.")
        if scope["path"] == "/" and (token := _query(scope, "token")) is not None:
            return self._opened(scope, token)
        if not self._has_cookie(headers):
            return refusal(403, _CLOSED)
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.getlist("origin") != [f"http://{hosts[0]}"]:
            return refusal(403, "The request comes from another site.")
        if not _same(headers.get("x-skactive-csrf", ""), self._secrets.csrf):
            return refusal(403, "The header X-Skactive-CSRF is missing or wrong.")
        return None

    def _opened(self, scope: Scope, token: str) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return refusal(405, "The link is opened by GET.", {"Allow": "GET, HEAD"})
        if not _same(token, self._secrets.token):
            return refusal(403, _CLOSED)
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(
            self._cookie_name, self._secrets.cookie, httponly=True, samesite="strict", path="/"
        )
        return response

    def _has_cookie(self, headers: Headers) -> bool:
        cookies = [cookie_parser(value) for value in headers.getlist("cookie")]
        return any(_same(c.get(self._cookie_name, ""), self._secrets.cookie) for c in cookies)


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON."""
    return reply({"error": message}, status, headers)


def reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON in ASCII, which can hold any text, lone surrogates too."""
    return Response(
        json.dumps(content, allow_nan=False), status, headers, media_type="application/json"
    )


def _query(scope: Scope, name: str) -> str | None:
    return QueryParams(scope["query_string"]).get(name)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
