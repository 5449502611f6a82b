"""Keep the last events whole, so that somebody can look at them. It makes nothing of them, and nobody waits for it."""

import os
from typing import Annotated, Any, Final

from annotated_types import Ge, Gt, Le

from penstock.core.event import Event, EventBatch
from penstock.core.message import Message
from penstock.errors import ResultTypeError
from penstock.monitor.notice import notice
from penstock.views.event_memory import MOST_EVENTS, EventMemory, make_event_file
from penstock.wire.kept_events import PackedEvent

__all__ = ["MOST_MB", "KeepEvents"]

MOST_MB: Final = 64.0
"""By default."""

_BYTES_A_MB: Final = 1_000_000
_POLITE: Final = 5
"""Its process comes behind those of others where there are too few processors."""


class KeepEvents:
    """Keep the last events that it got: numbers, keys, times, metadata, arrays, compressed ones as they came.

    Beside the real workers, as a stage of its own: ``map: {keep-events: {n: 50}}``. `penstock events` shows them, and
    so do ``connect().events()`` and HTTP. What it has no time for passes it by when memory becomes short, and is
    *discarded* in its books: the real workers never wait for it. It may read a join, or a source.

    Parameters
    ----------
    n
        How many.
    most_mb
        MB that all of them together may take, 10**6 bytes each; the newest are kept. An event that is larger than this
        is not kept.
    """

    keeps_events = True

    def __init__(
        self, n: Annotated[int, Ge(1), Le(MOST_EVENTS)] = 50, most_mb: Annotated[float, Gt(0), Le(100_000)] = MOST_MB
    ) -> None:
        self._n = n
        self._most_bytes = int(most_mb * _BYTES_A_MB)
        self._memory: EventMemory | None = None
        self._own_fd = -1

    def keep_in(self, fd: int) -> None:
        """Keep in memory that others can read, from a process of its own."""
        os.nice(_POLITE)
        self._memory = EventMemory(fd, is_writable=True)
        self._memory.begin(self._n, self._most_bytes)

    @property
    def memory(self) -> EventMemory:
        """What it keeps in; its own, if nobody gave it any."""
        if self._memory is None:
            self._own_fd = make_event_file("own")
            self._memory = EventMemory(self._own_fd, is_writable=True)
            self._memory.begin(self._n, self._most_bytes)
        return self._memory

    def process(self, item: Any) -> None:
        """Keep one event, or message: a copy, because its memory is only lent."""
        if not isinstance(item, (Event, Message)):
            raise ResultTypeError(
                f"keep-events got a {type(item).__name__}; it keeps events and messages: let it read a join or a source"
            )
        self._keep([item])

    def process_batch(self, events: EventBatch) -> None:
        """Keep the last of many events: others would be displaced at once."""
        first = max(0, len(events) - self._n)
        self._keep(list(events.take(slice(first, len(events))).events()))

    def close(self) -> None:
        """Let go of memory of its own."""
        if self._own_fd >= 0:
            os.close(self._own_fd)
            self._own_fd, self._memory = -1, None

    def _keep(self, items: list[Any]) -> None:
        packed = [PackedEvent(item) for item in items]
        if lost := self.memory.keep(packed):
            largest = max(each.nbytes for each in packed)
            text = f"events are larger than all that may be kept, {self._most_bytes:,} bytes; give keep-events most_mb"
            notice(text, events=lost, largest_bytes=largest)
