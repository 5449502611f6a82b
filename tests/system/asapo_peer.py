"""A peer of ASAPO's services that says whatever it likes, byte by byte; it shares no code with the server."""

import json
import socket
import struct
from types import TracebackType
from typing import Any, Self

__all__ = ["HEADER_BYTES", "LONGEST_S", "REPLY_BYTES", "Peer", "hello", "packed"]

LONGEST_S = 20.0
"""What takes longer hangs."""
HEADER = struct.Struct("<B7xQQQQQQ1024s1024s10s6x")
REPLY = struct.Struct("<BxH1024s")
HEADER_BYTES, REPLY_BYTES = HEADER.size, REPLY.size


def packed(
    op: int = 2,
    number: int = 1,
    size: int = 0,
    meta_size: int = 0,
    *,
    mode: int = 9,
    part: int = 0,
    parts: int = 0,
    name: bytes = b"processed/a",
    stream: bytes = b"run",
    version: bytes = b"v0.7",
) -> bytes:
    """Return the fixed part of a request."""
    return HEADER.pack(op, number, size, meta_size, mode, part, parts, name, stream, version)


def hello(token: str = "", *, kind: str = "processed", beamtime: str = "bt", beamline: str = "auto") -> bytes:
    """Return what a producer says first."""
    said = f"{kind}%instance%step%{beamtime}%{beamline}%det%{token}".encode()
    return packed(7, 0, 0, len(said), mode=13, name=b"", stream=b"") + said


class Peer:
    """One connection; a context manager."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), LONGEST_S)
        self._where = address

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def say(self, data: bytes) -> None:
        """Send bytes, as many as the other side takes."""
        self.socket.sendall(data)

    def greet(self, token: str = "", **said: Any) -> tuple[int, str]:
        """Say who this is, and return what it is answered."""
        self.say(hello(token, **said))
        return self.reply()

    def send(self, number: int, data: bytes = b"data", meta: bytes = b"", **more: Any) -> tuple[int, str]:
        """Send a message, and return what it is answered."""
        self.say(packed(number=number, size=len(data), meta_size=len(meta), **more) + meta + data)
        return self.reply()

    def reply(self) -> tuple[int, str]:
        """Return code and text of an answer; a code of -1 if the other side has closed."""
        data = self.exactly(REPLY_BYTES)
        if data is None:
            return -1, ""
        _, code, text = REPLY.unpack(data)
        assert text[-1] == 0, "a text without an end makes the callback of ASAPO's clients vanish"
        return code, text.partition(b"\0")[0].decode()

    def exactly(self, nbytes: int) -> bytes | None:
        """Return so many bytes; ``None`` if the other side closes before."""
        found = bytearray()
        while len(found) < nbytes:
            try:
                more = self.socket.recv(nbytes - len(found))
            except ConnectionError:
                more = b""
            if not more:
                return None
            found += more
        return bytes(found)

    def is_closed_by_the_other(self) -> bool:
        """Read until the other side closes; false if it does not for a long time."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
        return True

    def ask(
        self, target: str, body: bytes | None = None, *, cookie: str = "", close: bool = False
    ) -> tuple[int, bytes]:
        """Ask over HTTP, and return status and body; a status of 0 if the other side has closed."""
        method = "GET" if body is None else "POST"
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._where}", "Accept: */*"]
        lines += [f"Content-Length: {len(body)}"] if body is not None else []
        lines += [f"Cookie: {cookie}"] if cookie else []
        lines += ["Connection: close"] if close else []
        self.say("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        return self.answer()

    def answer(self) -> tuple[int, bytes]:
        """Read one answer over HTTP."""
        head = bytearray()
        while not head.endswith(b"\r\n\r\n"):
            byte = self.exactly(1)
            if byte is None:
                return 0, bytes(head)
            head += byte
        status = int(head.split(b" ", 2)[1])
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        return status, self.exactly(length) or b""

    def record(self, number: int, token: str = "", stream: str = "run") -> dict[str, Any]:
        """Return what is told of a message."""
        status, body = self.ask(f"/v0.7/beamtime/bt/det/{stream}/0/{number}?token={token}")
        assert status == 200, (status, body)
        found: dict[str, Any] = json.loads(body)
        return found
