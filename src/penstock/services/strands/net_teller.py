"""What the process of a stage with generators or buffers says of its items: what goes on first, then what is settled.

It is called by whichever strand has something to say, and never waits for its stage.
"""

import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import perf_counter_ns
from typing import Final

import msgspec

from penstock.core import Account
from penstock.core.ledger import Ledger
from penstock.pipeline.plan import StagePlan
from penstock.services.blob import write_blob
from penstock.services.strands.net_ends import Inbox, Outbox
from penstock.services.strands.parts import StepPart
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import Tally
from penstock.services.strands.strand import Strand
from penstock.services.user_calls import KEPT_DEAD_LETTERS, KEPT_FAILURES, Failure
from penstock.transport.seqpacket import Link
from penstock.wire.steps import MOST_UNHEARD, Failed, Gave, encode

__all__ = ["NotedStage", "Teller"]

INLINE_BYTES: Final = 8_000
"""What is longer travels as a memory file, so that so many always fit on a link, and no strand waits to send."""
_NOTHING: Final = msgspec.Raw(b"\xc0")


class NotedStage(Stage):
    """What the process takes for its stage: its books are told to the one that keeps them for the run."""

    def __init__(self, plan: StagePlan) -> None:
        super().__init__(plan, Ledger().entry("", plan.name))
        self.noted: deque[Failure] = deque(maxlen=KEPT_DEAD_LETTERS if self.sets_aside else KEPT_FAILURES)

    def keep(self, failure: Failure) -> None:
        """Note what happened to an item that is given up."""
        self.noted.append(failure)

    def so_far(self) -> tuple[int, int, int]:
        """Return how many items are done, filtered and given up."""
        return self.entry[Account.DONE], self.entry[Account.FILTERED], self.entry[self.account]


class Teller:
    """Says what there is to say.

    Parameters
    ----------
    strands, parts
        All of the stage, and its steps in their order.
    """

    def __init__(
        self, link: Link, stage: NotedStage, inbox: Inbox, outbox: Outbox, strands: Sequence[Strand],
        parts: Sequence[StepPart],
    ) -> None:  # fmt: skip
        self._link = link
        self._stage, self._inbox, self._outbox = stage, inbox, outbox
        self._strands, self._parts = strands, parts
        self._lock = threading.Lock()
        self._unheard = 0
        self._settled, self._accounts = 0, (0, 0, 0)
        self._tallies: list[Tally] = [(0, 0, 0, 0, 0, 0)] * len(parts)
        self._since_ns, self._idle_ns = perf_counter_ns(), 0

    def hear(self, count: int) -> None:
        """Note that the stage took so many messages."""
        with self._lock:
            self._unheard -= count

    def tell(self) -> bool:
        """Say what there is to say; return whether everything is said, or will be when more messages may go."""
        with self._lock:
            while self._unheard < MOST_UNHEARD:
                if self._tell_some():
                    return True
        return False

    def _tell_some(self) -> bool:
        """Send one message at most; return whether nothing is left to say."""
        for strand in self._strands:
            strand.books.keep()
        # In this order: what came of the items that are counted lies in the outbox by now.
        accounts = self._stage.so_far()
        settled = max(self._inbox.settled, sum(accounts))
        lie = len(self._outbox.items)
        count, data = self._outbox.message()
        failures = self._failures()
        if is_all := count >= lie and not self._stage.noted:
            self._inbox.told_ns = perf_counter_ns()
        else:
            settled, accounts = self._settled, self._accounts
        tallies = [_tally(part) for part in self._parts]
        if self._outbox.refused:
            arrived, filtered, failed, samples, sampled_ns, longest_ns = tallies[-1]
            tallies[-1] = arrived, filtered, failed + self._outbox.refused, samples, sampled_ns, longest_ns
        if count or failures or (settled, accounts, tallies) != (self._settled, self._accounts, self._tallies):
            message = Gave(
                count, msgspec.Raw(data), settled - self._settled, _grown(accounts, self._accounts),
                self._took_ns(settled), [_news(*both) for both in zip(tallies, self._tallies, strict=True)], failures,
            )  # fmt: skip
            self._settled, self._accounts, self._tallies = settled, accounts, tallies
            self._send(message, data)
        return is_all

    def _took_ns(self, settled: int) -> int:
        """Return what the items took that are said to be settled now."""
        if settled == self._settled:
            return 0
        now_ns, idle_ns = perf_counter_ns(), self._inbox.idle_ns
        took_ns = max(0, now_ns - self._since_ns - (idle_ns - self._idle_ns))
        self._since_ns, self._idle_ns = now_ns, idle_ns
        return took_ns

    def _failures(self) -> list[Failed]:
        found: list[Failed] = []
        nbytes = 0
        while self._stage.noted and nbytes < INLINE_BYTES:
            failure = self._stage.noted.popleft()
            found.append(Failed(failure.cause, failure.traceback, failure.item))
            nbytes += len(failure.cause) + len(failure.traceback) + len(failure.item)
        return found

    def _send(self, message: Gave, data: bytes) -> None:
        self._unheard += 1
        with suppress(BrokenPipeError):  # whoever reads the link finds that nobody is there
            if len(data) <= INLINE_BYTES:
                self._link.send(encode(message))
                return
            file = write_blob("given", data)
            try:
                self._link.send(encode(msgspec.structs.replace(message, values=_NOTHING)), (file,))
            finally:
                os.close(file)


def _tally(part: StepPart) -> Tally:
    return part.arrived, part.filtered, part.failed, part.samples, part.sampled_ns, part.longest_ns


def _news(now: Tally, before: Tally) -> Tally:
    """Return what has been added; the longest of all is not added up."""
    arrived, filtered, failed, samples, sampled_ns, _ = map(int.__sub__, now, before)
    return arrived, filtered, failed, samples, sampled_ns, now[5]


def _grown(now: tuple[int, int, int], before: tuple[int, int, int]) -> tuple[int, int, int]:
    return now[0] - before[0], now[1] - before[1], now[2] - before[2]
