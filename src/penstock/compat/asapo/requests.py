"""What ASAPO's clients ask for over HTTP, as values; read from a target and a body, and nothing else.

Segments of a path are decoded one by one, after they were split, as a stream's name may hold an encoded ``/``; a
beamtime and a token come as they are. A ``+`` is a plus.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from penstock.errors import StreamError

__all__ = [
    "LARGEST_ID",
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
    "read_request",
]  # fmt: skip

PROTOCOL: Final = "v0.7"
MOST_STREAM, MOST_GROUP, MOST_SOURCE = 100, 50, 63
"""Bytes of escaped names, as ASAPO has them."""
LARGEST_ID: Final = 2**63 - 1
"""As ASAPO's database has them."""
_NO_GROUP: Final = "this needs the name of a group"
MOST_DELAY_MS: Final = 10**10
"""Four months; ns of it can be stored."""


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


class GetNext(OfStream, frozen=True, gc=False):
    """The next message for a group."""

    group: str
    is_ordered: bool
    parts: Parts | None
    resend: Resend | None


class GetLast(OfStream, frozen=True, gc=False):
    """The newest message; with a group, none that it has had so."""

    group: str
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


class Acknowledge(OfStream, frozen=True, gc=False):
    """That a message is done."""

    group: str
    id: int


class Refuse(OfStream, frozen=True, gc=False):
    """That a message is to be handed out again."""

    group: str
    id: int
    delay_ms: int


class AskAcknowledged(OfStream, frozen=True, gc=False):
    """Which messages are not acknowledged."""

    group: str
    first: int
    last: int


class AskLastAcknowledged(OfStream, frozen=True, gc=False):
    """The largest id that was acknowledged."""

    group: str


class ResetCounter(OfStream, frozen=True, gc=False):
    """That a group goes on behind an id."""

    group: str
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


def read_request(method: str, target: str, body: bytes) -> Request:
    """Read a request.

    Raises
    ------
    UnknownTargetError
        If there is no such service.
    StreamError
        If something in it is not as it must be.
    """
    path, _, written = target.partition("?")
    query = _Query(written)
    match path.split("/")[1:]:
        case ["v0.7", "beamtime", beamtime, source, *rest]:
            return _of_broker(method, beamtime, _name(source, "a source", MOST_SOURCE), rest, query, body)
        case ["v0.7", "creategroup"]:
            return NewGroup(query.token)
        case ["asapo-discovery", "v0.1", name]:
            return _of_discovery(name, query)
        case ["asapo-authorizer", "v0.2", "folder"]:
            said = _json(body)
            token = _text(said, "Token") or query.token
            return FolderToken(token, _text(said, "BeamtimeId"), _text(said, "Folder"))
        case ["v0.2", "transfer"]:
            name = _text(_json(body), "FileName")
            only_size = query.flag("sizeonly")
            return Transfer(query.token, query.get("stream"), name, only_size)
    raise _unknown(path)


def _unknown(path: str) -> UnknownTargetError:
    return UnknownTargetError(f"there is nothing at {path[:200]}; this server speaks ASAPO's protocol {PROTOCOL}")


def _of_discovery(name: str, query: "_Query") -> Request:
    protocol = query.get("protocol")
    if protocol and protocol != PROTOCOL:
        raise OtherProtocolError(f"this server speaks ASAPO's protocol {PROTOCOL}, not {protocol[:20]}")
    if not protocol:
        raise StreamError("which protocol the client speaks must be said: protocol=v0.7")
    if name == "version":
        return AskVersion(query.token, query.get("client"))
    if name in ("asapo-broker", "asapo-receiver", "asapo-file-transfer"):
        return AskService(query.token, name)
    raise UnknownTargetError(f"there is no service {name[:100]!r} here")


def _of_broker(method: str, beamtime: str, source: str, rest: list[str], query: "_Query", body: bytes) -> Request:
    beamtime = unquote(beamtime)
    of = (query.token, beamtime, source, query.is_producer)
    match rest:
        case ["0", "streams"]:
            return AskStreams(
                *of, query.get("from"), query.get("filter") or "all", query.flag("single"), query.flag("last")
            )
        case ["0", "sources"]:
            return AskSources(*of)
        case [_, "0", "meta", "0"]:
            return AskMetadata(*of, "")
        case [stream, "0", "meta", "1"]:
            return AskMetadata(*of, _stream(stream))
        case [stream, "size"]:
            incomplete = query.flag("incomplete") if query.has("incomplete") else None
            return AskSize(*of, _stream(stream), incomplete)
        case [stream, "delete"]:
            return Delete(*of, _stream(stream), _json(body).get("ErrorOnNotExist") is not False)
        case [stream, "persist"]:
            return Persist(*of, _stream(stream))
        case [stream, "0", "last"]:
            return GetLast(*of, _stream(stream), "", query.parts)
        case [stream, "0", "querymessages"]:
            return Query(*of, _stream(stream), _decoded(body))
        case [_, what] if what in ("next", "groupedlast", "nacks", "lastack", "resetcounter") or what.isdecimal():
            raise StreamError(_NO_GROUP)  # clients leave an empty name out
        case [stream, group, what]:
            in_group = (*of, _stream(stream), "" if group == "0" else _name(group, "a group", MOST_GROUP))
            return _of_group(method, in_group, what, query, body)
    raise _unknown("/".join(rest))


def _of_group(method: str, of: Any, what: str, query: "_Query", body: bytes) -> Request:
    reads: Mapping[str, Callable[[], Request]] = {
        "next": lambda: GetNext(*(*of, query.get("id_key") != "time_id", query.parts, query.resend)),
        "groupedlast": lambda: GetLast(*(*of, query.parts)),
        "nacks": lambda: AskAcknowledged(*(*of, query.number("from"), query.number("to"))),
        "lastack": lambda: AskLastAcknowledged(*of),
        "resetcounter": lambda: ResetCounter(*(*of, query.number("value"))),
    }
    if what in reads:
        if not of[-1]:
            raise StreamError(_NO_GROUP)
        return reads[what]()
    if not what.isascii() or not what.isdecimal():
        raise _unknown(what)
    number = _number(what, "an id")
    if not number:
        raise StreamError("there is no id 0; the first is 1")
    if method != "POST":
        return GetById(*(*of[:-1], number, query.parts))
    said = _json(body)
    match said.get("Op"):
        case "ackmessage":
            return Acknowledge(*(*of, number))
        case "negackmessage":
            params = said.get("Params")
            delay = params.get("DelayMs", 0) if isinstance(params, dict) else 0
            if not isinstance(delay, int):
                raise StreamError("a delay is a number of ms")
            return Refuse(*(*of, number, _delay(delay)))
    raise StreamError(f"there is no operation {str(said.get('Op'))[:50]!r} on a message")


class _Query:
    """What stands behind the question mark."""

    def __init__(self, written: str) -> None:
        pairs = (pair.partition("=") for pair in written.split("&") if pair)
        self._raw = {key: value for key, _, value in pairs}

    @property
    def token(self) -> str:
        return self._raw.get("token", "")

    @property
    def is_producer(self) -> bool:
        """A producer's own consumer says so of its instance; a consumer sends host and process, or nothing."""
        return self._raw.get("instanceid") == "auto"

    @property
    def parts(self) -> Parts | None:
        return Parts(self.number("minsize"), self.number("substream")) if self.flag("dataset") else None

    @property
    def resend(self) -> Resend | None:
        if not self.flag("resend_nacks"):
            return None
        return Resend(_delay(self.number("delay_ms")), self.number("resend_attempts"))

    def has(self, key: str) -> bool:
        return key in self._raw

    def get(self, key: str) -> str:
        return _unquoted(self._raw.get(key, ""))

    def flag(self, key: str) -> bool:
        return self._raw.get(key) == "true"

    def number(self, key: str) -> int:
        return _number(self._raw.get(key, "0"), key)


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) > LARGEST_ID:
        raise StreamError(f"{what} is a whole number from 0 to {LARGEST_ID}, not {text[:40]!r}")
    return int(text)


def _delay(ms: int) -> int:
    if not 0 <= ms <= MOST_DELAY_MS:
        raise StreamError(f"a delay is 0 to {MOST_DELAY_MS} ms, not {str(ms)[:40]}")
    return ms


def _stream(segment: str) -> str:
    return _name(segment, "a stream", MOST_STREAM)


def _name(segment: str, what: str, most: int) -> str:
    name = _unquoted(segment)
    size = len(name.encode()) + 2 * sum(map(name.count, "$ %"))
    if not name or size > most:
        raise StreamError(
            f"the name of {what} takes 1 to {most} bytes, where $, space and % count for 3; this takes {size}"
        )
    return name


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise StreamError("what follows a % is no text") from None


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise StreamError("the query is not UTF-8") from None


def _json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StreamError(f"the body is no JSON object: {error}") from None


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key, "")
    if not isinstance(value, str):
        raise StreamError(f"{key} must be a text")
    return value
