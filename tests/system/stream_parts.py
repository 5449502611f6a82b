"""Producers and consumers of durable streams as processes that can be killed, and what their messages hold."""

import os
import sys
import threading
import traceback
from pathlib import Path
from queue import Queue

import numpy as np

from penstock.core import Block, Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.remote_store import RemoteStore
from penstock.streams.remote_writer import PendingAppend

ADDRESS = StreamAddress("c20261120", "eiger", "run 1")
PATIENCE_S = 30.0
UNANSWERED = 20
"""Appends that a producer leaves unanswered."""


def block(first: int, count: int) -> Block:
    """Return messages whose content follows from their ids."""
    return Block.of("any", [message(number) for number in range(first, first + count)])


def message(number: int) -> Message:
    """Return one of them."""
    return Message(id=number, timestamp_ns=number, metadata={"n": number}, array=np.full(number % 50, number, "<u4"))


def produce(address: str, last: str) -> None:
    """Write on where the stream is, up to an id, and finish it; print the id of each block that is acknowledged.

    A line of input is read before each block, so that whoever started it says how far it goes; from its end on it goes
    as it likes.
    """
    with RemoteStore(address, patience_s=PATIENCE_S) as store, store.send(ADDRESS, sync="none") as writer:
        number = writer.last_id + 1
        pending: Queue[tuple[int, PendingAppend] | None] = Queue(UNANSWERED)
        reporting = threading.Thread(target=_report, args=(pending,))
        reporting.start()
        while number <= int(last):
            sys.stdin.readline()
            count = min(1 + number * 7 % 13, int(last) + 1 - number)
            pending.put((number + count - 1, writer.send(block(number, count))))
            number += count
        pending.put(None)
        reporting.join()
        writer.finish()


def _report(pending: "Queue[tuple[int, PendingAppend] | None]") -> None:
    try:
        while (found := pending.get()) is not None:
            acknowledged, append = found
            append.result(PATIENCE_S)
            print(acknowledged, flush=True)  # noqa: T201  # whoever started it reads this
    except BaseException:  # noqa: BLE001  # the outermost edge of a thread
        traceback.print_exc()
        os._exit(1)  # the other thread may wait for room


def consume(address: str, log: str) -> None:
    """Append the ids of all messages to a file, u64, as they come; go on behind those that are there already."""
    file = Path(log)
    position = file.stat().st_size // 8 if file.exists() else 0
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with RemoteStore(address, patience_s=PATIENCE_S) as store, store.read(ADDRESS) as reader:
        while True:
            reader.wait(position)
            before = position
            for stored in reader.blocks(position):
                assert stored.position == position
                os.write(opened, stored.block.ids.tobytes())
                position += len(stored.block)
            info = reader.info
            if position == before and info.state == "finished" and info.count == position:
                return


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
