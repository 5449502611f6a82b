"""CBOR items one after the other, as recordings are: where each ends, found in whatever pieces the bytes come."""

from typing import Any

from penstock.errors import RemoteProtocolError
from penstock.extra import extra

with extra("run"):
    import cbor2

__all__ = ["item_end", "loads"]

MAX_ITEM = 1 << 32
_MAX_DEPTH = 12
_MAX_PARTS = 1_000_000


def loads(item: bytes, position: int) -> Any:  # anything CBOR knows
    """Decode one whole item; ``position`` is where it stands, for the text of an error.

    Raises
    ------
    RemoteProtocolError
        If it is no CBOR.
    """
    try:
        return cbor2.loads(item)
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError) as error:
        raise RemoteProtocolError(f"byte {position}: not CBOR: {error}") from error


def item_end(buffer: bytearray, start: int, offset: int) -> int | None:
    """Return where the item that begins at ``start`` ends, ``None`` if that has not come yet.

    Parameters
    ----------
    buffer
        What came, from byte ``offset`` of the file on.
    start
        Where in the buffer the item begins.
    offset
        For the text of an error.

    Raises
    ------
    RemoteProtocolError
        If no item of a recording begins there.
    """
    at, wanted = start, [1]
    while wanted:
        if not wanted[-1]:
            wanted.pop()
            continue
        wanted[-1] -= 1
        head = _head(buffer, at, offset)
        if head is None:
            return None
        major, argument, at = head
        if major in (2, 3):
            at += argument
        elif major in (4, 5):
            wanted.append(argument * (major - 3))
        elif major == 6:
            wanted.append(1)
        if at - start > MAX_ITEM or len(wanted) > _MAX_DEPTH or wanted[-1:] > [_MAX_PARTS]:
            raise RemoteProtocolError(f"byte {offset + start}: an item larger or deeper than any message: no recording")
    return at if at <= len(buffer) else None


def _head(buffer: bytearray, at: int, offset: int) -> tuple[int, int, int] | None:
    """Return major type and argument of the item at ``at``, and where its content begins (RFC 8949, 3)."""
    if at >= len(buffer):
        return None
    major, short = buffer[at] >> 5, buffer[at] & 31
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise RemoteProtocolError(f"byte {offset + at}: an item without a length, or no CBOR: no recording")
    end = at + 1 + (1 << (short - 24))
    if end > len(buffer):
        return None
    return major, int.from_bytes(buffer[at + 1 : end], "big"), end
