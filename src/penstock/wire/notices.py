"""Notices on their way from a process to whoever supervises it: one message each."""

import msgspec

from penstock.core.notice import Notice
from penstock.errors import RemoteProtocolError

__all__ = ["Unkept", "decode_notice", "encode_notice"]


class Unkept(msgspec.Struct, frozen=True, array_like=True):
    """How many notices of somebody went no further, because there were too many."""

    source: str
    count: int


_notices = msgspec.msgpack.Decoder(Notice)
_unkept = msgspec.msgpack.Decoder(Unkept)


def encode_notice(said: Notice | Unkept) -> bytes:
    """Return a message."""
    return msgspec.msgpack.encode(said)


def decode_notice(data: bytes) -> Notice | Unkept:
    """Read a message.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    # One is a map, the other a list.
    decoder: msgspec.msgpack.Decoder[Notice] | msgspec.msgpack.Decoder[Unkept]
    decoder = _unkept if data[:1] == b"\x92" else _notices
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RemoteProtocolError(f"no notice: {error}") from error
