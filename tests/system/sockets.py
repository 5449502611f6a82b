"""What system tests share: reading sources as an engine does, and playing beside it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import zmq

from penstock.core import Block, Kind
from penstock.elements.source import Source
from penstock.services.player import Player

DEADLINE_S = 20.0


def read_until(sources: list[Source], done: Callable[[], bool], collect: Callable[[Source, Block], None]) -> list[str]:
    """Read as an engine does, waiting on the pollables; return the texts of what was lost."""
    poller = zmq.Poller()
    for source in sources:
        poller.register(source.pollable, zmq.POLLIN)
    lost: list[str] = []
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, "nothing came for too long"
        poller.poll(100)
        for source in sources:
            reading = source.read(time.time_ns())
            lost += reading.unparsable
            for block in reading.blocks:
                collect(source, block)
    return lost


def read_scan(source: Source, scans: int = 1) -> tuple[list[Block], list[str]]:
    """Read one source until so many scans have ended."""
    blocks: list[Block] = []
    lost = read_until(
        [source],
        lambda: sum(block.kind is Kind.END for block in blocks) >= scans,
        lambda _, block: blocks.append(block),
    )
    return blocks, lost


@contextmanager
def playing(player: Player) -> Iterator[list[BaseException]]:
    """Play in a thread of its own; whatever it raises is in the list at the end."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            player.run()
            player.close()
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)
            player.close(0)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failures
    finally:
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the player does not end"
