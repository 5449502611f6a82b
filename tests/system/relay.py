"""A relay between a client and a server, whose connections can be broken, held up and emptied at will."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Relay"]


class Relay:
    """Passes bytes on to an address; a context manager."""

    def __init__(self, to: str) -> None:
        host, port = to.removeprefix("tcp://").split(":")
        self._to = host, int(port)
        self._is_free = threading.Event()
        self._is_free.set()
        self._sockets: list[socket.socket] = []
        self._swallowed: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._accepting = threading.Thread(target=self._accept)
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        """Where clients connect to."""

    def cut(self) -> None:
        """Break all connections there are."""
        for one in list(self._sockets):
            _shut(one)

    def swallow(self) -> None:
        """Pass on nothing of the connections there are, not even that one side has closed it; both stay open."""
        self._swallowed.update(self._sockets)

    def hold(self) -> None:
        """Let no new connection through until ``release``."""
        self._is_free.clear()

    def release(self) -> None:
        """Let those that wait through."""
        self._is_free.set()

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _shut(self._listener)
        self._is_free.set()
        self._accepting.join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is shut at the end
            while True:
                one = self._listener.accept()[0]
                self._sockets.append(one)
                self._is_free.wait()
                two = socket.create_connection(self._to)
                self._sockets.append(two)
                for source, sink in ((one, two), (two, one)):
                    self._threads.append(threading.Thread(target=self._pump, args=(source, sink)))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if source not in self._swallowed:
                    sink.sendall(data)
        if source in self._swallowed:
            return
        _shut(source)
        _shut(sink)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
