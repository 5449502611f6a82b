"""A bare server of sockets, which does with bytes what a server of streams does with messages: the limit of that one.

``python -m bench.bare_peer``. The first byte of a connection says what it is for: ``c`` counts what comes and says how
much at the end, ``e`` answers each request of 64 bytes with 1 kB, ``s`` passes on what comes to the one with ``f``.
"""

import socket
import sys
import threading

from bench.children import say

__all__ = ["ANSWER_BYTES", "REQUEST_BYTES", "connected", "received"]

REQUEST_BYTES = 64
ANSWER_BYTES = 1024


def connected(port: int, purpose: bytes) -> socket.socket:
    """Connect to it."""
    found = socket.create_connection(("127.0.0.1", port))
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.sendall(purpose)
    return found


def received(one: socket.socket, nbytes: int) -> bytes:
    """Return so many bytes; fewer at the end of a connection."""
    found = one.recv(nbytes)
    while found and len(found) < nbytes and (more := one.recv(nbytes - len(found))):
        found += more
    return found


class _Peer:
    def __init__(self) -> None:
        self._follower: socket.socket | None = None
        self._follows = threading.Event()

    def serve(self, one: socket.socket) -> None:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        purpose = one.recv(1)
        if purpose == b"f":
            self._follower = one
            one.sendall(b"f")
            self._follows.set()
            return
        with one:
            if purpose == b"c":
                _count(one)
            elif purpose == b"e":
                answer = bytes(ANSWER_BYTES)
                while len(received(one, REQUEST_BYTES)) == REQUEST_BYTES:
                    one.sendall(answer)
            elif purpose == b"s":
                self._follows.wait()
                assert self._follower is not None
                while data := one.recv(1 << 16):
                    self._follower.sendall(data)
                self._follower.close()
                self._follows.clear()


def _count(one: socket.socket) -> None:
    space, count = bytearray(1 << 20), 0
    while nbytes := one.recv_into(space):
        count += nbytes
    one.sendall(count.to_bytes(8, "little"))


def main() -> None:
    """Serve until the input ends."""
    peer = _Peer()

    def accept() -> None:
        while True:
            threading.Thread(target=peer.serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        say({"port": listener.getsockname()[1]})
        sys.stdin.read()


if __name__ == "__main__":
    main()
