"""What a server sends of a stream, a block at a time and never more than the client gave credit for."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from enum import Enum

from penstock.streams.store import StoredBlock, StreamInfo, StreamReader, StreamState

__all__ = ["Feed", "FetchFeed", "FollowFeed", "Step"]


class Step(Enum):
    """What a feed wants next."""

    WAIT = "wait"
    """Nothing until there is more, or more credit."""
    END = "end"
    """All is sent."""


Word = tuple[int, bool, int]
"""How many messages have arrived, whether the stream has ended, and before which position nothing is left to send."""


class Feed(ABC):
    """One stream on its way to one client; used by one thread at a time."""

    def __init__(self, number: int, reader: StreamReader, credit: int) -> None:
        self.number = number
        self.reader = reader
        self.credit = credit
        """Bytes; a block may be sent while there is any, so one of any size can be."""

    @abstractmethod
    def step(self) -> StoredBlock | Word | Step:
        """Return the next block, how far the stream has come, or what comes otherwise."""

    @property
    @abstractmethod
    def fd(self) -> int | None:
        """A descriptor that can be read when there is more; ``None`` if only credit can bring it."""

    def close(self) -> None:
        """Let go of the stream."""
        self.reader.close()


class FetchFeed(Feed):
    """What is there now."""

    def __init__(self, number: int, reader: StreamReader, credit: int, found: Iterator[StoredBlock]) -> None:
        super().__init__(number, reader, credit)
        self._found = found

    @property
    def fd(self) -> int | None:
        """``None``."""
        return None

    def step(self) -> StoredBlock | Step:
        """Return the next block."""
        if self.credit <= 0:
            return Step.WAIT
        return next(self._found, Step.END)


class FollowFeed(Feed):
    """What is there from a position on, and all that comes."""

    def __init__(self, number: int, reader: StreamReader, credit: int, position: int) -> None:
        super().__init__(number, reader, credit)
        self._position = position
        self._found: Iterator[StoredBlock] | None = None
        self._told: tuple[int, bool] | None = None
        self._has_sent = False

    @property
    def fd(self) -> int | None:
        """A descriptor that can be read when there is more."""
        return self.reader.fileno()

    def step(self) -> StoredBlock | Word | Step:
        """Return the next block; without credit, or at the end, how far the stream has come."""
        if self.credit > 0 and (block := self._next()) is not None:
            return self._sent(block)
        # Quiet first, and only then looked: what comes in between makes the descriptor readable again.
        if not self.reader.wait(self._position, 0.0):
            return self._begun_anew()
        info = self.reader.info  # before it is looked for blocks: what comes in between is not passed over
        if self.credit > 0 and (block := self._next()) is not None:
            return self._sent(block)
        arrived, is_ended = _arrived(info), info.state in (StreamState.FINISHED, StreamState.ABORTED)
        # What is left was removed before it could be sent. Who was told of it may wait for it, and is told again.
        is_passed = self.credit > 0 and arrived > self._position
        if is_passed:
            self._position = arrived
        if self._told == (arrived, is_ended) and not is_passed:
            return Step.WAIT
        self._told = arrived, is_ended
        return arrived, is_ended, self._position

    def _sent(self, block: StoredBlock) -> StoredBlock:
        self._position, self._has_sent = block.position + len(block.block), True
        return block

    def _begun_anew(self) -> Word | Step:
        """Find out whether the stream was deleted, and tell so: positions count from 0 again."""
        arrived = _arrived(self.reader.info)
        had_ended = self._told is not None and self._told[1]
        if not had_ended and not (self._has_sent and arrived < self._position):
            return Step.WAIT
        self._position, self._has_sent = arrived, False
        self._told = arrived, False
        return arrived, False, arrived

    def _next(self) -> StoredBlock | None:
        if self._found is None:
            self._found = self.reader.blocks(self._position)
        block = next(self._found, None)
        if block is None:
            self._found = None
        return block


def _arrived(info: StreamInfo) -> int:
    return info.count + info.removed
