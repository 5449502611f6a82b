"""What ASAPO's clients ask for over HTTP, as values."""

import msgspec

from penstock.errors import StreamError

__all__ = [
    "Acknowledge",
    "AskAcknowledged",
    "AskLastAcknowledged",
    "AskMetadata",
    "AskService",
    "AskSize",
    "AskSources",
    "AskStreams",
    "AskVersion",
    "Delete",
    "FolderToken",
    "GetById",
    "GetLast",
    "GetNext",
    "NewGroup",
    "Of",
    "OfGroup",
    "OfStream",
    "OtherProtocolError",
    "Parts",
    "Persist",
    "Query",
    "Refuse",
    "Request",
    "Resend",
    "ResetCounter",
    "Transfer",
    "UnknownTargetError",
]  # fmt: skip


class UnknownTargetError(StreamError):
    """No service has such a target; answered by 404."""


class OtherProtocolError(StreamError):
    """A client speaks another version of the protocol; answered by 415."""


class Parts(msgspec.Struct, frozen=True, gc=False):
    """That a dataset is wanted."""

    least: int
    """How many parts are enough; 0 for all."""
    only: int
    """The one that is wanted; 0 for all."""


class Resend(msgspec.Struct, frozen=True, gc=False):
    """That what is not acknowledged in time is to be handed out again."""

    delay_ms: int
    attempts: int
    """0: without limit."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """What all requests have."""

    token: str


class Of(Request, frozen=True, gc=False):
    """What requests to the broker have."""

    beamtime: str
    source: str
    is_producer: bool
    """Whether it comes from the consumer that is built into a producer."""


class OfStream(Of, frozen=True, gc=False):
    """What is asked of one stream."""

    stream: str


class OfGroup(OfStream, frozen=True, gc=False):
    """What is asked of one group of readers of a stream."""

    group: str


class GetNext(OfGroup, frozen=True, gc=False):
    """The next message for a group."""

    is_ordered: bool
    parts: Parts | None
    resend: Resend | None


class GetLast(OfGroup, frozen=True, gc=False):
    """The newest message; with a group, which may be empty here, none that it has had so."""

    parts: Parts | None


class GetById(OfStream, frozen=True, gc=False):
    """One message."""

    id: int
    parts: Parts | None


class AskSize(OfStream, frozen=True, gc=False):
    """How many messages there are."""

    incomplete: bool | None
    """Whether incomplete datasets count; ``None``: it is not asked whether there are datasets."""


class AskStreams(Of, frozen=True, gc=False):
    """Which streams there are."""

    from_stream: str
    which: str
    is_single: bool
    is_last: bool


class AskSources(Of, frozen=True, gc=False):
    """Which sources there are."""


class AskMetadata(Of, frozen=True, gc=False):
    """What was said of a beamtime or a stream."""

    stream: str
    """Empty: of the beamtime."""


class Acknowledge(OfGroup, frozen=True, gc=False):
    """That a message is done."""

    id: int


class Refuse(OfGroup, frozen=True, gc=False):
    """That a message is to be handed out again."""

    id: int
    delay_ms: int


class AskAcknowledged(OfGroup, frozen=True, gc=False):
    """Which messages are not acknowledged."""

    first: int
    last: int


class AskLastAcknowledged(OfGroup, frozen=True, gc=False):
    """The largest id that was acknowledged."""


class ResetCounter(OfGroup, frozen=True, gc=False):
    """That a group goes on behind an id."""

    id: int


class Query(OfStream, frozen=True, gc=False):
    """Which messages fit a query."""

    text: str


class Delete(OfStream, frozen=True, gc=False):
    """That a stream is to be removed."""

    must_be_there: bool


class Persist(OfStream, frozen=True, gc=False):
    """That a stream is to be kept, as all are here."""


class NewGroup(Request, frozen=True, gc=False):
    """A name for a group."""


class AskService(Request, frozen=True, gc=False):
    """Where a service is."""

    name: str


class AskVersion(Request, frozen=True, gc=False):
    """Which version this is."""

    client: str


class FolderToken(Request, frozen=True, gc=False):
    """The right to have files of a beamtime."""

    beamtime: str
    folder: str


class Transfer(Request, frozen=True, gc=False):
    """A file, or its size."""

    stream: str
    """Empty if the client does not say."""
    name: str
    only_size: bool
