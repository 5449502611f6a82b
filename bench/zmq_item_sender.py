"""The other process of ``zmq_items``: sends so many items of so many bytes, by the sink or by bare ZeroMQ."""

import os
import sys

import zmq

from penstock.elements.sink import RunFacts
from penstock.elements.sinks.zmq_push import ZmqPushSink

LINGER_S = 10.0
COPIED_BYTES = 1 << 16


def main() -> None:
    """Wait for a line, and send."""
    how, address, nbytes, count = sys.argv[1:]
    item = os.urandom(int(nbytes))
    sys.stdin.readline()
    if how == "penstock":
        sink = ZmqPushSink(connect=address, linger_s=LINGER_S)
        sink.open(RunFacts(pipeline="bench", run="bench"))
        for _ in range(int(count)):
            sink.write(item)
        sink.close(ended_well=True)
        return
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.linger = int(LINGER_S * 1000)
        socket.connect(address)
        for _ in range(int(count)):
            if len(item) < COPIED_BYTES:
                socket.send(item)
            else:
                socket.send(item, copy=False)


if __name__ == "__main__":
    main()
