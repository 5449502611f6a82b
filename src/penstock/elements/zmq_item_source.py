"""Items over ZeroMQ, received: what the sources ``zmq-pull`` and ``zmq-sub`` have in common.

It is iterated in an event loop, and gives lists of items, as many as lay ready. The socket is drained without waiting,
and only when it is empty its descriptor is watched: ZeroMQ's own asyncio sockets make a future of each message, which
takes 14 times as long.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Final, Literal

from penstock.core.pickle_plain import allowed_dataclasses
from penstock.elements.losses import Losses
from penstock.elements.network_address import listed_addresses
from penstock.elements.zmq_address import check_addresses
from penstock.errors import RemoteProtocolError, SourceError
from penstock.wire.item_encodings import (
    PENSTOCK,
    ReadEncoding,
    ReadItem,
    ReadPart,
    check_encoding,
    part_reader,
    parts_trouble,
    reader,
)
from penstock.wire.item_frames import BEHIND_AT, Frames, Received

__all__ = ["Ends", "ZmqItemSource", "readable"]

Ends = Literal["never", "first", "all"]
"""Whether the source ends: never; with the first sender that ends; when as many senders have ended as there are."""

_CHUNK: Final = 1024
_CHUNK_BYTES: Final = 4 << 20
_MOST_STREAMS: Final = 10_000
"""Of senders and topics whose numbers are remembered: a stranger could make up any number of them."""


class ZmqItemSource:
    """Receive items over ZeroMQ. A subclass says what they are received by.

    Parameters
    ----------
    kind
        Of socket.
    bind, connect
        Addresses.
    topics
        Of ``sub``.
    encoding
        How senders write.
    ends, senders
        See the subclasses.
    allow
        Of pickles.
    with_topic
        Whether an item is a pair of topic and item.
    open_to_network
        Whether other machines may come in.
    ahead_MB
        How much may lie unread for one sender.

    Raises
    ------
    ValueError
        If something of this is not right.
    """

    in_chunks: ClassVar[bool] = True

    def __init__(
        self,
        kind: Literal["pull", "sub"],
        *,
        bind: str | Sequence[str] | None,
        connect: str | Sequence[str] | None,
        topics: str | Sequence[str] | None = None,
        encoding: ReadEncoding = "penstock",
        ends: Ends = "never",
        senders: int | None = None,
        allow: Sequence[str] = (),
        with_topic: bool = False,
        open_to_network: bool = False,
        ahead_MB: float = 256.0,
    ) -> None:
        bound, connected = listed_addresses(bind), listed_addresses(connect)
        check_addresses(bound, connected, open_to_network=open_to_network)
        check_encoding(encoding, ReadEncoding)
        if ahead_MB <= 0:
            raise ValueError(f"ahead_MB is {ahead_MB}; it must be above 0")
        self.losses = Losses(f"zmq-{kind} {', '.join([*bound, *connected])}")
        """Messages that were no items, and items that are known to be missing."""
        self._kind: Literal["pull", "sub"] = kind
        self._bind, self._connect = bound, connected
        self._topics = [topic.encode() for topic in listed_addresses(topics)]
        self._ahead_bytes = int(ahead_MB * 1e6)
        self._with_topic = with_topic
        self._has_own_form = encoding == PENSTOCK
        self._ending = _Ending(ends, senders, len(connected) if not bound else 0, encoding)
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._encoding = encoding
        self._allow = _checked_names(encoding, allow)
        self._read: ReadItem = reader(encoding, {})
        self._read_part: ReadPart | None = part_reader(encoding) if kind == "pull" else None
        self._inlet: Any = None  # ZmqInlet, imported when it is opened

    @property
    def addresses(self) -> list[str]:
        """Where it is bound and connected; with the ports that were taken, once it is open."""
        return list(self._inlet.addresses) if self._inlet is not None else [*self._bind, *self._connect]

    def open(self) -> None:
        """Bind and begin to connect, if it is not open yet; whoever iterates need not call it.

        Raises
        ------
        SourceError
            If an address cannot be had, or a dataclass that pickles may hold.
        """
        if self._inlet is not None:
            return
        from penstock.transport.zmq_items import ZmqInlet

        if self._encoding == "snap-pickle":
            self._read = reader(self._encoding, _allowed(self._allow))
        inlet = ZmqInlet(
            self._kind,
            bind=self._bind,
            connect=self._connect,
            topics=self._topics,
            ahead_bytes=self._ahead_bytes,
            behind_at=BEHIND_AT if self._has_own_form and self._kind == "pull" else -1,
        )
        inlet.open()
        self._inlet = inlet

    def close(self) -> None:
        """Close the socket; may be called twice."""
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            inlet.close()

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Give lists of items as they come; it is opened when the first is asked for."""
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[list[Any]]:
        self.open()
        inlet = self._inlet
        try:
            while not self._ending.is_over:
                has_come, items = self._taken(inlet)
                if not has_come:
                    await readable(inlet)
                    continue
                if items:
                    yield items
                await asyncio.sleep(0)  # others in the loop have their turn, however much comes
            self._ending.raise_failure()
        finally:
            self.close()

    def _taken(self, inlet: Any) -> tuple[bool, list[Any]]:
        """Return whether anything lay ready, and the items it was."""
        if self._read_part is None:
            messages = inlet.receive(_CHUNK, _CHUNK_BYTES)
            return bool(messages), self._items_of(messages)
        count, items = inlet.receive_single(_CHUNK, _CHUNK_BYTES, self._read_part, self._refuse)
        return bool(count), items

    def _refuse(self, parts: int, why: str) -> None:
        self.losses.add(why or parts_trouble(parts))

    def _items_of(self, messages: Sequence[Frames]) -> list[Any]:
        items: list[Any] = []
        read, is_sub = self._read, self._kind == "sub"
        for parts in messages:
            topic = b""
            if is_sub and (self._has_own_form or len(parts) > 1):
                topic, parts = bytes(parts[0]), parts[1:]
            try:
                received = read(parts)
            except RemoteProtocolError as error:
                self.losses.add(str(error))
                continue
            if received.is_end:
                if self._ending.note(received):
                    break
                continue
            if received.number:
                self._look_for_gap(received, topic)
            items.append((str(topic, "utf-8", "replace"), received.item) if self._with_topic else received.item)
        return items

    def _look_for_gap(self, received: Received, topic: bytes) -> None:
        """Count what a publisher could not hand over; who joins later lacks nothing of before."""
        stream = (received.sender, topic)
        last = self._numbers.get(stream)
        if last is not None and received.number > last + 1:
            self.losses.add("not received in time, so that the publisher gave them up", received.number - last - 1)
        if last is None and len(self._numbers) >= _MOST_STREAMS:
            self._numbers.clear()
        self._numbers[stream] = received.number


class _Ending:
    """Knows when all has come that there will be."""

    def __init__(self, ends: Ends, senders: int | None, known: int, encoding: str) -> None:
        if ends not in ("never", "first", "all"):
            raise ValueError(f'ends is {ends!r}; it is "never", "first" or "all"')
        if ends != "never" and encoding != PENSTOCK:
            raise ValueError(f"ends: {ends} needs end marks, which the encoding {encoding} does not have")
        if ends == "all" and not (senders or known):
            raise ValueError("ends: all waits for every sender, and whoever binds cannot know them; say senders: 2")
        if senders is not None and (senders < 1 or ends != "all"):
            raise ValueError(f"senders is {senders}; it says, beside ends: all, how many there are, from 1")
        self._wanted = {"never": 0, "first": 1, "all": senders or known}[ends]
        self._ended: dict[int, str] = {}
        self.is_over = False

    def note(self, mark: Received) -> bool:
        """Take an end mark; return whether all is over."""
        if self._wanted:
            self._ended[mark.sender] = mark.item
            self.is_over = len(self._ended) >= self._wanted
        return self.is_over

    def raise_failure(self) -> None:
        """Raise if a sender's run did not end well, because then what came is not all there should be."""
        if badly := [outcome for outcome in self._ended.values() if outcome != "finished"]:
            raise SourceError(f"{len(badly)} of {len(self._ended)} senders did not finish: {', '.join(badly)}")


async def readable(inlet: Any) -> None:
    """Wait until there is a message."""
    if inlet.is_ready:  # asked before each wait: the descriptor tells of changes only
        return
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    descriptor = inlet.descriptor
    # Taken away each time, because the descriptor stays readable until somebody looks at the socket.
    loop.add_reader(descriptor, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _checked_names(encoding: str, allow: Sequence[str]) -> list[str]:
    names = listed_addresses(allow)
    if names and encoding != "snap-pickle":
        raise ValueError("allow is for pickles; leave it out, or say encoding: snap-pickle")
    for name in names:
        module, _, path = name.partition(":")
        if not path or not all(word.isidentifier() for word in (*module.split("."), *path.split("."))):
            raise ValueError(f'allow: "{name}" names no class; write module:Class')
    return names


def _allowed(names: Sequence[str]) -> Any:  # as unpickle takes it
    """Import what may come; not before the source is opened, because the pipeline's own modules are found only then."""
    classes: dict[str, type] = {}
    for name in names:
        module, _, path = name.partition(":")
        try:
            classes[name] = attrgetter(path)(importlib.import_module(module))
        except (ImportError, AttributeError) as error:
            raise SourceError(f"allow: {name} cannot be imported: {error}") from error
    try:
        return allowed_dataclasses(classes)
    except ValueError as error:
        raise SourceError(f"allow: {error}") from error
