"""A bare socket that sends what a simulated instrument would, all of it made before: ``INSTRUMENT ROWS COLUMNS``.

It prints its address, waits for one receiver, sends, and ends when everything is taken.
"""

import json
import socket
import sys

import zmq

from penstock.simulators import simulator_named
from penstock.simulators.simulator import Simulator
from penstock.simulators.xrf_scan import XrfScan

__all__ = ["main"]


def main() -> None:
    """Send one scan."""
    name, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    simulator = simulator_named(name)(XrfScan(rows, columns))
    messages = [parts for packets in simulator.packets() for parts in packets]
    if simulator.socket == "tcp":
        _stream(simulator, [b"".join(parts) for parts in messages])
        return
    with zmq.Context() as context, context.socket(zmq.PUSH if simulator.socket == "push" else zmq.XPUB) as sender:
        if simulator.socket == "pub":
            sender.set(zmq.XPUB_NODROP, 1)
        port = sender.bind_to_random_port("tcp://127.0.0.1")
        _say(port)
        if simulator.socket == "pub":
            sender.recv()  # the subscription
        for parts in messages:
            sender.send_multipart(parts, copy=False)


def _stream(simulator: Simulator, pieces: list[bytes]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _say(server.getsockname()[1])
        link, _ = server.accept()
    with link:
        said = b""
        while len(said) < len(simulator.greeting):
            said += link.recv(len(simulator.greeting) - len(said))
        for piece in pieces:
            link.sendall(piece)


def _say(port: int) -> None:
    print(json.dumps({"address": f"tcp://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    main()
