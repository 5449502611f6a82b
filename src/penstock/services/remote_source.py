"""A source as the event builder sees it: its blocks go to everybody who reads from it, what it loses into the books."""

from collections import deque

from msgspec.structs import replace

from penstock.core import Account, Block, Kind, Ledger
from penstock.core.decoder import Traits
from penstock.core.number_watch import NumberWatch
from penstock.core.origin import Origin
from penstock.monitor.latency import Latency
from penstock.services.custody import Custody
from penstock.services.flow import Outlet
from penstock.services.intake import INSTRUMENT
from penstock.services.peer import Peer
from penstock.wire import envelopes as wire

__all__ = ["RemoteSource"]

MOST_DEATHS = 3
"""How often the processes of a source may die in the same reading, if each reads it again."""
MOST_DEATHS_IN_VAIN = 5
"""How often they may die before they have read anything."""


class RemoteSource:
    """The messages of one source, whichever incarnation of it reads them."""

    def __init__(self, name: str, ledger: Ledger, custody: Custody) -> None:
        self.name = name
        self.outlet = Outlet(name)
        self.peer: Peer | None = None
        self.traits = Traits()
        self.is_file = False
        self.has_opened = False
        """Whether the process that is to read it now has opened its instrument."""
        self.is_open = True
        """Whether more may come."""
        self.has_ended = False
        """Whether nothing will ever come again, or its scan is over."""
        self.trouble = ""
        self.is_held = False
        """Whether its instrument is to be left alone."""
        self._unanswered: deque[bool] = deque()
        """For each time that its process was told so, or not, and has not answered: whether it may read meanwhile."""
        self.given_up = ""
        """Why nobody reads it any more, though it had not ended."""
        self.watch: NumberWatch | None = None
        """Looks at the numbers, where no join does."""
        self.entry = ledger.entry(INSTRUMENT, name)
        self.is_repeatable = False
        """Whether a successor reads the same from the beginning."""
        self.wants_settled = False
        """Whether it is told when its messages are accounted for; what is not, comes again."""
        self._settled: list[tuple[int, int]] = []
        self.last_id = 0
        """Of the messages so far."""
        self._unparsable = self._filtered = 0
        self._died_at = self._deaths = 0
        self._deaths_in_vain = 0
        """In a row, of processes that had read nothing."""
        self.latency = Latency()
        """From reading a message until it is known here."""
        self._custody = custody

    def enter(self, peer: Peer) -> None:
        """Let a process read for this source."""
        self.peer = peer
        self._unanswered.clear()
        if self.is_held:
            self._say_hold(peer, may_read=False)  # it is told so before it is told to read

    def begin(self) -> None:
        """Have it read: from the beginning, or on from where its predecessor was."""
        assert self.peer is not None
        is_again = self.is_repeatable
        self.peer.say(
            wire.Begin(
                shift=0 if is_again else self.last_id,
                skip=self.last_id if is_again else 0,
                skip_unparsable=self._unparsable if is_again else 0,
                skip_filtered=self._filtered if is_again else 0,
            )
        )

    def hold(self, is_held: bool) -> None:
        """Leave its instrument alone, or read it again."""
        if self.is_held != is_held:
            self.is_held = is_held
            if self.peer is not None:
                self._say_hold(self.peer)

    def obey(self) -> None:
        """Note that its process has done as it was told last."""
        self._unanswered.popleft()

    @property
    def is_left_alone(self) -> bool:
        """Whether its instrument is held, and all is told that was read before."""
        return self.is_held and not any(self._unanswered)

    def _say_hold(self, peer: Peer, *, may_read: bool = True) -> None:
        peer.say(wire.Hold(self.is_held))
        self._unanswered.append(may_read)

    def give_up(self, why: str, now: int) -> None:
        """End its stream where it is: nobody will read what its instrument sends from here on."""
        self.given_up = f"{why}: what {self.name} sends after message {self.last_id} is missing"
        self.entry.remark("given up", self.given_up)
        self.end(now)

    def lose(self, why: str, at: int) -> str:
        """Note that its process died; return why none should follow, if those before died of the same.

        Parameters
        ----------
        at
            In which reading; 0 if between two.
        """
        self.peer, self.has_opened = None, False
        self._deaths_in_vain += 1
        if at:
            self._deaths = self._deaths + 1 if at == self._died_at else 1
            self._died_at = at
        goes_on = "read again from there" if self.is_repeatable else "what came until it was read again is missing"
        if self.wants_settled:
            goes_on = "what was not accounted for comes again"
        self.entry.remark("restarted", f"{why}, after message {self.last_id}: {goes_on}")
        if at and self.is_repeatable and self._deaths >= MOST_DEATHS:
            return f"{why}, {self._deaths} times in a row in the same reading"
        if self._deaths_in_vain >= MOST_DEATHS_IN_VAIN:
            return f"{why}, {self._deaths_in_vain} times in a row before anything was read"
        return ""

    def hear(self, read: wire.Read, now: int) -> bool:
        """Take what a reading brought; return whether there was anything."""
        self._deaths_in_vain = 0
        entry = self.entry
        is_short = bool(read.unparsable or read.filtered or read.dropped)
        if is_short:
            self._post_lost(read)
        for filled in read.blocks:
            n = filled.layout.rows
            block = self._custody.admit(self.name, filled, self.name)
            if block.kind is Kind.END:
                self.has_ended = True
            if self.watch is not None:
                self.watch.look(block)
            self.last_id = int(block.ids[-1])
            self.latency.add(now - filled.read_ns, n)
            entry.arrive(n)
            self.outlet.pass_on(self._with_origin(block) if self.wants_settled else block, now)
            entry.post(Account.DONE, n)
        if read.trouble:
            self.trouble = read.trouble
        if read.ended:
            self.end(now)
        return is_short or bool(read.blocks)

    def _post_lost(self, read: wire.Read) -> None:
        """Account for what was read and given to nobody."""
        entry = self.entry
        entry.arrive(len(read.unparsable) + read.filtered + read.dropped)
        entry.post(Account.FILTERED, read.filtered)
        entry.post(
            Account.DROPPED, read.dropped, "no slot was free, and when_full says to drop" if read.dropped else ""
        )
        for text in read.unparsable:
            entry.post(Account.UNPARSABLE, 1, text)
        self.last_id += read.dropped
        self._unparsable += len(read.unparsable)
        self._filtered += read.filtered

    def end(self, now: int) -> None:
        """Take it that nothing more will come."""
        if self.is_open:
            self.is_open = False
            self.has_ended = True
            self.outlet.close(now)

    def take_settled(self) -> tuple[tuple[int, int], ...]:
        """Return, once, which blocks are accounted for."""
        settled = tuple(self._settled)
        self._settled.clear()  # the same list: what is under way is told to it
        return settled

    def _with_origin(self, block: Block) -> Block:
        """Note that a block is under way; what begins and ends a scan never is, and may be kept for long."""
        first, last = int(block.ids[0]), int(block.ids[-1])
        if block.kind is not Kind.DATA:
            self._settled.append((first, last))
            return block
        return replace(block, origins=(Origin(first, last, self._settled.append),))

    def remark_silence(self) -> None:
        """Name it in the books if nothing ever came."""
        if not self.trouble and not self.entry.arrived:
            self.entry.remark("silent", "nothing ever came; see whether it is on and its address is right")
