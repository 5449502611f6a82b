"""Read a source by hand, and keep the books of what it says."""

import select
import time
from collections.abc import Callable

from penstock.core import Message
from penstock.core.ledger import Counter, Entry
from penstock.core.number_watch import NumberWatch
from penstock.elements.source import Reading, Source

__all__ = ["Begin", "Reader"]

DEADLINE_S = 60.0


class Reader:
    """A source that is read by hand, and the books of it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        source.stream = "it"
        source.open()
        self.messages: list[Message] = []
        self.missing = 0
        """Numbers that the messages have not, as the books of a run count them."""
        self._entry = Entry("instrument", "it")
        self._watch = NumberWatch(self._entry, source.traits)
        self.unparsable: list[str] = []
        self.filtered = 0
        self.has_ended = False

    def read(self) -> Reading:
        reading = self.source.read(time.time_ns())
        for block in reading.blocks:
            self._watch.look(block)
        self.missing = self._entry.counter(Counter.GAPS)
        self.messages += [message for block in reading.blocks for message in block.messages()]
        self.unparsable += reading.unparsable
        self.filtered += reading.filtered
        self.has_ended |= reading.ended
        return reading

    def until(self, is_enough: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not is_enough():
            assert time.monotonic() < deadline, (self.messages, self.unparsable, self.filtered)
            select.select([self.source.pollable], [], [], 0.05)
            self.read()


Begin = Callable[[Source], Reader]
