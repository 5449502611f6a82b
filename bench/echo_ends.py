"""The two bare ends of ``control_echo``: what sends, and what receives, in processes of their own, by ZeroMQ alone.

``python -m bench.echo_ends send ADDRESS NBYTES COUNT`` waits for a line, and sends; ``receive NBYTES COUNT`` says where
it is, and at the end what came. An address that ends in ``:0`` is bound, and said. A count of 0 goes on for ever.
"""

import sys
import time
from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

import zmq

from bench.children import say

__all__ = ["AHEAD_BYTES", "DIFFERENT", "WARM_UP", "items"]

DIFFERENT = 1000
"""Items of which no two are alike; they come again and again."""
WARM_UP = 0.2
"""Of the items, which do not count for the rate: whoever is between may just be starting."""
START_MS = 30_000
"""Until the first must have come."""
QUIET_MS = 5000
"""After which what has not come is lost."""
AFTER_MS = 100
"""For how long it is seen whether more comes than was sent."""
ZERO_COPY_BYTES = 1 << 16
AHEAD_BYTES = 64 << 20
TELLING = 16
"""By so many bytes items are told apart."""


def items(nbytes: int) -> list[bytes]:
    """Return all that are different."""
    return [f"{number:0{TELLING}d}".encode().ljust(nbytes, b"x") for number in range(DIFFERENT)]


def _sent(count: int, nbytes: int) -> Iterable[bytes]:
    return islice(cycle(items(nbytes)), count) if count else cycle(items(nbytes))


def _bounded(socket: Any, nbytes: int) -> Any:
    """Bound what lies ready by bytes: a thousand messages, which is what ZeroMQ does, or fewer large ones."""
    socket.set_hwm(max(4, min(1000, AHEAD_BYTES // nbytes)))
    return socket


def _send(address: str, nbytes: int, count: int) -> None:
    is_copied = nbytes < ZERO_COPY_BYTES
    with zmq.Context() as context, _bounded(context.socket(zmq.PUSH), nbytes) as socket:
        socket.linger = 0 if not count else -1
        if address.endswith(":0"):
            port = socket.bind_to_random_port(address.removesuffix(":0"))
            say(f"{address.removesuffix(':0')}:{port}")
        else:
            socket.connect(address)
        sys.stdin.readline()
        send = socket.send
        for item in _sent(count, nbytes):
            send(item, copy=is_copied)
        sys.stdin.readline()


def _receive(nbytes: int, count: int) -> None:
    is_small = nbytes < ZERO_COPY_BYTES
    first = round(count * WARM_UP)
    with zmq.Context() as context, _bounded(context.socket(zmq.PULL), nbytes) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        say(f"tcp://127.0.0.1:{port}")
        socket.rcvtimeo = START_MS
        if not count:
            _take_for_ever(socket)
        receive = socket.recv
        came: list[bytes] = []
        add = came.append
        times = []
        try:
            for part in (1, first - 1, count - first):
                for _ in range(part):
                    add(receive() if is_small else receive()[: TELLING + 1])
                socket.rcvtimeo = QUIET_MS
                times.append(time.perf_counter())
            socket.rcvtimeo = AFTER_MS
            while True:
                add(receive())
        except zmq.Again:
            pass
    said = {"per_s": (count - first) / (times[2] - times[1]) if len(times) > 2 else 0.0}
    say({**said, **_judged(came, nbytes, count, is_small=is_small)})


def _take_for_ever(socket: Any) -> None:
    socket.rcvtimeo = -1
    while True:
        socket.recv()


def _judged(came: list[bytes], nbytes: int, count: int, *, is_small: bool) -> dict[str, Any]:
    """Say how many came, and whether they are what was sent, in whatever order or in the same."""
    sent = list(_sent(count, nbytes) if is_small else (item[: TELLING + 1] for item in _sent(count, nbytes)))
    return {"came": len(came), "are_all": sorted(came) == sorted(sent), "are_in_order": came == sent}


if __name__ == "__main__":
    if sys.argv[1] == "send":
        _send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        _receive(int(sys.argv[2]), int(sys.argv[3]))
