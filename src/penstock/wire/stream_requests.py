"""What client and server of durable streams say to each other: the head of every frame, and which body it has.

Each head is a MessagePack array that begins with its kind. A request's answer has its number; what is opened (a
writer, a feed) is named by the number of the frame that opened it. Nothing here knows a store.
"""

from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec

from penstock.errors import RemoteProtocolError
from penstock.wire.columns import HOSTILE, Size
from penstock.wire.layout import BlockLayout

__all__ = [
    "MOST_TEXT",
    "VERSION",
    "Append",
    "Arrived",
    "AskMarks",
    "Claim",
    "Close",
    "Credit",
    "Delete",
    "DeleteGroup",
    "Done",
    "EncodingFields",
    "EndStream",
    "Fetch",
    "Follow",
    "Groups",
    "Hello",
    "IdRange",
    "Ids",
    "Info",
    "Join",
    "LookAtGroup",
    "Marks",
    "Member",
    "Metadata",
    "OpenWriter",
    "Ping",
    "Pong",
    "Present",
    "Refusal",
    "SetMetadata",
    "Stored",
    "Streams",
    "SyncWriter",
    "Welcome",
    "encode_head",
    "open_answer",
    "open_request",
]

VERSION: Final = 1

Count = Annotated[int, msgspec.Meta(ge=0)]
MOST_TEXT: Final = 16_384
Text = Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]
Address = Annotated[str, msgspec.Meta(max_length=2048)]
IdRange = tuple[Count, Count]
"""First and last of some ids."""
EncodingFields = tuple[str, str, tuple[Size, ...]] | None
"""Name, dtype and shape of an encoded column."""

_head: Final[partial[dict[str, Any]]] = partial(
    dict, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True
)


class Hello(msgspec.Struct, tag=1, **_head()):
    """The first frame of a client; nothing else is read before."""

    version: Count
    token: Annotated[str, msgspec.Meta(max_length=16384)] = ""
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Of the client, for texts that say who writes a stream."""

    def __repr__(self) -> str:  # a token must not get into a log by way of an error
        return f"Hello(version={self.version}, name={self.name!r})"


class OpenWriter(msgspec.Struct, tag=2, **_head()):
    """Write a stream. Answered by marks."""

    address: Address
    sync: Literal["none", "interval", "always"] = "interval"
    owner: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Made up by the writer, different for each: who says the same again takes the stream over from himself."""
    is_again: bool = False
    """Whether this was sent before, over a connection that broke."""


class Append(msgspec.Struct, tag=3, **_head()):
    """Append the block in the body. Answered by marks."""

    writer: Count
    layout: BlockLayout
    encodings: tuple[EncodingFields, ...] = ()
    is_again: bool = False
    """Whether it may be there already; then the same content is no conflict."""


class Present(msgspec.Struct, tag=4, **_head()):
    """Ask which ids are there; body: ids, u64. Answered by done; body: one byte for each, 0 or 1."""

    writer: Count


class SyncWriter(msgspec.Struct, tag=5, **_head()):
    """Wait until all that was written survives a loss of power. Answered by marks."""

    writer: Count


class EndStream(msgspec.Struct, tag=6, **_head()):
    """Say that a stream has ended. Answered by marks."""

    writer: Count
    state: Literal["finished", "aborted"]
    text: Text = ""
    """The next stream, or the reason."""


class Close(msgspec.Struct, tag=7, **_head()):
    """Let go of a writer or a feed. Answered by done, also if there is no such thing."""

    what: Count


class Fetch(msgspec.Struct, tag=8, **_head()):
    """Send what is there now. Answered by any number of stored blocks, and done."""

    address: Address
    by: Literal["position", "id", "time"]
    first: int
    last: int = 0
    """For ids and times."""
    credit: Count = 0


class Follow(msgspec.Struct, tag=9, **_head()):
    """Send what is there from a position on, and all that comes. Ends when it is closed."""

    address: Address
    position: Count
    credit: Count = 0
    """Without any, only ``Arrived`` is sent."""


class Credit(msgspec.Struct, tag=10, **_head()):
    """Allow the feed of this frame's number more bytes. Not answered."""

    nbytes: Count


class Info(msgspec.Struct, tag=11, **_head()):
    """Ask how a stream is. Answered by done, with the facts."""

    address: Address


class Ids(msgspec.Struct, tag=12, **_head()):
    """Ask which ids are there. Answered by done; body: u64."""

    address: Address
    first_id: Count
    limit: Annotated[int, msgspec.Meta(ge=0, le=1 << 24)]


class Streams(msgspec.Struct, tag=13, **_head()):
    """List streams. Answered by done; body: MessagePack, a list of facts."""

    within: Address = ""


class Delete(msgspec.Struct, tag=14, **_head()):
    """Remove a stream. Answered by done, with whether it was there."""

    address: Address


class Metadata(msgspec.Struct, tag=15, **_head()):
    """Ask what was said of something. Answered by done; body: JSON, empty for nothing."""

    address: Address


class SetMetadata(msgspec.Struct, tag=16, **_head()):
    """Say something; body: JSON. Answered by done."""

    address: Address
    mode: Literal["replace", "update", "insert"] = "replace"
    upsert: bool = True
    is_again: bool = False


class Ping(msgspec.Struct, tag=17, **_head()):
    """Either side asks whether the other is there."""


class Pong(msgspec.Struct, tag=18, **_head()):
    """Either side says that it is there."""


class AskMarks(msgspec.Struct, tag=19, **_head()):
    """Ask how far a writer has come. Answered by marks."""

    writer: Count


class Join(msgspec.Struct, tag=20, **_head()):
    """Become a member of a group until it is closed or the connection ends. Answered by done, with the name."""

    address: Address
    name: Text
    member: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    """Who comes by the name of another takes its place."""
    owner: Annotated[str, msgspec.Meta(max_length=64)]
    """Made up by the member: who comes back with ``is_again`` takes the place of nobody but himself."""
    is_again: bool = False
    lease_s: float = 30.0
    attempts: Count = 0
    order: Literal["arrival", "id"] = "arrival"
    gap_wait_s: float = 0.0
    survives_power_loss: bool = False


class Claim(msgspec.Struct, tag=21, **_head()):
    """Acknowledge, and get messages. Answered by done; body: MessagePack, the server's clock and a claim.

    With credit, stored blocks of the claimed messages come before that, each range in the order of ids.
    """

    membership: Count
    size: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
    done: tuple[tuple[int | None, tuple[IdRange, ...]], ...] = ()
    """What is acknowledged: the epoch and the ids of each run."""
    credit: Count = 0
    """Bytes of blocks that may be sent with it; those that do not fit, and what was removed, are left out."""


class Member(msgspec.Struct, tag=22, **_head()):
    """Acknowledge, and do something else as a member. Answered by done; body: as of a claim, with what came of it."""

    membership: Count
    what: Literal["flush", "refuse", "newest", "seek", "revive", "dead", "unacknowledged", "snapshot", "leave"]
    done: tuple[tuple[int | None, tuple[IdRange, ...]], ...] = ()
    ids: tuple[IdRange, ...] = ()
    """Those that are refused, the one to seek, or the first and last that may be unacknowledged."""
    delay_s: float = 0.0
    reason: Text = ""


class Groups(msgspec.Struct, tag=23, **_head()):
    """List the groups of a stream. Answered by done; body: MessagePack, their names."""

    address: Address


class DeleteGroup(msgspec.Struct, tag=24, **_head()):
    """Forget a group. Answered by done, with whether it was there."""

    address: Address
    name: Text


class LookAtGroup(msgspec.Struct, tag=25, **_head()):
    """Ask how a group is. Answered by done; body: MessagePack, a list of one report, or of none."""

    address: Address
    name: Text


class Welcome(msgspec.Struct, tag=32, **_head()):
    """The answer to a hello."""

    version: Count
    level: Count
    """Of the store."""
    can_sync: bool
    window: Count
    """Bytes of blocks that a client may leave unanswered."""
    most_body_bytes: Count
    """Of one frame."""


class Done(msgspec.Struct, tag=33, **_head()):
    """It is done; or a fetch is at its end."""

    value: msgspec.Raw = msgspec.Raw(b"\xc0")


class Marks(msgspec.Struct, tag=34, **_head()):
    """How far a writer has come."""

    written: Count
    synced: Count
    last_id: Count


class Stored(msgspec.Struct, tag=35, **_head()):
    """A block of a feed, in the body."""

    layout: BlockLayout
    position: Count
    encodings: tuple[EncodingFields, ...] = ()


class Arrived(msgspec.Struct, tag=36, **_head()):
    """How many messages of a followed stream have arrived, of which some were not sent for want of credit."""

    position: Count
    is_ended: bool
    sent: Count = 0
    """Before which position nothing is left to be sent; what did not come of it was removed first."""


class Refusal(msgspec.Struct, tag=37, **_head()):
    """It cannot be done; number 0: and the connection ends."""

    kind: str
    """The name of one of ``penstock.errors``."""
    text: str
    facts: dict[str, Any] = {}  # msgspec gives each its own
    """What else the error says."""


Request = (
    Hello | OpenWriter | Append | Present | SyncWriter | EndStream | Close | Fetch | Follow | Credit | Info | Ids
    | Streams | Delete | Metadata | SetMetadata | Ping | Pong | AskMarks | Join | Claim | Member | Groups | DeleteGroup
    | LookAtGroup
)  # fmt: skip
Answer = Welcome | Done | Marks | Stored | Arrived | Refusal | Ping | Pong

_requests: Final[msgspec.msgpack.Decoder[Request]] = msgspec.msgpack.Decoder(Request)
_answers: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)
encode_head: Final = msgspec.msgpack.Encoder().encode


def open_request(head: bytes) -> Request:
    """Read what a client says.

    Raises
    ------
    RemoteProtocolError
        If it is nothing that clients say.
    """
    try:
        return _requests.decode(head)
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(head)} bytes are no request: {error}") from error


def open_answer(head: bytes) -> Answer:
    """Read what a server says; as ``open_request``."""
    try:
        return _answers.decode(head)
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(head)} bytes are no answer: {error}") from error
