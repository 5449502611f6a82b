"""Numbers by which consumers ask a data server for payloads, and which message each stands for.

A number is made of the stream's address and the message's id, and not counted, so that one from before a restart still
means the same message.
"""

import hashlib
from collections.abc import Iterable
from threading import Lock
from typing import Final

from penstock.core.stream_address import StreamAddress
from penstock.streams.dataset import part_address

__all__ = ["Handles"]

ID_BITS: Final = 31
STREAM_BITS: Final = 32
_MOST_FAR: Final = 1 << 16


class Handles:
    """Used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: dict[StreamAddress, int] = {}
        self._addresses: dict[int, StreamAddress] = {}
        self._parts: dict[tuple[StreamAddress, int], StreamAddress] = {}

    def of(self, address: StreamAddress, part: int, number: int) -> int:
        """Return the number of a payload; 0 if its id is too large to have one."""
        if number >> ID_BITS:
            return 0
        if part:
            key = address, part
            where = self._parts.get(key)
            if where is None:
                where = self._parts[key] = part_address(address, part)
        else:
            where = address
        stream = self._numbers.get(where)
        return (self._put(where) if stream is None else stream) << ID_BITS | number

    def find(self, handle: int) -> tuple[StreamAddress, int] | None:
        """Return whose payload a number stands for; ``None`` if it is of no stream that is known so far."""
        number = handle & ((1 << ID_BITS) - 1)
        found = self._addresses.get(handle >> ID_BITS)
        return None if found is None or not number else (found, number)

    def learn(self, streams: Iterable[StreamAddress]) -> None:
        """Get to know streams, whose numbers others may have from before a restart."""
        for address in streams:
            self._put(address)

    def _put(self, address: StreamAddress) -> int:
        with self._lock:
            if address in self._numbers:
                return self._numbers[address]
            digest = hashlib.blake2b(str(address).encode(), digest_size=STREAM_BITS // 8).digest()
            stream = int.from_bytes(digest, "little") or 1
            while stream in self._addresses:
                stream = (stream + 1) % (1 << STREAM_BITS) or 1
            self._numbers[address], self._addresses[stream] = stream, address
            return stream
