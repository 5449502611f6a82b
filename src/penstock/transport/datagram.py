"""Several messages in one datagram, because a datagram costs a system call and a wake-up at each end.

Format: for every message its length, 4 bytes, little endian, then its bytes; messages are not aligned. Without I/O.
"""

from collections.abc import Iterable, Iterator

from penstock.errors import RemoteProtocolError

__all__ = ["HEAD_BYTES", "join_messages", "split_datagram"]

HEAD_BYTES = 4
"""What a datagram holds more, for every message."""


def join_messages(messages: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield as few datagrams of at most ``limit`` bytes as hold the messages in their order.

    Raises
    ------
    ValueError
        If one message alone is longer; the datagrams before it have been yielded.
    """
    parts: list[bytes] = []
    size = 0
    for message in messages:
        needed = HEAD_BYTES + len(message)
        if needed > limit:
            raise ValueError(
                f"a message of {len(message)} bytes; a datagram takes {limit - HEAD_BYTES}: split what it describes"
            )
        if size + needed > limit:
            yield b"".join(parts)
            parts, size = [], 0
        parts.append(len(message).to_bytes(HEAD_BYTES, "little"))
        parts.append(message)
        size += needed
    if parts:
        yield b"".join(parts)


def split_datagram(datagram: bytes) -> list[memoryview]:
    """Return the messages of a datagram, as views of it.

    Raises
    ------
    RemoteProtocolError
        If the lengths do not add up.
    """
    view = memoryview(datagram)
    messages: list[memoryview] = []
    at, end = 0, len(view)
    while at < end:
        start = at + HEAD_BYTES
        stop = start + int.from_bytes(view[at:start], "little")
        if start > end or stop > end:
            raise RemoteProtocolError(f"message {len(messages)} of a datagram ends at {stop} of {end} bytes")
        messages.append(view[start:stop])
        at = stop
    return messages
