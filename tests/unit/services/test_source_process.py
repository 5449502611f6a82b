"""When the process of a source reads: from the moment it is let, until it is told to stop."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core import Block
from penstock.elements import Reading, Source
from penstock.services.orders import ElementOrder, SourceOrder
from penstock.services.progress import Progress
from penstock.services.source_process import SourceProcess
from penstock.transport.seqpacket import Link
from penstock.wire.envelopes import Begin, Close, Go, Opened, PoolMade, Read, Ready, Stop, open_envelopes, seal

PATIENCE_S = 10.0
BEAT_S = 0.01


class Tick(Source):
    """Ends with its first block; refuses to be read while closed."""

    def __init__(self) -> None:
        self._is_open = False

    def open(self) -> None:
        """Be ready."""
        self._is_open = True

    def close(self) -> None:
        """Be so no more."""
        self._is_open = False

    def read(self, now_ns: int) -> Reading:
        """Give one message."""
        assert self._is_open
        block = Block(stream=self.stream, ids=np.array([1], np.uint64), timestamps=np.array([now_ns]))
        return Reading(blocks=[block], ended=True)


@contextmanager
def living() -> Iterator[Link]:
    """Let a source live, and yield the event builder's end of its link."""
    order = SourceOrder(
        name="tick", element=ElementOrder(name="Tick", reference=f"{__name__}:Tick"), folder=str(Path.cwd()), slots=2,
        beat_s=BEAT_S,
    )  # fmt: skip
    builders, its = Link.pair(patience_s=PATIENCE_S)
    page = Progress.make("tick")
    process = SourceProcess(order, [os.dup(its.fileno()), os.dup(page.fd)])
    its.close()
    page.close()
    thread = threading.Thread(target=process.live)
    thread.start()
    try:
        with builders:
            yield builders
    finally:
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def said(link: Link, *words: Any) -> list[Any]:
    """Say words in one message, some beats later that it is over; return what the source has said until it was gone."""
    if words:
        link.send(seal(words))
        time.sleep(10 * BEAT_S)
    link.send(seal([Close()]))
    heard: list[Any] = []
    while (received := link.receive()) is not None:
        for fd in received.fds:
            os.close(fd)
        heard += open_envelopes(received.data)
    return [word for word in heard if not isinstance(word, Ready | PoolMade)]


def test_it_opens_and_reads_nothing_before_it_is_let() -> None:
    with living() as builder:
        assert said(builder, Begin()) == [Opened(is_file=True)]


@pytest.mark.parametrize("words", [(Begin(), Stop(), Go()), (Begin(), Stop())])
def test_who_was_stopped_reads_no_more_whatever_crosses_that(words: tuple[Any, ...]) -> None:
    with living() as builder:
        assert said(builder, *words) == [Opened(is_file=True), Read(ended=True)]


def test_nothing_that_was_not_begun_is_stopped() -> None:
    with living() as builder:
        assert said(builder, Stop()) == []


def test_it_reads_when_it_is_let() -> None:
    with living() as builder:
        builder.send(seal([Begin(), Go()]))
        while True:
            received = builder.receive()
            assert received is not None
            for fd in received.fds:
                os.close(fd)
            reads = [word for word in open_envelopes(received.data) if isinstance(word, Read)]
            if reads:
                break
        assert [(len(read.blocks), read.ended) for read in reads] == [(1, True)]
        assert said(builder) == []
