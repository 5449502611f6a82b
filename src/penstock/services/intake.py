"""A source in one thread: what it reads goes to everybody who reads from it, and what it loses into the books."""

from math import ceil

from msgspec.structs import replace

from penstock.core import NS_PER_S, Account, Block, Kind, Ledger
from penstock.core.number_watch import NumberWatch
from penstock.core.origin import Origin
from penstock.elements.source import Reading, Source
from penstock.errors import PenstockError, SourceError, UserCodeError
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
        self.due_ns: int | None = None
        """When it is to be read next, of the clock of ``read``; ``None`` if it does not go by a clock of its own."""
        self.watch: NumberWatch | None = None
        """Looks at the numbers, where no join does."""
        self.entry = ledger.entry(INSTRUMENT, name)
        self.last_id = 0
        """Of the messages so far."""
        self._is_open = self._has_opened = self._has_said_so = False
        self._is_whole = True
        self._settled: list[tuple[int, int]] = []
        self._bytes = 0
        source.stream = name
        source.folder = folder

    @property
    def messages(self) -> int:
        """Messages so far."""
        return self.entry[Account.DONE]

    def open(self) -> None:
        """Open the source."""
        self.source.open()
        self._is_open = self._has_opened = True

    def read(self, now_ns: int, utc_ns: int) -> bool:
        """Read what there is and hand it on, unless it is not due yet; return whether there was anything.

        Raises
        ------
        UserCodeError
            If the source raised what no source should.
        """
        reading = self._read(now_ns, utc_ns)
        self._account(reading)
        for block in reading.blocks:
            if self.watch is not None:
                self.watch.look(block)
            self.last_id = int(block.ids[-1])
            try:
                self.outlet.give([self._with_origin(block)], now_ns)
            except BaseException:
                self._is_whole = False
                raise
            finally:  # blocks behind one that user code fails on stay in flight
                self.entry.post(Account.DONE, len(block))
        self.has_ended |= reading.ended or any(block.kind is Kind.END for block in reading.blocks)
        if reading.ended:
            self.end(now_ns)
        return not reading.is_empty

    @property
    def bytes_per_message(self) -> float:
        """Mean payload so far."""
        return self._bytes / self.messages if self.messages else 0.0

    @property
    def is_always_ready(self) -> bool:
        """Whether reading never depends on anything arriving, as of a file."""
        return self._is_open and self.source.pollable is None

    def settle(self) -> None:
        """Tell the source which of its messages are accounted for, unless something has failed on one."""
        settled = self._settled.copy()
        self._settled.clear()  # the same list: what is under way is told to it
        for first, last in settled if self._is_whole else ():
            self.source.settle(first, last)

    def leave(self) -> None:
        """Tell the source that the run is over."""
        self._is_whole = False
        self.source.leave()

    def _with_origin(self, block: Block) -> Block:
        """Note that a block is under way, if its source wants to know; what begins and ends a scan never is."""
        if not self.source.wants_settled:
            return block
        first, last = int(block.ids[0]), int(block.ids[-1])
        if block.kind is not Kind.DATA:
            self._settled.append((first, last))
            return block
        # Not a method of this object, which would live as long as the last block.
        return replace(block, origins=(Origin(first, last, self._settled.append),))

    def remark_silence(self) -> None:
        """Name it in the books if nothing ever came."""
        if self._has_opened and not self.trouble and not self.entry.arrived:
            self.entry.remark("silent", "nothing ever came; see whether it is on and its address is right")

    def end(self, now_ns: int) -> None:
        """Close the source, and say once that it gives nothing more."""
        self.close()
        if not self._has_said_so:
            self._has_said_so = True
            self.outlet.close(now_ns)

    def close(self) -> None:
        """Close the source; nothing is read any more."""
        if self._is_open:
            self._is_open = False
            self.source.close()

    @property
    def is_open(self) -> bool:
        """Whether it can be read."""
        return self._is_open

    def _read(self, now_ns: int, utc_ns: int) -> Reading:
        try:
            wait_s = self.source.wait_s(utc_ns)
            if wait_s is not None and wait_s > 0:
                self.due_ns = now_ns + ceil(wait_s * NS_PER_S)
                return Reading()
            self.due_ns = None
            return self.source.read(utc_ns)
        except SourceError as error:
            text = str(error)
            self.trouble = text if text.startswith(f"{self.name}: ") else f"{self.name}: {text}"
            return Reading(ended=True)
        except PenstockError:
            raise
        except (Exception, SystemExit) as error:  # a source may be user code
            raise UserCodeError(f"source {self.name}: {type(error).__name__}: {error}", stage=self.name) from error

    def _account(self, reading: Reading) -> None:
        messages = sum(len(block) for block in reading.blocks)
        self._bytes += sum(block.nbytes for block in reading.blocks)
        self.entry.arrive(messages + len(reading.unparsable) + reading.filtered)
        self.entry.post(Account.FILTERED, reading.filtered)
        for text in reading.unparsable:
            self.entry.post(Account.UNPARSABLE, 1, text)
