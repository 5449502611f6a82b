"""A process that follows a stream which another records: ``python -m bench.streams_reader FOLDER STREAM``."""

import sys
import time
from pathlib import Path

import numpy as np

from bench.children import say
from bench.proc import anonymous_bytes
from bench.streams_recorder import SETTLED, address_of
from penstock.streams.consumer import Consumer
from penstock.streams.directory import DirectoryStore

__all__: list[str] = []

TIMEOUT_S = 30.0


def main(folder: str, stream: str) -> None:
    """Follow to the end, and say how many came, whether they were whole, and how late they were."""
    with DirectoryStore(Path(folder)) as store, Consumer(store, address_of(stream)) as consumer:
        say("ready")
        if not sys.stdin.readline():
            return
        behind_ns: list[int] = []
        torn, settled_bytes = 0, 0
        for message in consumer.follow(timeout_s=TIMEOUT_S):
            behind_ns.append(time.time_ns() - message.timestamp_ns)
            torn += not (message.array[0] == message.array[-1] == message.id)
            if len(behind_ns) == 20:
                settled_bytes = anonymous_bytes()
        grown = anonymous_bytes() - settled_bytes
    late = np.array(behind_ns[int(SETTLED * len(behind_ns)) :]) / 1e9
    p50, p99 = np.quantile(late, [0.5, 0.99]).tolist()
    say(
        {
            "count": len(behind_ns),
            "skipped": consumer.skipped,
            "torn": torn,
            "p50_s": p50,
            "p99_s": p99,
            "grown_bytes": grown,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
