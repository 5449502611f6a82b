"""HTTP as ASAPO's clients speak it, without a socket: bytes become requests, answers become bytes.

One request at a time on a connection; of a body that is too large nothing is kept. Reading is httptools' work.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from penstock.errors import RemoteProtocolError
from penstock.extra import extra

__all__ = ["CONTINUE", "HttpReader", "HttpRequest", "answer_head"]

MOST_HEAD_BYTES: Final = 32 << 10
MOST_BODY_BYTES: Final = 1 << 20
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS: Final = {
    200: "OK", 206: "Partial Content", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
    409: "Conflict", 415: "Unsupported Media Type", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One request."""

    method: str
    target: str
    """Path and query as they came, not decoded."""
    body: bytes = b""
    cookie: str = ""
    host: str = ""
    """By what name and port the client reached this, as it says."""
    keeps: bool = True
    """Whether the connection stays."""


class HttpReader:
    """Cuts what one connection sends into requests."""

    def __init__(self) -> None:
        with extra("run"):
            import httptools

        self._errors: tuple[type[Exception], ...] = (httptools.HttpParserError, httptools.HttpParserUpgrade)
        self._parser: Any = httptools.HttpRequestParser(self)  # Any: httptools has no types
        self._done: list[HttpRequest] = []
        self._is_bad = ""
        self.wants_continue = False
        """Whether the other side waits to be told that it may send the body; the owner's to reset."""
        self._begin()

    def feed(self, data: bytes | memoryview) -> Iterator[HttpRequest]:
        """Yield the requests that are whole now.

        Raises
        ------
        RemoteProtocolError
            If this is no HTTP, or too much of it.
        """
        try:
            self._parser.feed_data(data)
        except self._errors as error:
            raise RemoteProtocolError(self._is_bad or f"this is no HTTP: {error}") from None
        done, self._done = self._done, []
        yield from done

    # --- what httptools calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begin()

    def on_url(self, part: bytes) -> None:
        """Take a piece of the target."""
        self._grow(len(part))
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._grow(len(name) + len(value) + 4)
        lower = name.lower()
        if lower == b"cookie":
            self._cookie = value
        elif lower == b"host":
            self._host = value
        elif lower == b"expect" and value.lower() == b"100-continue":
            self._expects = True

    def on_headers_complete(self) -> None:
        """Tell who waits for it that the body may come."""
        self.wants_continue = self._expects

    def on_body(self, part: bytes) -> None:
        """Take a piece of the body."""
        self._body += part
        if len(self._body) > MOST_BODY_BYTES:
            self._refuse(f"a body of more than {MOST_BODY_BYTES} bytes")

    def on_message_complete(self) -> None:
        """Take note that a request is whole."""
        self.wants_continue = False
        try:
            target, method = self._target.decode("ascii"), self._parser.get_method().decode("ascii")
        except UnicodeDecodeError:
            self._refuse("a target that is not ASCII")
        keeps = bool(self._parser.should_keep_alive())
        cookie, host = self._cookie.decode("latin-1"), self._host.decode("latin-1")
        self._done.append(HttpRequest(method, target, bytes(self._body), cookie, host, keeps))

    def _begin(self) -> None:
        self._target, self._body = bytearray(), bytearray()
        self._cookie = self._host = b""
        self._head_bytes = 0
        self._expects = False

    def _grow(self, nbytes: int) -> None:
        self._head_bytes += nbytes
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse(f"a head of more than {MOST_HEAD_BYTES} bytes")

    def _refuse(self, why: str) -> None:
        self._is_bad = why
        raise ValueError(why)


def answer_head(status: int, nbytes: int, *, keeps: bool = True) -> bytes:
    r"""Return what goes before a body.

    >>> answer_head(200, 5)
    b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
    """
    closing = "" if keeps else "Connection: close\r\n"
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Length: {nbytes}\r\n{closing}\r\n".encode()
