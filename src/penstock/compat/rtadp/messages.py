"""The messages of rta-dp: JSON in one frame, types 0 to 5, and the data message of its paper. Bytes in, values out.

It opens no socket and knows no time. What comes from others is refused as a whole if anything of it is not as it should
be, by an error that says what.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from penstock.errors import RemoteProtocolError

__all__ = [
    "COMMANDS",
    "EVERYBODY",
    "Command",
    "Configuration",
    "Flow",
    "Measured",
    "Message",
    "Notice",
    "NoticeKind",
    "Payload",
    "ProcessUse",
    "decode",
    "encode_command",
    "encode_configuration",
    "encode_data",
    "encode_measured",
    "encode_notice",
    "payload_of",
]

COMMAND, MEASURED, ALARM, CONFIG, LOG, INFO = range(6)
COMMANDS: Final = (
    "shutdown", "cleanedshutdown", "getstatus", "start", "stop", "startprocessing", "stopprocessing", "reset",
    "startdata", "stopdata",
)  # fmt: skip
EVERYBODY: Final = ("*", "all")
"""Targets that mean every process; anything else is a name, and capitals count."""

NoticeKind = Literal["alarm", "log", "info"]
Flow = Literal["string", "binary", "filename"]
_NOTICES: Final[Mapping[NoticeKind, int]] = {"alarm": ALARM, "log": LOG, "info": INFO}
_KINDS: Final[Mapping[int, NoticeKind]] = {number: kind for kind, number in _NOTICES.items()}
_FLOWS: Final = ("string", "binary", "filename")
_MARK: Final = b'"header"'
"""Without it in its bytes no payload is a data message, and none is parsed to find that out."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Type 0: somebody wants processes to do something."""

    subtype: str
    """One of ``COMMANDS``, or whatever was written."""
    pidsource: str
    pidtarget: str
    time_s: float = 0.0
    """Unix time."""
    priority: str = "Low"


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Type 3: something for workers' ``config``; ``text`` is the whole message, as they get it."""

    pidsource: str
    pidtarget: str
    text: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Types 2, 4 and 5: an alarm, a log line, an information."""

    kind: NoticeKind
    pidsource: str
    level: int
    code: int
    message: str
    pidtarget: str = "*"
    time_s: float = 0.0
    priority: str = "Low"


class ProcessUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a process uses."""

    cpu_percent: float = 0.0
    memory_usage: tuple[int, int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0, 0)
    """Bytes: resident, virtual, shared, text, libraries, data, dirty."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of type 1, beside its header and in this order."""

    workermanagerstatus: str
    procinfo: ProcessUse
    queue_lp_size: int
    queue_hp_size: int
    stopdatainput: bool
    queue_lp_result_size: int
    queue_hp_result_size: int
    workersstatusinit: int
    """How many workers are initialised and nothing else yet."""
    workersstatus: float
    """The mean of the codes of all others."""
    workersname: str
    worker_rates: dict[str, float]
    """By number of the worker, from 0; items a second."""
    worker_tot_events: dict[str, int]
    worker_status: dict[str, int]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What came on a data socket."""

    data: bytes
    flow: Flow
    """What the message says that it is, else what the process is configured for."""
    target: str = "*"


Message = Command | Configuration | Notice | Mapping[str, Any]
"""Of type 1 it is the mapping that was sent."""


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    type: int
    pidsource: str
    pidtarget: str
    subtype: str = ""
    time: float = 0.0
    priority: str = "Low"


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    level: int
    message: str
    code: int = 0


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    header: _Header
    body: _Body | None = None
    config: msgspec.Raw = msgspec.Raw()


class _DataHeader(msgspec.Struct, frozen=True, kw_only=True):
    type: int | str
    subtype: str
    pidtarget: str = "*"
    target: str = "*"


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    header: _DataHeader
    body: Any = None  # text; anything else is refused


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_DATA: Final = msgspec.json.Decoder(_Data)


def decode(data: bytes) -> Message:
    """Read one message of types 0 to 5.

    Raises
    ------
    RemoteProtocolError
        If it is none; nothing else is raised, whatever the bytes are.

    Examples
    --------
    >>> command = decode(encode_command("start", "CommandCenter", "all", time_s=1.0))
    >>> command.subtype, command.pidtarget
    ('start', 'all')
    """
    envelope = _parsed(_ENVELOPE, data)
    header = envelope.header
    if header.type == COMMAND:
        if not header.subtype:
            raise RemoteProtocolError("a command without a subtype")
        return Command(
            subtype=header.subtype, pidsource=header.pidsource, pidtarget=header.pidtarget, time_s=header.time,
            priority=header.priority,
        )  # fmt: skip
    if header.type == CONFIG:
        if not envelope.config:
            raise RemoteProtocolError("a message of type 3 without config")
        return Configuration(pidsource=header.pidsource, pidtarget=header.pidtarget, text=_text(data))
    if header.type == MEASURED:
        found: dict[str, Any] = _parsed(msgspec.json.Decoder(dict[str, Any]), data)
        return found
    if header.type not in _KINDS:
        raise RemoteProtocolError(f"there is no message of type {header.type}; types go from 0 to 5")
    if envelope.body is None:
        raise RemoteProtocolError(f"a message of type {header.type} without a body")
    body = envelope.body
    return Notice(
        kind=_KINDS[header.type], pidsource=header.pidsource, pidtarget=header.pidtarget, time_s=header.time,
        priority=header.priority, level=body.level, code=body.code, message=body.message,
    )  # fmt: skip


def encode_command(subtype: str, source: str, target: str, *, time_s: float, priority: str = "Low") -> bytes:
    """Return a message of type 0."""
    return _encoded({"header": _header(COMMAND, subtype, source, target, time_s, priority)})


def encode_configuration(config: Any, source: str, target: str, *, time_s: float, priority: str = "Low") -> bytes:
    """Return a message of type 3; ``config`` is anything that JSON can say."""
    return _encoded({"header": _header(CONFIG, "config", source, target, time_s, priority), "config": config})


def encode_notice(notice: Notice) -> bytes:
    """Return a message of type 2, 4 or 5.

    >>> encode_notice(Notice(kind="info", pidsource="RTADP1", level=1, code=1, message="Waiting", time_s=2.0))
    b'{"header":{"type":5,"subtype":"info","time":2.0,"pidsource":"RTADP1","pidtarget":"*","priority":"Low"},"body":{"level":1,"code":1,"message":"Waiting"}}'
    """
    header = _header(
        _NOTICES[notice.kind], notice.kind, notice.pidsource, notice.pidtarget, notice.time_s, notice.priority
    )
    return _encoded({"header": header, "body": {"level": notice.level, "code": notice.code, "message": notice.message}})


def encode_measured(measured: Measured, source: str, target: str = "*", *, time_s: float) -> bytes:
    """Return a message of type 1."""
    header = {"type": MEASURED, "time": time_s, "pidsource": source, "pidtarget": target}
    return _encoded({"header": header, **msgspec.structs.asdict(measured)})


def encode_data(data: bytes, flow: Flow, source: str, target: str = "*", *, time_s: float, priority: str) -> bytes:
    """Return a data message, as its paper has it; the bytes of ``binary`` are written in base64."""
    body = base64.b64encode(data).decode() if flow == "binary" else _text(data)
    header = {"type": "data", "subtype": flow, "time": time_s, "pidsource": source, "pidtarget": target}
    return _encoded({"header": {**header, "priority": priority}, "body": body})


def payload_of(parts: Sequence[bytes | memoryview], flow: Flow) -> Payload:
    """Return what came on a data socket: naked, as rta-dp sends it, or a data message with a header.

    A data message is a JSON object whose header has a type, which is ``"data"`` or a number that is none of 0 to 5, and
    a subtype, which is string, binary or filename. Its body is text, of ``binary`` in base64; or it is in a second
    frame, as it is. Anything else is a payload as it stands, other JSON too.

    Parameters
    ----------
    parts
        The frames.
    flow
        What payloads without a header are.

    Raises
    ------
    RemoteProtocolError
        If there are more frames than that, or it has such a header and no such body.
    """
    first = bytes(parts[0])
    if len(parts) > 2:
        raise RemoteProtocolError(f"a message of {len(parts)} frames, where data have one, or a header and a body")
    found = _data_message(first)
    if found is None:
        if len(parts) == 2:
            raise RemoteProtocolError("a message of two frames, of which the first is no header")
        return Payload(data=first, flow=flow)
    header = found.header
    target = header.pidtarget if header.pidtarget != "*" else header.target
    own = cast(Flow, header.subtype)
    if len(parts) == 2:
        return Payload(data=bytes(parts[1]), flow=own, target=target)
    if not isinstance(found.body, str):
        raise RemoteProtocolError(f"a data message of subtype {own} whose body is no text")
    if own != "binary":
        return Payload(data=found.body.encode(), flow=own, target=target)
    try:
        return Payload(data=base64.b64decode(found.body, validate=True), flow=own, target=target)
    except (binascii.Error, ValueError) as error:
        raise RemoteProtocolError(f"a data message of subtype binary whose body is no base64: {error}") from error


def _data_message(data: bytes) -> _Data | None:
    if data[:1] != b"{" or _MARK not in data:
        return None
    try:
        found = _parsed(_DATA, data)
    except RemoteProtocolError:
        return None
    kind = found.header.type
    is_data = kind == "data" if isinstance(kind, str) else not COMMAND <= kind <= INFO
    return found if is_data and found.header.subtype in _FLOWS else None


def _header(kind: int, subtype: str, source: str, target: str, time_s: float, priority: str) -> dict[str, Any]:
    return {
        "type": kind, "subtype": subtype, "time": time_s, "pidsource": source, "pidtarget": target,
        "priority": priority,
    }  # fmt: skip


def _encoded(message: Any) -> bytes:
    return msgspec.json.encode(message)


def _parsed(decoder: Any, data: bytes) -> Any:  # a msgspec.json.Decoder
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"{len(data)} bytes are no message: {error}") from error


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"{len(data)} bytes are no text: {error}") from error
