"""What a child prints, read by its supervisor line by line, without ever waiting for it."""

import os
from collections.abc import Callable

__all__ = ["LINE_LIMIT", "Printed"]

LINE_LIMIT = 8_192
"""Bytes of a line; a longer one is handed on in pieces, so that memory is bounded."""

_CHUNK = 65_536


class Printed:
    """Both streams of a child, as lines.

    A child that prints more than a pipe holds (64 kB) waits until ``read`` is called.

    Parameters
    ----------
    fd
        The reading end of the pipe, non-blocking; closed by ``close``.
    take
        Called with each line, without its end; bytes that are not UTF-8 are shown as escapes.
    """

    def __init__(self, fd: int, take: Callable[[str], None]) -> None:
        self.fd = fd
        self._take = take
        self._begun = b""

    def read(self, chunks: int = 1) -> bool:
        """Hand on what lies there, at most so many times 64 kB; return whether more may come."""
        for _ in range(chunks):
            try:
                data = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._hand_on(data)
        return True

    def close(self) -> None:
        """Hand on the last line, though it has no end, and close."""
        os.close(self.fd)
        if self._begun:
            self._say(self._begun)
            self._begun = b""

    def _hand_on(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._say(line)
        while len(self._begun) > LINE_LIMIT:
            self._say(self._begun[:LINE_LIMIT])
            self._begun = self._begun[LINE_LIMIT:]

    def _say(self, line: bytes) -> None:
        self._take(line.decode(errors="backslashreplace"))
