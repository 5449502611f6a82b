"""Both ends of a stage's net in a process of its own: edges on which items come from a link, and go to one.

They know what is under way, so that it can be said of every item whether it may still be lost. No link is here.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from time import perf_counter_ns
from typing import Any, Final

from penstock.errors import ResultTypeError
from penstock.services.strands.edge import Edge, waker
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.stage import Stage, shortened
from penstock.services.user_calls import Failure
from penstock.wire.steps import encode_single, encode_values, joined_values

__all__ = ["Between", "Inbox", "Outbox"]

SLOW_NS: Final = 5_000_000
"""What is done is told after so long, if the next item is asked for."""
MESSAGE_BYTES: Final = 1 << 20
"""What goes on at once, unless one value is larger."""
MOST_BYTES: Final = 4 << 20
"""What may lie there until whoever gives has to wait, unless one value is larger."""
_UNCHANGING: Final = frozenset({type(None), bool, int, float, bytes})


class Between(Edge):
    """An edge within the stage, which says when its consumer waits for the next item."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.on_hungry: Callable[[], None] = _nothing

    def when_any(self, wake: Callable[[], None]) -> bool:
        """Do as ``Edge.when_any``."""
        waits = super().when_any(wake)
        if waits:
            self.on_hungry()
        return waits


class Inbox(Edge):
    """The edge on which items come that were sent.

    A strand that asks for another item is through with the one before, so from then on that is *settled*. Where the
    stage has edges within, up to its first buffer, an item is given only when they are empty and all behind them ask,
    too: then this is true of all of it, and never more than one item is under way.

    Parameters
    ----------
    name
        As of any edge.
    begun
        Its first entry says how many items were begun, for those who watch.

    Attributes
    ----------
    settled
        How many items are settled.
    idle_ns
        How long it was asked for items in vain.
    """

    def __init__(self, name: str, begun: memoryview) -> None:
        super().__init__(name)
        self.join()
        self.settled = 0
        self.idle_ns = 0
        self.told_ns = 0
        """When it was last told what is settled."""
        self.on_asked: Callable[[], object] = _nothing
        """Called when it is time to tell, by the strand that asks."""
        self.has_stopped: Callable[[], bool] = lambda: False
        """Whether somebody up to the first buffer takes no more."""
        self._between: Sequence[Between] = ()
        self._begun = begun
        self._spans: deque[int] = deque()
        self._through_wake: Callable[[], None] = _nothing

    @property
    def begun(self) -> int:
        """How many items were begun."""
        return int(self._begun[0])

    @property
    def is_quiet(self) -> bool:
        """Whether nothing lies here and nothing is under way."""
        return not self.items and self.begun == self.settled

    def give_through(self, between: Sequence[Between]) -> None:
        """Let items go one by one through these edges, which follow each other."""
        self._between = between
        for edge in between:
            edge.on_hungry = self._look_again

    # Who puts

    def give(self, items: list[Any]) -> None:
        """Put a span of items."""
        self.items.extend(items)
        self._spans.append(len(items))
        if self.hungry:
            self.wake()

    def end(self) -> None:
        """Let nothing more come."""
        if not self.has_ended:
            self.leave()

    def cut_off(self) -> None:
        """Let nothing more come, not even what lies here."""
        self._spans.clear()
        self.items.clear()
        self.end()

    # Who takes

    def take(self, most: int = 1) -> list[Any]:
        """Return the next span; only one item where there are edges within."""
        if self._between:
            return super().take(most)
        return super().take(self._spans.popleft()) if self._spans else []

    def take_waiting(self, event: threading.Event) -> list[Any]:
        """Do as ``Edge.take_waiting``, when nothing is under way."""
        while self._waits(event.set):
            event.wait()
            event.clear()
        self._ask()
        since = perf_counter_ns()
        found = super().take_waiting(event)
        self.idle_ns += perf_counter_ns() - since
        return _Span(found, self)

    async def take_awaiting(self) -> list[Any]:
        """Do as ``take_waiting`` on an event loop."""
        loop = asyncio.get_running_loop()
        while self._waits(waker(loop, future := loop.create_future())):
            await future
        self._ask()
        since = perf_counter_ns()
        found = await super().take_awaiting()
        self.idle_ns += perf_counter_ns() - since
        return _Span(found, self)

    def _waits(self, wake: Callable[[], None]) -> bool:
        """Return whether something is under way; if so, have somebody woken who looks again."""
        if self._is_through():
            return False
        self._through_wake = wake
        # Who became hungry before this line woke nobody.
        return not self._is_through()

    def _is_through(self) -> bool:
        # In their order: what is seen to ask for more gives nothing to those behind it.
        return all(edge.hungry and not edge.items for edge in self._between)

    def _look_again(self) -> None:
        self._through_wake()

    def _ask(self) -> None:
        if self.has_stopped():
            self.cut_off()
        else:
            self.settled = self.begun
        if not self._between or not self.items or self._is_late:
            self.on_asked()

    def next_asked(self) -> None:
        """Note that within a span another item is asked for."""
        if not self._between:
            self.settled = self._begun[0]
            if self._is_late:
                self.on_asked()

    @property
    def _is_late(self) -> bool:
        return perf_counter_ns() - self.told_ns > SLOW_NS

    def begin(self) -> None:
        """Note that one is given."""
        self._begun[0] += 1


class _Span(list[Any]):
    """Items that are noted when they are begun."""

    def __init__(self, items: list[Any], inbox: Inbox) -> None:
        super().__init__(items)
        self._inbox = inbox

    def __iter__(self) -> Iterator[Any]:
        return _Beginning(super().__iter__(), self._inbox)


class _Beginning(Iterator[Any]):
    __slots__ = ("_inbox", "_items")

    def __init__(self, items: Iterator[Any], inbox: Inbox) -> None:
        self._items, self._inbox = items, inbox

    def __next__(self) -> Any:
        self._inbox.next_asked()
        item = next(self._items)
        self._inbox.begin()
        return item

    def __length_hint__(self) -> int:
        return length_hint(self._items)


class Outbox(Edge):
    """The edge from which values go over a link.

    Whoever gave a value may change it afterwards, as in a chain that is fused: what can be changed is written down at
    once.

    Parameters
    ----------
    stage
        Says what becomes of a value that cannot travel, and notes it.
    flush
        Called when much lies here.
    """

    def __init__(self, stage: Stage, flush: Callable[[], object]) -> None:
        super().__init__(f"{stage.name} →")
        self.put = self._put
        self.refused = 0
        """How many values could not travel."""
        self._stage = stage
        self._flush = flush
        self._n_put = self._put_bytes = self._taken_bytes = 0  # each written by one thread

    @property
    def nbytes(self) -> int:
        """How much lies here, about."""
        return self._put_bytes - self._taken_bytes

    @property
    def room(self) -> int:
        """How many values may be put now."""
        free = self.capacity - len(self.items)
        left = MOST_BYTES - self.nbytes
        if free <= 0 or left <= 0:
            return 0
        mean = self._put_bytes / self._n_put if self._n_put else MOST_BYTES
        return max(1, min(free, int(left / max(1.0, mean))))

    def when_room(self, wake: Callable[[], None]) -> bool:
        """Do as ``Edge.when_room``, after a try to make some."""
        self._flush()
        with self._lock:
            if self.room > 0:
                return False
            self._full_wakes.append(wake)
        return True

    def message(self) -> tuple[int, bytes]:
        """Take what goes on at once; return how many values that are, and all of them written together.

        One thread at a time may call it.
        """
        found: list[Any] = []
        nbytes = 0
        while self.items and nbytes < MESSAGE_BYTES:
            value = self.items.popleft()
            nbytes += _nbytes(value)
            found.append(value)
        self._taken_bytes += nbytes
        self._wake_full()
        if not any(type(value) is _Written for value in found):
            return len(found), encode_values(found)
        return len(found), joined_values([_written(value) for value in found])

    def _put(self, value: Any) -> None:
        kind = type(value)
        if kind not in _UNCHANGING and not (kind is str and value.isascii()):
            try:
                value = _Written(encode_single(value))
            except ResultTypeError as error:
                self._refuse(value, str(error).removeprefix(": result").strip())
                return
        self._n_put += 1
        self._put_bytes += _nbytes(value)
        self.items.append(value)
        if self.nbytes > MESSAGE_BYTES:
            self._flush()

    def _refuse(self, value: Any, why: str) -> None:
        cause, text = f"what came of an item {why}", shortened(value)
        self._stage.keep(Failure(stage=self._stage.name, event=None, cause=cause, traceback="", item=text))
        self.refused += 1
        if self._stage.plan.on_error == "fail":
            raise StageFailedError(f"stage {self._stage.name}: {cause}; it was {text}")

    def _wake_full(self) -> None:
        if self._full_wakes and self.room > 0:
            with self._lock:
                wakes, self._full_wakes = self._full_wakes, []
            for wake in wakes:
                wake()


class _Written:
    """A value that is written down."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def _nbytes(value: Any) -> int:
    kind = type(value)
    if kind is _Written:
        return len(value.data)
    return len(value) if kind is str or kind is bytes else 8


def _written(value: Any) -> bytes:
    return value.data if type(value) is _Written else encode_single(value)


def _nothing() -> None: ...
