"""The source: what turns one instrument into the blocks of a stream.

A source never waits and never decides what belongs together. Whoever runs it waits on ``pollable``, calls `read`, and
keeps the books of what a reading says.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from penstock.core.block import Block
from penstock.core.block_builder import BlockBuilder
from penstock.core.decoder import Traits
from penstock.core.message import Message

__all__ = ["Reading", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one call of `Source.read` brought."""

    blocks: list[Block] = field(default_factory=list)
    """In order, with ids dense from 1 over all readings."""
    unparsable: list[str] = field(default_factory=list)
    """One text for each packet that was lost, saying why."""
    filtered: int = 0
    """Packets that rightly carry nothing, such as heartbeats."""
    ended: bool = False
    """Nothing will ever come again."""

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to read."""
        return not (self.blocks or self.unparsable or self.filtered or self.ended)


class Source(ABC):
    """Base of all sources. A subclass says what it is and reads; the rest may stay as it is.

    >>> from penstock.core import Message
    >>> class Countdown(Source):
    ...     '''Numbers from ``start`` down to 0, one a reading.'''
    ...     traits = Traits(number="n", has_start=False, has_end=False)
    ...
    ...     def __init__(self, start: int) -> None:
    ...         self.left = start
    ...
    ...     def read(self, now_ns: int) -> Reading:
    ...         message = Message(key=self.left, timestamp_ns=now_ns, metadata={"left": self.left})
    ...         self.left -= 1
    ...         return self.reading([message], now_ns, ended=self.left < 0)
    >>> source = Countdown(2)
    >>> [source.read(now_ns=0).blocks[0].ids.tolist() for _ in range(3)]
    [[1], [2], [3]]
    """

    traits: ClassVar[Traits] = Traits()
    is_repeatable: ClassVar[bool] = False
    """Whether one that is made and opened anew gives the same messages from the beginning, as a file does.

    An engine that must begin again with such a source skips what it already has; of any other it goes on with what
    comes next.
    """
    wants_settled: bool = False
    """Whether it wants to be told, by `settle`, when its messages are accounted for, whatever became of them."""
    stream: str = ""
    """Name of its stream; given by the engine before `open`."""
    folder: str = "."
    """Where relative paths in its arguments start; given by the engine before `open`."""

    _builder: BlockBuilder | None = None

    @classmethod
    def traits_with(cls, arguments: Mapping[str, Any]) -> Traits | None:  # noqa: ARG003 - most do not depend on them
        """Return what its messages will be if it is made with these arguments; ``None`` if that is not known before.

        Asked by whoever checks a pipeline, so it opens nothing. A subclass whose ``traits`` depend on its arguments
        says here what it can.
        """
        traits: object = cls.traits
        return traits if isinstance(traits, Traits) else None

    def open(self) -> None:  # noqa: B027 - a source without a connection has nothing to open
        """Begin to connect, without waiting for the instrument.

        Raises
        ------
        SourceError
            If it cannot be tried; the text names the address or the file.
        """

    def close(self) -> None:  # noqa: B027 - likewise
        """Let go of everything. May be called twice, and without `open`."""

    def settle(self, first_id: int, last_id: int) -> None:  # noqa: B027 - few sources want to know
        """Learn that all that came of messages it gave is accounted for; also behind `close`, never behind `leave`.

        Parameters
        ----------
        first_id, last_id
            Of one block, as it was read.

        Raises
        ------
        SourceError
            If it cannot be noted.
        """

    def leave(self) -> None:  # noqa: B027 - likewise
        """Learn, behind `close`, that nothing more will be settled: the run is over."""

    @property
    def pollable(
        self,
    ) -> Any:  # zmq.Socket | int | None, without importing ZeroMQ
        """What a poller waits on: a ZeroMQ socket or a file descriptor, the same from `open` to `close`.

        ``None`` means that a reading never depends on anything arriving, as of a file. `read` may be called at any
        time; while a poller stays silent it must be called now and then (every 0.1 s), because only there a source
        notices that its instrument does not answer.
        """
        return None

    def wait_s(self, now_ns: int) -> float | None:  # noqa: ARG002 - for sources on their own clock
        """Return for how long `read` will have nothing, in s, if this source goes by its own clock.

        Asked before every reading. It is not read before that time is over, and nobody works meanwhile, so that a
        source of any rate is in time. With ``None`` it is read as soon as its ``pollable`` can be, or at once if it has
        none; a source without either that has nothing to say is asked again after 0.1 s.

        Parameters
        ----------
        now_ns
            Nanoseconds UTC.
        """
        return None

    @abstractmethod
    def read(self, now_ns: int) -> Reading:
        """Return what there is, without waiting: about 4096 messages, 1 MB or 2 ms at most.

        Parameters
        ----------
        now_ns
            Nanoseconds UTC, for messages that bring no time of their own.

        Raises
        ------
        SourceError
            If the instrument was not reached in time, or its connection broke.
        """

    def reading(
        self,
        messages: Iterable[Message],
        now_ns: int,
        *,
        unparsable: Iterable[str] = (),
        filtered: int = 0,
        ended: bool = False,
    ) -> Reading:
        """Return a reading of these messages, cut into blocks and numbered on from the last one."""
        builder = self.builder
        builder.add_all(messages, now_ns)
        return Reading(blocks=builder.close(), unparsable=list(unparsable), filtered=filtered, ended=ended)

    @property
    def builder(self) -> BlockBuilder:
        """What cuts this source's messages into blocks."""
        if self._builder is None:
            self._builder = BlockBuilder(self.stream)
        return self._builder
