"""Reads what ASAPO's clients ask for over HTTP from a target and a body, and nothing else.

Segments of a path are decoded one by one, after they were split, as a stream's name may hold an encoded ``/``; a
beamtime and a token come as they are. A ``+`` is a plus.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from penstock.compat.asapo import requests as ask
from penstock.compat.asapo.wire import LARGEST_ID
from penstock.errors import StreamError

__all__ = ["read_request"]

PROTOCOL: Final = "v0.7"
MOST_STREAM, MOST_GROUP, MOST_SOURCE = 100, 50, 63
"""Bytes of escaped names, as ASAPO has them."""
MOST_DELAY_MS: Final = 10**10
"""Four months; ns of it can be stored."""
_OfGroup = tuple[str, str, str, bool, str, str]
"""What each request of a group begins with."""


def read_request(method: str, target: str, body: bytes) -> ask.Request:
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
            return ask.NewGroup(query.token)
        case ["asapo-discovery", "v0.1", name]:
            return _of_discovery(name, query)
        case ["asapo-authorizer", "v0.2", "folder"]:
            said = _json(body)
            token = _text(said, "Token") or query.token
            return ask.FolderToken(token, _text(said, "BeamtimeId"), _text(said, "Folder"))
        case ["v0.2", "transfer"]:
            name = _text(_json(body), "FileName")
            only_size = query.flag("sizeonly")
            return ask.Transfer(query.token, query.get("stream"), name, only_size)
    raise _unknown(path)


def _unknown(path: str) -> ask.UnknownTargetError:
    return ask.UnknownTargetError(f"there is nothing at {path[:200]}; this server speaks ASAPO's protocol {PROTOCOL}")


def _of_discovery(name: str, query: "_Query") -> ask.Request:
    protocol = query.get("protocol")
    if protocol and protocol != PROTOCOL:
        raise ask.OtherProtocolError(f"this server speaks ASAPO's protocol {PROTOCOL}, not {protocol[:20]}")
    if not protocol:
        raise StreamError("which protocol the client speaks must be said: protocol=v0.7")
    if name == "version":
        return ask.AskVersion(query.token, query.get("client"))
    if name in ("asapo-broker", "asapo-receiver", "asapo-file-transfer"):
        return ask.AskService(query.token, name)
    raise ask.UnknownTargetError(f"there is no service {name[:100]!r} here")


def _of_broker(method: str, beamtime: str, source: str, rest: list[str], query: "_Query", body: bytes) -> ask.Request:
    beamtime = unquote(beamtime)
    of = (query.token, beamtime, source, query.is_producer)
    match rest:
        case ["0", "streams"]:
            return ask.AskStreams(
                *of, query.get("from"), query.get("filter") or "all", query.flag("single"), query.flag("last")
            )
        case ["0", "sources"]:
            return ask.AskSources(*of)
        case [_, "0", "meta", "0"]:
            return ask.AskMetadata(*of, "")
        case [stream, "0", "meta", "1"]:
            return ask.AskMetadata(*of, _stream(stream))
        case [stream, "size"]:
            incomplete = query.flag("incomplete") if query.has("incomplete") else None
            return ask.AskSize(*of, _stream(stream), incomplete)
        case [stream, "delete"]:
            return ask.Delete(*of, _stream(stream), _json(body).get("ErrorOnNotExist") is not False)
        case [stream, "persist"]:
            return ask.Persist(*of, _stream(stream))
        case [stream, "0", "last"]:
            return ask.GetLast(*of, _stream(stream), "", query.parts)
        case [stream, "0", "querymessages"]:
            return ask.Query(*of, _stream(stream), _decoded(body))
        case [_, what] if what in ("next", "groupedlast", "nacks", "lastack", "resetcounter") or what.isdecimal():
            raise StreamError("this needs the name of a group")  # clients leave an empty name out
        case [stream, group, what]:
            in_group = (*of, _stream(stream), _name(group, "a group", MOST_GROUP))
            return _of_group(method, in_group, what, query, body)
    raise _unknown("/".join(rest))


def _of_group(method: str, of: _OfGroup, what: str, query: "_Query", body: bytes) -> ask.Request:
    match what:
        case "next":
            return ask.GetNext(*of, query.get("id_key") != "time_id", query.parts, query.resend)
        case "groupedlast":
            return ask.GetLast(*of, query.parts)
        case "nacks":
            return ask.AskAcknowledged(*of, query.number("from"), query.number("to"))
        case "lastack":
            return ask.AskLastAcknowledged(*of)
        case "resetcounter":
            return ask.ResetCounter(*of, query.number("value"))
    if not what.isascii() or not what.isdecimal():
        raise _unknown(what)
    number = _number(what, "an id")
    if not number:
        raise StreamError("there is no id 0; the first is 1")
    if method != "POST":
        return ask.GetById(*of[:-1], number, query.parts)  # of any group, or as clients do of "0"
    return _of_message(of, number, _json(body))


def _of_message(of: _OfGroup, number: int, said: Mapping[str, Any]) -> ask.Request:
    match said.get("Op"):
        case "ackmessage":
            return ask.Acknowledge(*of, number)
        case "negackmessage":
            params = said.get("Params")
            delay = params.get("DelayMs", 0) if isinstance(params, dict) else 0
            if not isinstance(delay, int):
                raise StreamError("a delay is a number of ms")
            return ask.Refuse(*of, number, _delay(delay))
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
    def parts(self) -> ask.Parts | None:
        return ask.Parts(self.number("minsize"), self.number("substream")) if self.flag("dataset") else None

    @property
    def resend(self) -> ask.Resend | None:
        if not self.flag("resend_nacks"):
            return None
        return ask.Resend(_delay(self.number("delay_ms")), self.number("resend_attempts"))

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
