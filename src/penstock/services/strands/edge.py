"""A bounded edge between strands: several may put items in, one takes them out, in order.

Items go one by one and are woken for only if somebody waits, so what a strand gives is never held back. Bounds are kept
by whoever puts: it asks for room first, for many at once.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat, starmap
from time import perf_counter_ns
from typing import Any, Final, NamedTuple

from penstock.monitor.latency import Latency
from penstock.pipeline.chains import CAPACITY
from penstock.pipeline.plan import WhenFull
from penstock.services.strands.on_loop import call_on

__all__ = ["MOST_AT_ONCE", "ConsumersEnd", "Edge", "Seen", "waker"]

MOST_AT_ONCE: Final = 1024
"""Items that are worked on between two looks at the books."""


class Seen(NamedTuple):
    """What an edge has seen by one moment, in items."""

    came: int
    """All that were to be put, whatever became of them."""
    waiting: int
    dropped: int
    """Given up because there was no room."""


class ConsumersEnd(ABC):
    """What a consumer takes items from: an edge, or several by lanes."""

    __slots__ = ()
    name: str
    """For texts: ``producer → consumer``."""

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether nothing more will be put."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def seen(self) -> Seen:
        """Return what it has seen by now, each item once; from any thread."""

    @abstractmethod
    def take(self, most: int = MOST_AT_ONCE) -> list[Any]:
        """Return what there is, without waiting."""

    @abstractmethod
    def when_any(self, wake: Callable[[], None]) -> bool:
        """Have the consumer woken when something comes or it ends; return false if that is so already."""

    @abstractmethod
    def worked_on(self, count: int, now_ns: int) -> None:
        """Note that so many more of what was taken are done."""

    def take_waiting(self, event: threading.Event) -> list[Any]:
        """Return what there is, waiting in this thread until there is something; nothing if it has ended.

        Parameters
        ----------
        event
            The thread's own; whoever sets it wakes the thread, which then may return nothing early.
        """
        found = self.take()
        if not found and not self.has_ended:
            event.clear()
            if self.when_any(event.set):
                event.wait()
            found = self.take()
        return found

    async def take_awaiting(self) -> list[Any]:
        """Do as ``take_waiting`` on an event loop."""
        found = self.take()
        if not found and not self.has_ended:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            if self.when_any(waker(loop, future)):
                await future
            found = self.take()
        return found


class Edge(ConsumersEnd):
    """A queue with an end.

    ``put`` and ``hungry`` are for compiled code: after `room` it puts at most so many, and calls `wake` whenever it
    sees ``hungry``. Threads and event loops may both put and take.

    Parameters
    ----------
    name
        For texts: ``producer → consumer``.
    capacity
        How many items it holds.
    when_full
        What becomes of an item that has no room; with ``block`` there is always some, because producers wait.

    Attributes
    ----------
    put
        Appends one item.
    hungry
        Whether the consumer waits for one.
    """

    __slots__ = (
        "_came", "_discarded", "_done", "_empty_wake", "_full_wakes", "_is_thinned", "_lock", "_marks", "_open",
        "_skips", "_woken_ns", "capacity", "dropped", "hungry", "items", "latency", "name", "producers", "put", "taken",
        "when_full",
    )  # fmt: skip

    def __init__(self, name: str, *, capacity: int = CAPACITY, when_full: WhenFull = "block") -> None:
        self.name = name
        self.capacity = capacity
        self.when_full = when_full
        self.items: deque[Any] = deque()
        self.put: Callable[[Any], None] = self.items.append if when_full == "block" else self._offer
        self.hungry = False
        self.dropped = 0
        """Items given up because there was no room."""
        self.producers = 0
        """How many strands put."""
        self.latency = Latency()
        """From being put until being worked on, of some items."""
        self._open = 0
        self._lock = threading.Lock()
        self._empty_wake: Callable[[], None] | None = None
        self._full_wakes: list[Callable[[], None]] = []
        self._marks: deque[tuple[int, int]] = deque(maxlen=4096)
        self.taken = 0
        """Items that were taken out."""
        self._came = self._done = self._discarded = 0
        self._is_thinned = self._skips = False
        self._woken_ns = 0
        """When the consumer was last woken, which was for an item; 0 if that is accounted for."""

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"<Edge {self.name}: {len(self)} of {self.capacity}>"

    # Who puts

    def join(self) -> None:
        """Become one of those who put."""
        self.producers += 1
        self._open += 1

    def leave(self) -> None:
        """Put nothing more; the last who leaves ends the edge."""
        with self._lock:
            self._open -= 1
        if not self._open:
            self.wake()

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be put."""
        return self._open <= 0

    @property
    def room(self) -> int:
        """How many may be put now by one of those who put; any number where too many are given up."""
        if self.when_full != "block":
            return MOST_AT_ONCE
        free = self.capacity - len(self.items)
        return free if self.producers <= 1 else -(-max(0, free) // self.producers)

    def put_all(self, items: Sequence[Any]) -> None:
        """Put items for which there is room, before the consumer is woken: it finds all of them, and not the first."""
        self.items.extend(items)
        if self.hungry:
            self.wake()

    def when_room(self, wake: Callable[[], None]) -> bool:
        """Have somebody woken when a good part of it is free; return false if it is free already."""
        with self._lock:
            if self.capacity - len(self.items) > 0:
                return False
            self._full_wakes.append(wake)
        return True

    def wake(self) -> None:
        """Wake the consumer, if it waits."""
        with self._lock:
            wake, self._empty_wake, self.hungry = self._empty_wake, None, False
        if wake is not None:
            self._woken_ns = perf_counter_ns()
            wake()

    def mark(self, count: int, now_ns: int) -> None:
        """Note that so many more had been put by then; where items are slow, that is when all of them are done."""
        self._came += count
        if self.producers == 1 and self._came > self._done + self._discarded:
            self._marks.append((self._came, now_ns))

    def seen(self) -> Seen:
        """Return what it has seen by now, each item once; from any thread."""
        with self._lock:  # so that nothing is between the queue and who takes it, or gives it up
            waiting = len(self.items)
            return Seen(self.taken + waiting + self._discarded + self.dropped, waiting, self.dropped)

    # Who takes

    def take(self, most: int = MOST_AT_ONCE) -> list[Any]:
        """Return what there is, without waiting."""
        items = self.items
        pop = items.popleft
        with self._lock:  # somebody may discard what is here at the same time
            # Counted first: whoever looks at both from another thread misses nothing, see `Settling`.
            count = min(len(items), most)
            self.taken += count
            found = list(starmap(pop, repeat((), count)))  # in C: half of what a loop takes
            if self._is_thinned:
                self._is_thinned = bool(items)
        self._tell_of_room()
        return found

    def put_back(self, items: Sequence[Any]) -> None:
        """Let the last items that were taken lie before all others again, also where there is no room for them."""
        with self._lock:
            self.items.extendleft(reversed(items))
            self.taken -= len(items)

    def discard(self) -> int:
        """Give up everything that lies here, from whatever thread; return how many items that was."""
        with self._lock:
            count = len(self.items)
            for _ in range(count):
                self.items.popleft()
            self._discarded += count
            self._is_thinned = False
        self._tell_of_room()
        return count

    def _tell_of_room(self) -> None:
        if self._full_wakes and self.capacity - len(self.items) >= self.capacity // 2:
            with self._lock:
                wakes, self._full_wakes = self._full_wakes, []
            for wake in wakes:
                wake()

    def worked_on(self, count: int, now_ns: int) -> None:
        """Note that so many more of what was taken are done."""
        self._done += count
        if self._woken_ns and count:
            self.latency.add(now_ns - self._woken_ns, 1)
            self._woken_ns = 0
        marks = self._marks
        done = self._done + self._discarded
        while marks and marks[0][0] <= done:
            _, since_ns = marks.popleft()
            self.latency.add(now_ns - since_ns, 1)

    def when_any(self, wake: Callable[[], None]) -> bool:
        """Have the consumer woken when something comes or it ends; return false if that is so already."""
        with self._lock:
            self._empty_wake = wake
            self.hungry = True
            # Whoever puts after this line sees that somebody is hungry.
            if not self.items and not self.has_ended:
                return True
            self._empty_wake, self.hungry = None, False
        return False

    # No room

    def _offer(self, item: Any) -> None:
        """Put an item, or give one up."""
        with self._lock:
            if (len(self.items) < self.capacity or self.makes_room()) and self._is_kept():
                self.items.append(item)

    def makes_room(self) -> bool:
        """Give up what is there, or return false if it is the next one that is given up; the lock is held."""
        if self.when_full == "drop_newest":
            self.dropped += 1
            return False
        if self.when_full == "drop_oldest":
            self.items.popleft()
            self.dropped += 1
        else:
            self._thin()
        return True

    def _is_kept(self) -> bool:
        """Return whether the next one is kept: while items are thinned every second one, evenly spread over time."""
        if not self._is_thinned:
            return True
        self._skips = not self._skips
        self.dropped += self._skips
        return not self._skips

    def _thin(self) -> None:
        kept = list(self.items)[1::2]
        self.dropped += len(self.items) - len(kept)
        self.items.clear()
        self.items.extend(kept)
        self._is_thinned = True


def waker(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]") -> Callable[[], None]:
    """Return what resolves a future of a loop, from whatever thread."""
    owner = threading.get_ident()

    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    def wake() -> None:
        if threading.get_ident() == owner:
            resolve()
        else:
            call_on(loop, resolve)

    return wake
