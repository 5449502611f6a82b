"""Who may come in, and what they may do: by token, or without one by being on this machine.

Without a token the web's own rules protect a user on this machine: a page of another site is told apart by the host
it believes to talk to, and by its origin.
"""

import hmac
import re
from base64 import b64decode
from binascii import Error as NoBase64Error
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from penstock.web.refusal import refuse

__all__ = ["OPERATOR", "ROLE", "VIEWER", "Gate", "host_of", "is_value"]

MOST_BODY: Final = 16 << 20
"""Bytes of a request: enough for the trigger map of a long scan."""
LOOKING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

ROLE: Final = "penstock.role"
"""Where in the scope of a request the application finds what its sender may do: one of the next two."""
VIEWER: Final = "viewer"
OPERATOR: Final = "operator"

VALUE: Final = re.compile(r"/datasets/[^/]+/value")
"""Over HDF5-REST, points are asked for with POST."""
OPEN_PATHS: Final = frozenset({"/health", "/health/live", "/health/ready", "/favicon.ico"})
"""Answered to everybody: they say one word, or none."""
OPEN_FOLDER: Final = "/assets/"
"""What the page is made of; a browser sends no token for it, and nothing of a run is in it."""


class Gate:
    """Let requests through to an application, or answer why not.

    Parameters
    ----------
    app
        An ASGI application.
    viewer_token, operator_token
        Empty: there is none. With neither, everybody who calls this machine by one of ``hosts`` may do everything.
    hosts
        Names of this machine, as a browser on it may call it.
    is_page_open
        Whether everybody gets the page at ``/``: one that holds nothing of a run, and asks for a token itself.
    """

    def __init__(
        self, app: Any, viewer_token: str, operator_token: str, hosts: Iterable[str], *, is_page_open: bool = False
    ) -> None:
        self._app = app
        self._is_page_open = is_page_open
        self._viewer, self._operator = viewer_token.encode(), operator_token.encode()
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        code, why = self._refusal(scope)
        if not code and _length(scope) > MOST_BODY:
            code, why = 413, f"a body of {_length(scope):,} bytes; {MOST_BODY:,} at most"
        if not code:
            # Who sends an answer to HEAD leaves its body out.
            asked = {**scope, ROLE: self._role(scope)}
            if scope.get("method") == "HEAD":
                asked["method"] = "GET"
            body = _Body(receive, send)
            await self._app(asked, body.receive, body.send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})  # a refusal before this would not bring its reason
            await send({"type": "websocket.close", "code": 4000 + code, "reason": why[:120]})
        else:
            challenge = [(b"www-authenticate", b"Bearer")] if code == 401 else []
            await refuse(send, code, why, challenge)

    def _role(self, scope: Any) -> str:
        """Return what the sender of a request that is let in may do."""
        if not self._viewer and not self._operator:
            return OPERATOR
        token = _token(scope, dict(scope["headers"]))
        is_operator = bool(self._operator) and hmac.compare_digest(token, self._operator)
        return OPERATOR if is_operator else VIEWER

    def _refusal(self, scope: Any) -> tuple[int, str]:
        if scope["type"] == "http" and scope["method"] in LOOKING:
            path = scope.get("path", "")
            is_page = self._is_page_open and path == "/" and not _query(scope).keys() & {"domain", "plain"}
            if is_page or path in OPEN_PATHS or path.startswith(OPEN_FOLDER):
                return 0, ""  # an orchestrator has no token, and calls this machine what it likes
        headers = dict(scope["headers"])
        host = host_of(headers.get(b"host", b"").decode("latin-1"))
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != headers.get(b"host", b"").decode("latin-1"):
            return 403, f"a page of {origin[:100]} may not use this one"
        if not self._viewer and not self._operator:
            if host not in self._hosts:
                return 403, f'this machine is not called "{host[:100]}"; use {", ".join(sorted(self._hosts))}'
            return 0, ""
        token = _token(scope, headers)
        if self._operator and hmac.compare_digest(token, self._operator):
            return 0, ""
        if self._viewer and hmac.compare_digest(token, self._viewer):
            if scope["type"] == "websocket" or scope["method"] in LOOKING or _asks_for_points(scope):
                return 0, ""
            return 403, "this token is a viewer's; to turn things, an operator's is needed"
        if not token:
            return 401, 'a token is needed: "Authorization: Bearer TOKEN", as the password of any user, or ?token=TOKEN'
        return 401, "this token is not known here"


def is_value(path: str) -> bool:
    """Return whether a path is that of the values of a dataset.

    >>> is_value("/datasets/d-1/value"), is_value("/datasets/d-1")
    (True, False)
    """
    return VALUE.fullmatch(path) is not None


def host_of(header: str) -> str:
    """Return the name in a ``Host`` header, without its port.

    >>> host_of("[::1]:8400"), host_of("localhost")
    ('[::1]', 'localhost')
    """
    name = header.rpartition(":")[0] if header.rpartition(":")[2].isdigit() and not header.endswith("]") else header
    return name.lower()


def _token(scope: Any, headers: dict[bytes, bytes]) -> bytes:
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return bytes(given).strip()
    if scheme.lower() == b"basic":
        return _password(given)
    return _query(scope).get("token", [""])[0].encode()


def _query(scope: Any) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def _password(given: bytes) -> bytes:
    """Return the password of ``user:password``, whoever the user is; clients of HDF5-REST may send nothing else."""
    try:
        return b64decode(given.strip(), validate=True).partition(b":")[2]
    except NoBase64Error:
        return b"no token"


def _asks_for_points(scope: Any) -> bool:
    return scope["method"] == "POST" and is_value(scope["path"])


def _length(scope: Any) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


class _Body:
    """A request's body on its way to the application, as far as it may go.

    The application is told of one that turns out too large that its client has gone. It would answer that the request
    broke off; so the answer is given here.
    """

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._total = 0
        self._has_answered = False

    async def receive(self) -> Any:
        message = await self._receive()
        self._total += len(message.get("body", b"")) if message["type"] == "http.request" else 0
        return message if self._total <= MOST_BODY else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and self._total > MOST_BODY:
            self._has_answered = True
            # Not closed: the rest is thrown away as it comes, because a client that still sends would lose the answer.
            await refuse(self._send, 413, f"a body of no length, which is too long; {MOST_BODY:,} at most")
        if not self._has_answered:
            await self._send(message)
