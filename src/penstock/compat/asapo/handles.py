"""Numbers by which consumers ask a data server for payloads, and which message each stands for.

A number is made of the stream's address and the message's id, and not counted, so that one from before a restart still
means the same message. Ids that take too many bits for that, as those of an X-ray laser's trains do, are kept beside a
number of their own; of those, as many as were told of last.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final

from penstock.core.stream_address import StreamAddress
from penstock.streams.dataset import part_address

__all__ = ["Handles"]

ID_BITS: Final = 31
STREAM_BITS: Final = 32
_LARGE: Final = 1 << (ID_BITS + STREAM_BITS)
"""The bit that numbers of large ids have."""
MOST_LARGE: Final = 1 << 16


class Handles:
    """Used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: dict[StreamAddress, int] = {}
        self._addresses: dict[int, StreamAddress] = {}
        self._parts: dict[tuple[StreamAddress, int], StreamAddress] = {}
        self._large: OrderedDict[int, tuple[StreamAddress, int]] = OrderedDict()

    def of(self, address: StreamAddress, part: int, number: int) -> int:
        """Return the number of a payload, of 64 bits."""
        if part:
            key = address, part
            where = self._parts.get(key)
            if where is None:
                where = self._parts[key] = part_address(address, part)
        else:
            where = address
        if number >> ID_BITS:
            return self._put_large(where, number)
        stream = self._numbers.get(where)
        return (self._put(where) if stream is None else stream) << ID_BITS | number

    def find(self, handle: int) -> tuple[StreamAddress, int] | None:
        """Return whose payload a number stands for; ``None`` if it is of no stream that is known so far."""
        if handle & _LARGE:
            return self._large.get(handle)
        number = handle & ((1 << ID_BITS) - 1)
        found = self._addresses.get(handle >> ID_BITS)
        return None if found is None or not number else (found, number)

    def learn(self, streams: Iterable[StreamAddress]) -> None:
        """Get to know streams, whose numbers others may have from before a restart."""
        for address in streams:
            self._put(address)

    def _put_large(self, where: StreamAddress, number: int) -> int:
        handle = _LARGE | int.from_bytes(
            hashlib.blake2b(f"{where} {number}".encode(), digest_size=8).digest(), "little"
        )
        with self._lock:
            self._large[handle] = where, number
            self._large.move_to_end(handle)
            if len(self._large) > MOST_LARGE:
                self._large.popitem(last=False)
        return handle

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
