"""Notices and feedback on their way from a process to whoever supervises it: one message each."""

import msgspec

from penstock.core.feedback import Said
from penstock.core.notice import Notice
from penstock.errors import RemoteProtocolError

__all__ = ["Unkept", "decode_notice", "encode_notice"]


class Unkept(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """How many notices of somebody went no further, because there were too many."""

    source: str
    count: int


_notices = msgspec.msgpack.Decoder(Notice)
_others = msgspec.msgpack.Decoder(Unkept | Said)


def encode_notice(said: Notice | Unkept | Said) -> bytes:
    """Return a message."""
    return msgspec.msgpack.encode(said)


def decode_notice(data: bytes) -> Notice | Unkept | Said:
    """Read a message.

    Raises
    ------
    RemoteProtocolError
        If it is none.
    """
    # A notice is a map, the others are lists.
    decoder: msgspec.msgpack.Decoder[Notice] | msgspec.msgpack.Decoder[Unkept | Said]
    decoder = _others if 0x90 <= data[:1].ljust(1, b"\0")[0] <= 0x9F else _notices
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RemoteProtocolError(f"no notice: {error}") from error
