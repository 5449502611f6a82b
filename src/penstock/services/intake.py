"""A source in one thread: what it reads goes to everybody who reads from it, and what it loses into the books."""

from penstock.core import Account, Kind, Ledger
from penstock.elements.source import Reading, Source
from penstock.errors import SourceError
from penstock.pipeline.plan import SourcePlan
from penstock.services.flow import Outlet

__all__ = ["Intake"]

INSTRUMENT = "instrument"
"""The producer that the ledger names for what a source receives."""


class Intake:
    """Read one source."""

    def __init__(self, plan: SourcePlan, source: Source, folder: str, ledger: Ledger) -> None:
        self.name = name = plan.name
        self.source = source
        self.outlet = Outlet(name)
        self.has_ended = False
        """Whether nothing will ever come again, or its scan is over."""
        self.trouble = ""
        """Why it broke, if it did."""
        self._entry = ledger.entry(INSTRUMENT, name)
        self._is_open = False
        self._bytes = 0
        source.stream = name
        source.folder = folder

    @property
    def messages(self) -> int:
        """Messages so far."""
        return self._entry[Account.DONE]

    def open(self) -> None:
        """Open the source."""
        self.source.open()
        self._is_open = True

    def read(self, now_ns: int, utc_ns: int) -> bool:
        """Read what there is and hand it on; return whether there was anything."""
        try:
            reading = self.source.read(utc_ns)
        except SourceError as error:
            self.trouble = str(error)
            reading = Reading(ended=True)
        self._account(reading)
        if reading.blocks:
            self.outlet.give(reading.blocks, now_ns)
        self.has_ended |= reading.ended or any(block.kind is Kind.END for block in reading.blocks)
        if reading.ended:
            self.close()
            self.outlet.close(now_ns)
        return not reading.is_empty

    @property
    def bytes_per_message(self) -> float:
        """Mean payload so far."""
        return self._bytes / self.messages if self.messages else 0.0

    @property
    def is_always_ready(self) -> bool:
        """Whether reading never depends on anything arriving, as of a file."""
        return self._is_open and self.source.pollable is None

    def close(self) -> None:
        """Close the source; nothing is read any more."""
        if self._is_open:
            self._is_open = False
            self.source.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be read."""
        return self._is_open

    def _account(self, reading: Reading) -> None:
        messages = sum(len(block) for block in reading.blocks)
        self._bytes += sum(block.nbytes for block in reading.blocks)
        self._entry.arrive(messages + len(reading.unparsable) + reading.filtered)
        self._entry.post(Account.DONE, messages)
        self._entry.post(Account.FILTERED, reading.filtered)
        for text in reading.unparsable:
            self._entry.post(Account.UNPARSABLE, 1, text)
