"""What the event builder and the processes around it say to each other, in lists that travel as one message.

Only bytes and their meaning. A list is one SEQPACKET message, so that a hop costs one system call and one wake-up.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from penstock.core.decoder import Traits
from penstock.errors import RemoteProtocolError
from penstock.wire.columns import HOSTILE
from penstock.wire.descriptors import BlockDescriptor
from penstock.wire.events import EventsDescriptor
from penstock.wire.integers import Integers
from penstock.wire.layout import BlockLayout
from penstock.wire.results import ResultsDescriptor

__all__ = [
    "Begin",
    "BlockFilled",
    "Broken",
    "BroughtOut",
    "Change",
    "Close",
    "Closed",
    "Done",
    "Drop",
    "Envelope",
    "Failed",
    "Finish",
    "Flag",
    "Flagged",
    "FlowDescriptor",
    "Folded",
    "Free",
    "Give",
    "Go",
    "Hold",
    "Lease",
    "NoResults",
    "Note",
    "Obeyed",
    "Opened",
    "Part",
    "Picked",
    "Piece",
    "PoolMade",
    "Raised",
    "Read",
    "Ready",
    "Saved",
    "Stop",
    "Yielded",
    "open_envelopes",
    "seal",
]

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Plain(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """A part of an envelope."""


class Note(_Plain, frozen=True):
    """One exception of user code, for people."""

    stage: str
    event: _Int64 | None
    cause: str
    traceback: str
    item: str = ""


class BlockFilled(_Plain, frozen=True):
    """A block that lies in a slot of the sender's pool."""

    generation: int
    slot: int
    layout: BlockLayout
    read_ns: int
    """When it was read, on the machine's monotonic clock."""


class Picked(_Plain, frozen=True, tag=4):
    """Some rows of results that were sent before, in a new order."""

    stage: str
    lane: str
    numbers: Integers
    revision: int
    pieces: tuple[int, ...]
    """Numbers of the pieces they come from."""
    rows: Integers
    """Which row of its piece each is."""
    which: Integers | None = None
    """Position in ``pieces`` for each; ``None``: all are of the only one."""
    copies: Integers | None = None


FlowDescriptor = BlockDescriptor | EventsDescriptor | ResultsDescriptor | Picked
"""What rooms hand on: messages, events or results."""


class _Envelope(_Plain, frozen=True):
    """The root of all that is said."""


class PoolMade(_Envelope, frozen=True, tag=10):
    """Here is a pool; its descriptor travels beside."""

    name: str
    generation: int
    slots: int
    slot_bytes: int


class PoolGone(_Envelope, frozen=True, tag=11):
    """Nothing will ever lie in this pool again."""

    name: str
    generation: int


class Ready(_Envelope, frozen=True, tag=12):
    """The process has made what it is to run, and waits for work."""

    keeps_state: bool = True
    """Of a reducer: whether its state can be given to a successor."""
    traits: Traits | None = None
    """Of a source."""
    is_repeatable: bool = False
    """Of a source: whether one that is made anew reads the same from the beginning."""
    wants_settled: bool = False
    """Of a source: whether it is to be told when its messages are accounted for."""
    renumbers: bool = False
    """Of steps: whether what they give is not one for one of what they get, so that they number it."""


class Begin(_Envelope, frozen=True, tag=14):
    """Open the instrument; to a reducer: go on from what is published."""

    shift: int = 0
    """Messages that predecessors have given: ids go on from there."""
    skip: int = 0
    """Messages to read and give nobody, because a predecessor gave them."""
    skip_unparsable: int = 0
    """Likewise of what it could not parse."""
    skip_filtered: int = 0
    """Likewise of what it left out."""


class Opened(_Envelope, frozen=True, tag=15):
    """The instrument is open, and will be read from ``Go`` on."""

    is_file: bool
    """Whether reading never depends on anything arriving."""


class Go(_Envelope, frozen=True, tag=16):
    """Every instrument is open: read."""


class Broken(_Envelope, frozen=True, tag=13):
    """It could not: the text names the stage, the note has the traceback."""

    text: str
    note: Note | None = None


class Read(_Envelope, frozen=True, tag=20):
    """What one reading of a source brought."""

    blocks: tuple[BlockFilled, ...] = ()
    unparsable: tuple[str, ...] = ()
    filtered: int = 0
    dropped: int = 0
    """Messages given up because no slot was free, as ``when_full`` says."""
    ended: bool = False
    trouble: str = ""
    """Why the connection broke, if it did."""


class Free(_Envelope, frozen=True, tag=21):
    """Slots of the receiver's pool that nobody needs any more."""

    generation: int
    slots: tuple[int, ...]


class Settled(_Envelope, frozen=True, tag=23):
    """All that came of these messages of the receiver is accounted for."""

    ranges: tuple[tuple[int, int], ...]
    """(first id, last id), one for each block."""


class Stop(_Envelope, frozen=True, tag=22):
    """Read nothing more."""


class Hold(_Envelope, frozen=True, tag=24):
    """Leave the instrument alone until the contrary is said."""

    is_held: bool


class Obeyed(_Envelope, frozen=True, tag=25):
    """The instrument is left alone, or is not, as was said last; all that was read before is told."""


class Piece(_Envelope, frozen=True, tag=30):
    """Results that later envelopes pick rows of."""

    id: int
    results: ResultsDescriptor


class Drop(_Envelope, frozen=True, tag=31):
    """Pieces that nothing will be picked of any more."""

    pieces: tuple[int, ...]


class Lease(_Envelope, frozen=True, tag=32):
    """Work on these; answered by ``Part`` until all rows are told, then ``Done``."""

    id: int
    lane: str
    flow: FlowDescriptor
    size: int
    is_watched: bool = False
    """Whether the number of each event must be told before it is worked on: one of them may kill."""
    copies: Integers | None = None
    is_again: bool = False
    """Whether others wait for it whose results lie in slots: it must not wait for those."""
    is_urgent: bool = False
    """Whether it goes before leases of lower lanes that were lent before it, also in their midst; `Progress` says that
    it is on its way."""


class Part(_Envelope, frozen=True, tag=33):
    """What came of the next rows of a lease."""

    lease: int
    size: int
    results: ResultsDescriptor | None
    """``None``: these rows have none."""
    accounts: tuple[tuple[int, int], ...]
    """(account, count)"""
    present: memoryview | None = None
    """One bit a row, the lowest first: which have a value; ``None``: all."""
    notes: tuple[Note, ...] = ()
    ended: memoryview | None = None
    """(size,), u1: each row's account, where an event log wants to know."""


class Yielded(_Envelope, frozen=True, tag=35):
    """What steps gave that is not one for one of what they were lent; numbered by the sender."""

    lane: str
    results: ResultsDescriptor


class Finish(_Envelope, frozen=True, tag=38):
    """Nothing more will come: bring out what steps hold; answered by ``BroughtOut``."""


class Raised(_Envelope, frozen=True, tag=46):
    """User code raised on what came of something that is accounted for already; the run goes on."""

    lane: str
    notes: tuple[Note, ...]


class BroughtOut(_Envelope, frozen=True, tag=39):
    """Nothing more will come of what was given."""


class Done(_Envelope, frozen=True, tag=34):
    """A lease is worked on."""

    lease: int
    took_ns: int
    kept: tuple[tuple[str, int, int], ...] = ()
    """(pool, generation, slot) of which user code holds views."""
    let_go: tuple[tuple[str, int, int], ...] = ()
    """Slots that were kept, and are no more."""


class Flag(_Envelope, frozen=True, tag=36):
    """Call the hooks for a start or an end; answered by ``Flagged``."""

    id: int
    flow: FlowDescriptor


class Flagged(_Envelope, frozen=True, tag=37):
    """They were called."""

    id: int


class Give(_Envelope, frozen=True, tag=40):
    """Fold or write these; answered by ``Folded``, and by ``Saved`` when they need not be given again."""

    id: int
    producer: str
    flow: FlowDescriptor


class Folded(_Envelope, frozen=True, tag=41):
    """What was given is in the views, or written."""

    id: int
    took_ns: int
    accounts: tuple[tuple[int, int], ...]
    notes: tuple[Note, ...] = ()
    kept: tuple[tuple[str, int, int], ...] = ()
    let_go: tuple[tuple[str, int, int], ...] = ()
    """Slots that were kept, and are no more."""
    folded_ns: int = 0
    """When, on the machine's monotonic clock; 0: just now."""


class Saved(_Envelope, frozen=True, tag=43):
    """Everything given up to here outlives this process."""

    id: int
    version: int
    keeps_state: bool = True


class Failed(_Envelope, frozen=True, tag=44):
    """User code raised, and the run must not go on."""

    text: str
    event: _Int64 | None
    revision: int
    notes: tuple[Note, ...] = ()


class Change(_Envelope, frozen=True, tag=45):
    """A revision of the parameters."""

    revision: int
    from_event: int
    values: msgspec.Raw
    """By address, as ``encode_value`` writes a dictionary."""


class Close(_Envelope, frozen=True, tag=50):
    """End in good order."""

    ended_well: bool = True
    outcome: str = "finished"
    trouble: str = ""
    """Why it did not end well."""
    ledger: tuple[tuple[str, str, int, tuple[int, ...]], ...] = ()
    """For sinks that tell of it: producer, consumer, what arrived, and what ended in each account, of every edge."""


class Closed(_Envelope, frozen=True, tag=51):
    """The last word: what the close hooks raised, and what is kept for the next run."""

    trouble: str = ""
    note: Note | None = None
    context: msgspec.Raw = msgspec.Raw(b"\x80")
    output: str = ""
    """Of a sink: the file that it has written."""


class TickTold(_Envelope, frozen=True, tag=52):
    """User code was given a tick; as ``Ticked`` in the event log."""

    now_ns: int
    after: int
    flags: int
    step: int


class NoResults(_Envelope, frozen=True, tag=53):
    """Events that a sink may wait for have no result."""

    id: int
    producer: str
    numbers: Integers


Envelope = (
    PoolMade | PoolGone | Ready | Begin | Opened | Go | Broken | Read | Free | Settled | Stop | Hold | Obeyed | Piece
    | Drop
    | Lease | Part | Yielded | Finish | BroughtOut | Raised
    | Done | Flag | Flagged | Give | Folded | Saved | Failed | Change | Close | Closed | TickTold
    | NoResults
)  # fmt: skip

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(list[Envelope])


def seal(envelopes: Sequence[Envelope]) -> bytes:
    """Return a message that says all of this."""
    return _ENCODER.encode(envelopes)


def open_envelopes(data: bytes) -> list[Any]:  # Any: of Envelope, which is matched by class at once
    """Return what a message says; columns are views of ``data``.

    Raises
    ------
    RemoteProtocolError
        If it is anything else.
    """
    try:
        found: list[Any] = _DECODER.decode(data)
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(data)} bytes are no envelopes: {error}") from error
    return found
