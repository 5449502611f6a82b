"""The binary side of ASAPO's protocol v0.7: what producers send to a receiver, and consumers to a data server.

Bytes in, values out, and the reverse; no socket, no store. Both services share one header of fixed length, little
endian, whose texts end with a NUL; what follows that is undefined. Facts measured with the clients of version 25.3.0.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, Literal, Self

import msgspec

from penstock.errors import RemoteProtocolError, StreamError

__all__ = [
    "FINISH_NAME",
    "HEADER_BYTES",
    "LARGEST_ID",
    "MOST_META_BYTES",
    "NO_NEXT_STREAM",
    "REPLY_BYTES",
    "Authorisation",
    "Code",
    "Header",
    "MetadataWish",
    "Mode",
    "Op",
    "is_recorded",
    "json_value",
    "next_stream_of",
    "read_reply",
    "reply",
]

HEADER_BYTES: Final = 2120
REPLY_BYTES: Final = 1028
_TEXT_BYTES: Final = 1024
_HEADER: Final = struct.Struct(f"<B7xQQQQQQ{_TEXT_BYTES}s{_TEXT_BYTES}s10s6x")
_REPLY: Final = struct.Struct(f"<BxH{_TEXT_BYTES}s")
assert (_HEADER.size, _REPLY.size) == (HEADER_BYTES, REPLY_BYTES)

MOST_META_BYTES: Final = 16 << 20
"""Of a message's metadata; what is more is taken for garbage."""
LARGEST_ID: Final = 2**63 - 1
"""Of a message, as ASAPO's database has them."""
FINISH_NAME: Final = "asapo_finish_stream"
"""The name of the message that says that its stream has ended."""
NO_NEXT_STREAM: Final = "asapo_no_next"
BEAMTIME_META: Final = "beamtime_global.meta"
_LAST_BYTE: Final = b"\0"


class Op(IntEnum):
    """What a request asks for."""

    DATA = 2
    DATASET = 3
    READ = 6
    """Of a data server: the payload of a message."""
    AUTHORISE = 7
    METADATA = 8


class Code(IntEnum):
    """How a request ended."""

    OK = 0
    REAUTHORISE = 1
    WARNING = 2
    """The producer's callback gets the text as a warning; never an answer to ``AUTHORISE``."""
    WRONG = 3
    """The callback gets the text, and the client connects anew."""
    NO_DATA = 5
    REFUSED = 6
    """As ``WRONG``: who asks may not do that."""
    INTERNAL = 65535
    """The client sends it again until its time is up; the text is lost."""


class Mode(IntEnum):
    """What is to be done with a message: a sum of these. Not flags, which take a µs for each look at one."""

    TRANSFER = 1
    ONLY_METADATA = 2
    STORE_FILE = 4
    RECORD = 8
    TO_OFFLINE = 16


def is_recorded(mode: int) -> bool:
    """Tell whether consumers are to see a message of a mode.

    >>> [mode for mode in (2, 5, 9, 10, 13, 18, 21, 29) if not is_recorded(mode)]
    [5, 18, 21]
    """
    return bool(mode & Mode.RECORD) or mode == Mode.ONLY_METADATA


class Header(msgspec.Struct, frozen=True, gc=False):
    """The fixed part of a request."""

    op: int
    id: int = 0
    """0 with ``Op.DATA``: the server gives one."""
    size: int = 0
    """Bytes of payload; they follow only if ``has_payload``."""
    meta_size: int = 0
    mode: int = 0
    part: int = 0
    """Of a dataset, from 1; of metadata, how they are meant."""
    parts: int = 0
    name: str = ""
    stream: str = ""
    version: str = "v0.7"

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview) -> Self:
        """Read a header.

        Raises
        ------
        RemoteProtocolError
            If there is no NUL where one must be, or a text is none.
        """
        op, number, size, meta_size, mode, part, parts, name, stream, version = _HEADER.unpack(data)
        return cls(op, number, size, meta_size, mode, part, parts, _text(name), _text(stream), _text(version))

    def pack(self) -> bytes:
        """Return its bytes, as a client sends them.

        Raises
        ------
        RemoteProtocolError
            If a text is too long.
        """
        name, stream, version = self.name.encode(), self.stream.encode(), self.version.encode()
        if max(len(name), len(stream)) >= _TEXT_BYTES or len(version) >= 10:
            raise RemoteProtocolError(f"texts of {len(name)}, {len(stream)} and {len(version)} bytes are too long")
        return _HEADER.pack(
            self.op, self.id, self.size, self.meta_size, self.mode, self.part, self.parts, name, stream, version
        )

    @property
    def has_payload(self) -> bool:
        """Whether ``size`` bytes follow: a message that is only recorded says how large it is, and sends nothing."""
        return self.op == Op.METADATA or (self.op in (Op.DATA, Op.DATASET) and bool(self.mode & Mode.TRANSFER))

    @property
    def is_finish(self) -> bool:
        """Whether it says that its stream has ended."""
        return self.op == Op.DATA and self.name == FINISH_NAME


def _text(field: bytes) -> str:
    end = field.find(_LAST_BYTE)
    if end < 0:
        raise RemoteProtocolError(f"a text of {len(field)} bytes has no end")
    try:
        return field[:end].decode()
    except UnicodeDecodeError:
        raise RemoteProtocolError("a text in the header is not UTF-8") from None


def reply(op: int, code: int, text: str = "") -> bytes:
    """Return the bytes of a reply; of a text that is too long as much as fits, whole characters.

    The last byte stays NUL: a text without an end makes the client's callback vanish.
    """
    data = text.encode("utf-8", "replace").replace(b"\0", b" ")
    if len(data) >= _TEXT_BYTES:
        data = data[: _TEXT_BYTES - 1].decode("utf-8", "ignore").encode()
    return _REPLY.pack(op, code, data)


def read_reply(data: bytes) -> tuple[int, int, str]:
    """Return operation, code and text of a reply, as a client reads it."""
    op, code, text = _REPLY.unpack(data)
    return op, code, _text(text)


class Authorisation(msgspec.Struct, frozen=True):
    """Who a producer says it is, and where it wants to write."""

    kind: Literal["raw", "processed"]
    instance: str
    step: str
    beamtime: str
    """``auto``: the one that its beamline has now."""
    beamline: str
    source: str
    token: str

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what follows the header of ``Op.AUTHORISE``: seven fields with ``%`` between.

        Nothing is escaped. A source may hold ``%``, a token does not.

        Raises
        ------
        RemoteProtocolError
            If it is none.
        """
        try:
            fields = data.decode().split("%", 5)
        except UnicodeDecodeError:
            raise RemoteProtocolError("what a producer says of itself is not UTF-8") from None
        if len(fields) != 6 or "%" not in fields[5] or fields[0] not in ("raw", "processed"):
            raise RemoteProtocolError("a producer says type%instance%step%beamtime%beamline%source%token of itself")
        kind, instance, step, beamtime, beamline, rest = fields
        source, _, token = rest.rpartition("%")
        return cls(kind, instance, step, beamtime, beamline, source, token)  # type: ignore[arg-type]  # one of the two

    def pack(self) -> bytes:
        """Return its bytes, as a client sends them."""
        fields = (self.kind, self.instance, self.step, self.beamtime, self.beamline, self.source, self.token)
        return "%".join(fields).encode()


class MetadataWish(msgspec.Struct, frozen=True):
    """How metadata are to be taken."""

    mode: Literal["insert", "replace", "update"]
    upsert: bool

    @classmethod
    def of(cls, number: int) -> Self:
        """Read the number that a client sends.

        >>> MetadataWish.of(12)
        MetadataWish(mode='replace', upsert=True)

        Raises
        ------
        StreamError
            If it means nothing.
        """
        mode = _META_MODES.get(number % 10)
        if mode is None or number > 13:
            raise StreamError(f"metadata cannot be set by mode {number}; 1 inserts, 2 replaces, 3 updates, +10 upserts")
        return cls(mode, number >= 10)


_META_MODES: Final[Mapping[int, Any]] = {1: "insert", 2: "replace", 3: "update"}


def json_value(data: bytes | memoryview, what: str) -> dict[str, Any]:
    """Return the object that a client sent as JSON; an empty one for nothing.

    Raises
    ------
    StreamError
        If it is none.
    """
    if not data:
        return {}
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise StreamError(f"{what} cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise StreamError(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def next_stream_of(meta: Mapping[str, Any]) -> str:
    """Return the stream that follows, of the metadata of the message that ends one; empty for none."""
    said = meta.get("next_stream", "")
    return said if isinstance(said, str) and said != NO_NEXT_STREAM else ""
