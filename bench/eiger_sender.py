"""A DECTRIS detector that sends one image again and again: ``eiger`` or ``dectris``, images, height, width.

It prints its address, sends a start, the images and an end as fast as they are taken, and waits for its input's end.
"""

import sys

import numpy as np
import zmq

from bench.children import say
from penstock.protocols import dectris, eiger

__all__ = ["main"]

NAME = "00000000000000000000BENCH0"


def main() -> None:
    """Send one series."""
    protocol, n, shape = sys.argv[1], int(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4]))
    start, image, end = (_eiger if protocol == "eiger" else _dectris)(shape)
    with zmq.Context() as context, context.socket(zmq.PUSH) as sender:
        say({"address": f"tcp://127.0.0.1:{sender.bind_to_random_port('tcp://127.0.0.1')}"})
        sender.send_multipart(start)
        for _ in range(n):
            for part in image[:-1]:
                sender.send(part, zmq.SNDMORE, copy=False)
            sender.send(image[-1], copy=False)
        sender.send_multipart(end)
        sys.stdin.read()


def _eiger(shape: tuple[int, int]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    return (
        eiger.encode_start(1, config={"count_time": 0.01}),
        eiger.encode_image(1, 0, np.ones(shape, np.uint16), hash="59bb3a04cd9d59d54e283c465036085c"),
        eiger.encode_end(1),
    )


def _dectris(shape: tuple[int, int]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    image = dectris.encode_image(
        1,
        0,
        {"threshold_1": np.ones(shape, np.uint16)},
        series_unique_id=NAME,
        series_date="2026-11-20T12:00:00.000Z",
        start_time=(0, 50_000_000),
        stop_time=(999_500, 50_000_000),
        real_time=(999_500, 50_000_000),
    )
    start = dectris.encode_start(1, series_unique_id=NAME, channels=["threshold_1"], shape=shape, dtype="uint16")
    return start, image, dectris.encode_end(1, series_unique_id=NAME)


if __name__ == "__main__":
    main()
