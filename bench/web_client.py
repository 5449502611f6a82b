"""Somebody who looks, as cheaply as can be: asks over one connection again and again, and prints how long each took.

Run as a program, so that it costs the measured processes nothing of their own time.
"""

import json
import socket
import sys
import time

__all__ = ["main"]


def main() -> None:
    """Ask until the time is over; print count, bytes and the seconds of each answer."""
    host, port, path, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
    link = socket.create_connection((host, port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    room = memoryview(bytearray(8 << 20))
    took, total = [], 0
    begin = now = time.perf_counter()
    while now - begin < seconds:
        link.sendall(request)
        total += _answer(link, room)
        before, now = now, time.perf_counter()
        took.append(now - before)
    print(json.dumps({"count": len(took), "bytes": total, "seconds": now - begin, "took": sorted(took)}))


def _answer(link: socket.socket, room: memoryview) -> int:
    got = 0
    end = -1
    while end < 0:
        got += link.recv_into(room[got:])
        end = bytes(room[: min(got, 4096)]).find(b"\r\n\r\n")
    head = bytes(room[:end]).lower()
    if b" 200 " not in head[:20]:
        raise SystemExit(head.decode())
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    whole = end + 4 + length
    while got < whole:
        got += link.recv_into(room[got:whole])
    return length


if __name__ == "__main__":
    main()
