"""Watch the instrument's own numbers of a stream that no join looks at: what is missing, what came twice."""

from penstock.core.block import Block
from penstock.core.decoder import Traits
from penstock.core.ledger import Account, Counter, Entry
from penstock.core.message import Kind
from penstock.core.numbering import ByPlace
from penstock.core.tracker import Tracker

__all__ = ["NumberWatch"]


class NumberWatch:
    """Count gaps, restarts, and messages that came out of order or twice. All of them go on as they came.

    Parameters
    ----------
    entry
        The books of the stream.
    traits
        What the instrument says of itself; every start begins a new count.
    """

    def __init__(self, entry: Entry, traits: Traits) -> None:
        self._counted = _Counted(entry)
        self._first = traits.first
        self._tracker: Tracker | None = None

    def look(self, block: Block) -> None:
        """Look at a block that has come."""
        if block.kind is Kind.START:
            self._tracker = None
        elif block.kind is Kind.DATA and block.keys is not None and len(block):
            if self._tracker is None:
                first = int(block.keys[0]) if self._first is None else self._first
                self._numbering = ByPlace(self._counted, first=first, check_keys=True)
                self._tracker = Tracker(self._counted, first=0, shown_from=first)
            for _ in self._tracker.admit(block, slice(0, len(block)), self._numbering.numbers(block), 0):
                pass


class _Counted(Entry):
    """Books in which nothing ends: what a tracker would set aside is counted."""

    __slots__ = ("_entry",)

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.producer, entry.consumer)
        self._entry = entry

    def note(self, counter: Counter, count: int, detail: str = "") -> None:
        self._entry.note(counter, count, detail)

    def post(self, account: Account, count: int, detail: str = "") -> None:
        if account is Account.DUPLICATE:
            self._entry.note(Counter.DOUBLED, count, detail)
