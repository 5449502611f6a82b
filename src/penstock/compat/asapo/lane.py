"""What is on its way into one stream: messages and the end of it, until each is answered."""

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.outcome import Told
from penstock.core.stream_address import StreamAddress
from penstock.streams.dataset import part_address
from penstock.streams.store import StreamWriter

__all__ = ["Ended", "Lane", "Sent"]

BIG_BYTES: Final = 128 << 10
"""A payload of this size goes by a thread, while others are received."""


class Sent:
    """One message, until it is answered; its payload is the connection's."""

    __slots__ = ("id", "metadata", "parts", "payload", "tell", "user", "write")

    def __init__(
        self,
        number: int,
        metadata: dict[str, Any],
        user: dict[str, Any],
        payload: NDArray[np.uint8] | None,
        parts: int,
        tell: Told,
        write: Callable[[], bool] | None = None,
    ) -> None:
        self.id = number
        self.metadata = metadata
        self.user = user
        self.payload = payload
        self.parts = parts
        self.tell = tell
        self.write = write
        """Writes its file, and tells whether it has replaced another."""

    @property
    def is_small(self) -> bool:
        """Whether it may be stored at once, together with others."""
        return self.write is None and (self.payload is None or self.payload.nbytes < BIG_BYTES)


class Ended:
    """That a stream has ended, until it is answered."""

    __slots__ = ("came", "last_id", "next_stream", "tell")

    def __init__(self, last_id: int, next_stream: str, tell: Told, came: float) -> None:
        self.last_id = last_id
        self.next_stream = next_stream
        self.tell = tell
        self.came = came


class Lane:
    """What is on its way into one stream, or into that of one part of a dataset."""

    __slots__ = ("address", "base", "is_busy", "part", "parts", "used", "waiting", "writer")

    def __init__(self, base: StreamAddress, part: int) -> None:
        self.base = base
        self.part = part
        self.parts = 0
        """Of how many parts the datasets are; known when there is a writer."""
        self.address = part_address(base, part) if part else base
        self.waiting: list[Sent] = []
        self.writer: StreamWriter | None = None
        self.is_busy = False
        self.used = time.monotonic()
