"""The process of a stage with generators or buffers: its steps are a net of strands, from a link back to the link.

Its main thread reads the link and keeps time; strands work as they do where a chain is fused.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from penstock.elements.step import Step
from penstock.errors import PenstockError, RemoteProtocolError
from penstock.services.strands.cut import cut_stage
from penstock.services.strands.feed import EdgeFeed
from penstock.services.strands.host import Machine
from penstock.services.strands.net import Net
from penstock.services.strands.net_ends import Between, Inbox, Outbox
from penstock.services.strands.net_teller import NotedStage, Teller
from penstock.services.strands.parts import StepPart
from penstock.services.strands.steps_order import ItemReader, StageGoneError, StepsOrder, meant_values, stage_plan
from penstock.services.strands.strand import Strand
from penstock.services.waiter import Waiter
from penstock.transport.seqpacket import Link
from penstock.wire.steps import Broken, Closed, End, Made, Set, Took, Work, decode, encode

__all__ = ["NetProcess"]

SOON_S: Final = 0.005
"""What was given goes on after so long, though its item is still under way."""
BEAT_S: Final = 0.1
QUIET_S: Final = 1.0
"""How often the books are kept, and ticks are looked for, at least: while something happens, and while nothing does."""
CLOSING_S: Final = 2.0
"""How long an event loop may take to end when all that ran on it has."""


class NetProcess:
    """Takes items from a link, lets a net of strands work on them, and sends what it gives.

    Parameters
    ----------
    steps
        Made, not begun.
    begun
        A page whose first entry says how many items were begun.
    """

    def __init__(self, order: StepsOrder, steps: Sequence[Step], link: Link, begun: memoryview) -> None:
        self._order = order
        self._link = link
        self._steps = list(steps)
        self._reader = ItemReader(order)
        stage = NotedStage(stage_plan(order))
        self._inbox = Inbox(f"→ {order.stage}", begun)
        self._outbox = Outbox(stage, self._tell)
        cut = cut_stage(stage, steps, self._inbox, self._outbox, Between)
        parts = [part for part in cut.steps if isinstance(part, StepPart)]
        self._teller = Teller(link, stage, self._inbox, self._outbox, cut.strands, parts)
        self._bind(cut.strands)
        self._net = Net(cut.strands, Machine())
        self._waiter = Waiter()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        for pollable in (link.fileno(), self._net.pollable, self._wake_fd):
            self._waiter.add(pollable)
        self._beaten_s = 0.0
        self._lies_since_s = 0.0
        """Since when something lies in the outbox; 0 if nothing does."""

    def live(self) -> None:
        """Work until told to end, or until no strand takes more.

        Raises
        ------
        StageGoneError
            If nobody is there to work for.
        """
        self._say(Made(is_net=True))
        self._net.start()
        try:
            while not self._net.is_over:
                self._turn()
            while not self._tell():
                self._waiter.wait(QUIET_S)
                self._read()
        except RemoteProtocolError as error:
            self._say(Broken(f"stage {self._order.stage}: an item cannot be read by {self._order.name}: {error}"))
            return
        self._net.join(CLOSING_S)
        self._say(Closed("; ".join(map(str, self._net.troubles))))

    def _bind(self, strands: Sequence[Strand]) -> None:
        """Let the inbox know where an item is under way: up to the first buffer."""
        stop = next((k for k, strand in enumerate(strands) if strand.ends), len(strands) - 1) + 1
        coupled = strands[:stop]
        edges = [strand.feed.edge for strand in coupled if isinstance(strand.feed, EdgeFeed)]
        self._inbox.give_through([edge for edge in edges if isinstance(edge, Between)])
        self._inbox.has_stopped = lambda: any(strand.is_over for strand in coupled)
        self._inbox.on_asked = self._tell

    def _turn(self) -> None:
        self._net.hear()
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake_fd)
        self._read()
        if self._net.troubles:
            self._inbox.cut_off()
        now_s = time.monotonic()
        is_due = now_s - self._beaten_s >= (QUIET_S if self._net.is_quiet else BEAT_S)
        if is_due:
            self._beaten_s = now_s
            self._net.beat()
        if is_due or self._is_late(now_s):
            self._lies_since_s = 0.0
            self._tell()
        if self._outbox.items or not self._outbox.when_any(self._wake):
            self._waiter.wait(SOON_S)
        else:
            self._waiter.wait(BEAT_S if not self._net.is_quiet else QUIET_S)

    def _is_late(self, now_s: float) -> bool:
        """Whether what was given is to go on without waiting for a strand that says so."""
        if not self._outbox.items:
            self._lies_since_s = 0.0
            return False
        self._lies_since_s = self._lies_since_s or now_s
        return self._inbox.is_quiet or now_s - self._lies_since_s >= SOON_S

    def _read(self) -> None:
        while (message := self._link.try_receive()) is not None:
            match decode(message.data, "worker"):
                case Work(count, values):
                    self._inbox.give(self._reader.read(values, message.fds, count))
                case Set(values):
                    self._set(values)
                case Took(count):
                    self._teller.hear(count)
                case End():
                    self._inbox.end()
        if self._link.is_ended:
            raise StageGoneError

    def _set(self, data: bytes) -> None:
        try:
            values = meant_values(self._steps, data)
            for step in self._steps:
                step.apply(values)
        except PenstockError as error:
            self._say(Broken(str(error)))
            return
        self._net.beat()  # what is called may be another now

    def _tell(self) -> bool:
        return self._teller.tell()

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _say(self, message: Made | Broken | Closed) -> None:
        try:
            self._link.send(encode(message))
        except BrokenPipeError as error:
            raise StageGoneError from error
