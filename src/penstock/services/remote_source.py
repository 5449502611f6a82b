"""A source as the event builder sees it: its blocks go to everybody who reads from it, what it loses into the books."""

from penstock.core import Account, Kind, Ledger
from penstock.core.decoder import Traits
from penstock.monitor.latency import Latency
from penstock.services.custody import Custody
from penstock.services.flow import Outlet
from penstock.services.intake import INSTRUMENT
from penstock.services.peer import Peer
from penstock.wire import envelopes as wire

__all__ = ["RemoteSource"]


class RemoteSource:
    """The messages of one source, whichever incarnation of it reads them."""

    def __init__(self, name: str, ledger: Ledger, custody: Custody) -> None:
        self.name = name
        self.outlet = Outlet(name)
        self.peer: Peer | None = None
        self.traits = Traits()
        self.is_file = False
        self.is_open = True
        """Whether more may come."""
        self.has_ended = False
        """Whether nothing will ever come again, or its scan is over."""
        self.trouble = ""
        self.entry = ledger.entry(INSTRUMENT, name)
        self.last_id = 0
        """Of the messages so far."""
        self.latency = Latency()
        """From reading a message until it is known here."""
        self._custody = custody

    def enter(self, peer: Peer) -> None:
        """Let a process read for this source."""
        self.peer = peer

    def hear(self, read: wire.Read, now: int) -> bool:
        """Take what a reading brought; return whether there was anything."""
        sizes = [filled.layout.rows for filled in read.blocks]
        entry = self.entry
        entry.arrive(sum(sizes) + len(read.unparsable) + read.filtered + read.dropped)
        entry.post(Account.FILTERED, read.filtered)
        entry.post(
            Account.DROPPED, read.dropped, "no slot was free, and when_full says to drop" if read.dropped else ""
        )
        for text in read.unparsable:
            entry.post(Account.UNPARSABLE, 1, text)
        for filled in read.blocks:
            block = self._custody.admit(self.name, filled, self.name)
            self.last_id = max(self.last_id, int(block.ids[-1]))
            self.has_ended |= block.kind is Kind.END
            self.latency.add(now - filled.read_ns, len(block))
            self.outlet.give([block], now)
            entry.post(Account.DONE, len(block))
        self.last_id += read.dropped
        if read.trouble:
            self.trouble = read.trouble
        if read.ended:
            self.end(now)
        return bool(sizes or read.unparsable or read.filtered or read.dropped)

    def end(self, now: int) -> None:
        """Take it that nothing more will come."""
        if self.is_open:
            self.is_open = False
            self.has_ended = True
            self.outlet.close(now)

    def remark_silence(self) -> None:
        """Name it in the books if nothing ever came."""
        if not self.trouble and not self.entry.arrived:
            self.entry.remark("silent", "nothing ever came; see whether it is on and its address is right")
