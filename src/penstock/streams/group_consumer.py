"""Reads a stream as a member of a group: for plain callers, and for coroutines by the same names."""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

from penstock.core.group_record import DeadLetter, GroupSnapshot
from penstock.core.id_ranges import Range
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamAbortedError, StreamEndedError
from penstock.streams.group_reading import GroupReading
from penstock.streams.membership import Membership
from penstock.streams.reading import Time
from penstock.streams.steps import Call, Steps, run, run_async
from penstock.streams.store import Store

__all__ = ["AsyncGroupConsumer", "GroupConsumer"]

T = TypeVar("T")


class GroupConsumer:
    """A member of a group, which shares the messages of a stream: each goes to one member, at least once.

    What a member was given and did not acknowledge comes again, to whoever asks, when it has left, gave it back or was
    killed. As a context manager it leaves at the end. It is used by one thread at a time.
    """

    def __init__(self, store: Store, address: StreamAddress, become: Callable[[], Membership], prefetch: int) -> None:
        self._reading = GroupReading(store, address, become, prefetch)
        _ = self._reading.member  # made now, so that a group of other rules is an error here

    @property
    def address(self) -> StreamAddress:
        """The stream's."""
        return self._reading.address

    @property
    def attempt(self) -> int:
        """The how manieth time the latest message was handed out, from 1."""
        return self._reading.attempt

    def follow(self, *, timeout_s: float | None = None) -> Iterator[Message]:
        """Yield messages that no other member has, until the stream has finished and the group is done with all of it.

        Acknowledge each when it is done, as those that are not hold up the end.

        Parameters
        ----------
        timeout_s
            How long to wait for the next one; ``None`` for ever.

        Raises
        ------
        StreamAbortedError
            At the end of a stream that was aborted.
        NoDataError
            If none came in time; as ``Consumer.follow``.
        """
        in_hand = self._reading.in_hand
        while True:
            try:
                message = in_hand() or self.next(timeout_s)
            except StreamAbortedError:
                raise
            except StreamEndedError:
                return
            yield message

    def next(self, timeout_s: float | None = None) -> Message:
        """Return a message that no other member has.

        Raises
        ------
        StreamEndedError
            If the stream has ended, and the group is done with all of it.
        NoDataError
            If there is none in time.
        StateError
            If this has left.
        """
        message = self._reading.in_hand() or self._reading.claimed()
        return run(self._reading.next(timeout_s, was_empty=True)) if message is None else message

    def batch(self, size: int = 256, timeout_s: float | None = None) -> list[Message]:
        """Return at most so many messages, and at least one; not more than ``prefetch``. As ``next``."""
        return run(self._reading.batch(size, timeout_s))

    def last(self, timeout_s: float | None = 0.0) -> Message:
        """Return the newest message if nobody in the group was given it by this; older ones never are.

        It is not to be acknowledged, and ``next`` does not know of it.

        Raises
        ------
        StreamEndedError
            If the stream has ended, and its last message was given.
        NoDataError
            If there is no newer one in time.
        """
        return run(self._reading.last(timeout_s))

    def ack(self, *messages: Message | int) -> None:
        """Say that messages, or ids, are done; written within the group's ``flush_s``, at latest by ``flush``."""
        self._reading.ack(messages)

    def nack(self, *messages: Message | int, delay_s: float = 0.0, reason: str = "") -> int:
        """Give messages, or ids, back that failed, to be handed out again after a delay; return how many this had."""
        return self._reading.nack(messages, delay_s, reason)

    def flush(self) -> list[Range]:
        """Write what was acknowledged; return what of it had been acknowledged before."""
        return self._reading.member.flush()

    def seek(self, id: int) -> None:  # noqa: A002  # what it is called everywhere
        """Let the whole group go on behind an id, or from the start for 0."""
        self._reading.seek(id)

    def seek_time(self, at: Time) -> None:
        """Let the whole group go on with the smallest id whose timestamp is not earlier."""
        self._reading.seek_time(at)

    def take_gaps(self) -> list[Range]:
        """Return, once, ranges of missing ids that were passed over for this; what of them comes late is handed out."""
        return self._reading.take_gaps()

    def dead(self) -> list[DeadLetter]:
        """List what is handed out no more, as all attempts failed."""
        return self._reading.member.dead()

    def revive(self) -> int:
        """Hand out all of those again; return how many."""
        return self._reading.member.revive()

    def unacknowledged(self, first_id: int = 0, last_id: int = 0) -> list[Range]:
        """Return ranges of ids that are there and not done; 0: no limit."""
        return self._reading.member.unacknowledged(first_id, last_id)

    def snapshot(self) -> GroupSnapshot:
        """Return how the group is doing: lag, members, what is in flight."""
        return self._reading.member.snapshot()

    def close(self) -> None:
        """Leave: write what was acknowledged, and give the rest back at once. Twice: nothing."""
        self._reading.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncGroupConsumer:
    """As ``GroupConsumer``, for coroutines: the same names; what changes the group is done in a thread."""

    def __init__(self, store: Store, address: StreamAddress, become: Callable[[], Membership], prefetch: int) -> None:
        self._reading = GroupReading(store, address, become, prefetch)

    @property
    def address(self) -> StreamAddress:
        """As ``GroupConsumer.address``."""
        return self._reading.address

    @property
    def attempt(self) -> int:
        """As ``GroupConsumer.attempt``."""
        return self._reading.attempt

    async def follow(self, *, timeout_s: float | None = None) -> AsyncIterator[Message]:
        """As ``GroupConsumer.follow``."""
        while True:
            try:
                message = await self.next(timeout_s)
            except StreamAbortedError:
                raise
            except StreamEndedError:
                return
            yield message

    async def next(self, timeout_s: float | None = None) -> Message:
        """As ``GroupConsumer.next``."""
        message = self._reading.in_hand()
        return await run_async(self._reading.next(timeout_s)) if message is None else message

    async def batch(self, size: int = 256, timeout_s: float | None = None) -> list[Message]:
        """As ``GroupConsumer.batch``."""
        return await run_async(self._reading.batch(size, timeout_s))

    async def last(self, timeout_s: float | None = 0.0) -> Message:
        """As ``GroupConsumer.last``."""
        return await run_async(self._reading.last(timeout_s))

    async def ack(self, *messages: Message | int) -> None:
        """As ``GroupConsumer.ack``."""
        await run_async(_call(lambda: self._reading.ack(messages)))

    async def nack(self, *messages: Message | int, delay_s: float = 0.0, reason: str = "") -> int:
        """As ``GroupConsumer.nack``."""
        return await run_async(_call(lambda: self._reading.nack(messages, delay_s, reason)))

    async def flush(self) -> list[Range]:
        """As ``GroupConsumer.flush``."""
        return await run_async(_call(self._reading.member.flush))

    async def seek(self, id: int) -> None:  # noqa: A002
        """As ``GroupConsumer.seek``."""
        await run_async(_call(lambda: self._reading.seek(id)))

    async def seek_time(self, at: Time) -> None:
        """As ``GroupConsumer.seek_time``."""
        await run_async(_call(lambda: self._reading.seek_time(at)))

    async def take_gaps(self) -> list[Range]:
        """As ``GroupConsumer.take_gaps``."""
        return self._reading.take_gaps()

    async def dead(self) -> list[DeadLetter]:
        """As ``GroupConsumer.dead``."""
        return await run_async(_call(self._reading.member.dead))

    async def revive(self) -> int:
        """As ``GroupConsumer.revive``."""
        return await run_async(_call(self._reading.member.revive))

    async def unacknowledged(self, first_id: int = 0, last_id: int = 0) -> list[Range]:
        """As ``GroupConsumer.unacknowledged``."""
        return await run_async(_call(lambda: self._reading.member.unacknowledged(first_id, last_id)))

    async def snapshot(self) -> GroupSnapshot:
        """As ``GroupConsumer.snapshot``."""
        return await run_async(_call(self._reading.member.snapshot))

    async def close(self) -> None:
        """As ``GroupConsumer.close``."""
        await run_async(_call(self._reading.leave))

    async def __aenter__(self) -> Self:
        await run_async(_call(lambda: self._reading.member))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _call(call: Callable[[], T]) -> Steps[T]:
    found: T = yield Call(call)
    return found
