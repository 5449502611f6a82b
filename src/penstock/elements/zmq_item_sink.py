"""Items over ZeroMQ, sent: what the sinks ``zmq-push`` and ``zmq-pub`` have in common.

It never hangs: while a run goes on it waits for receivers as long as they want, and once the run ends for ``linger_s``.
"""

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

from penstock.elements.losses import Losses
from penstock.elements.network_address import listed_addresses
from penstock.elements.plain_item import without_views
from penstock.elements.sink import RunFacts, Sink
from penstock.elements.text_template import TextTemplate
from penstock.elements.zmq_address import check_addresses
from penstock.errors import ResultTypeError, SinkError
from penstock.wire.item_encodings import PENSTOCK, WriteEncoding, check_encoding, writer
from penstock.wire.item_frames import ItemWriter

__all__ = ["ZmqItemSink"]

_LOG: Final = logging.getLogger("penstock.elements")
_LOOK_S: Final = 0.1
"""How often somebody who waits looks whether the run ends."""
_SAID_AFTER_S: Final = 2.0
_LOOK_AT_PEERS: Final = 1000
"""Items after which subscriptions are taken in; they would pile up."""
_MOST_TOPICS: Final = 10_000
"""Whose items are numbered."""


class ZmqItemSink(Sink):
    """Send items over ZeroMQ. A subclass says what they are sent by.

    Parameters
    ----------
    kind
        Of socket.
    bind, connect
        Addresses.
    encoding
        How items are written.
    topic
        Of ``pub``: stands before each item.
    receivers
        How many must be there before the first item is sent.
    linger_s
        How long it may take at the end of the run, in s.
    open_to_network
        Whether other machines may come in.
    ahead_MB
        How much may wait for one receiver.

    Raises
    ------
    ValueError
        If something of this is not right.
    """

    may_wait: ClassVar[bool] = True

    def __init__(
        self,
        kind: Literal["push", "pub"],
        *,
        bind: str | Sequence[str] | None,
        connect: str | Sequence[str] | None,
        encoding: WriteEncoding = "penstock",
        topic: str = "",
        receivers: int = 0,
        linger_s: float = 2.0,
        open_to_network: bool = False,
        ahead_MB: float = 256.0,
    ) -> None:
        self._bind, self._connect = listed_addresses(bind), listed_addresses(connect)
        check_addresses(self._bind, self._connect, open_to_network=open_to_network)
        check_encoding(encoding, WriteEncoding)
        if receivers < 0 or linger_s < 0:
            raise ValueError(f"receivers is {receivers}, linger_s {linger_s}; they must be 0 or more")
        if ahead_MB <= 0:
            raise ValueError(f"ahead_MB is {ahead_MB}; it must be above 0")
        self._kind: Literal["push", "pub"] = kind
        self._is_pub = kind == "pub"
        self.losses = Losses(f"zmq-{kind} {', '.join([*self._bind, *self._connect])}")
        """What nobody took."""
        self._topic = TextTemplate(topic)
        self._topics: dict[bytes, int] = {}
        self._receivers = receivers
        self._linger_s = linger_s
        self._ahead_bytes = int(ahead_MB * 1e6)
        self._has_own_form = encoding == PENSTOCK
        self._write = None if self._has_own_form else writer(encoding)
        self._items = ItemWriter()
        self._outlet: Any = None  # ZmqOutlet, imported when it is opened
        self._until: float | None = None
        self._using = threading.Lock()  # of the socket, which is one thread's at a time
        self._given = self._not_taken = 0

    @property
    def addresses(self) -> list[str]:
        """Where it is bound and connected; with the ports that were taken, once it is open."""
        return list(self._outlet.addresses) if self._outlet is not None else [*self._bind, *self._connect]

    def open(self, run: RunFacts) -> None:  # noqa: ARG002 - it says nothing of the run
        """Bind and begin to connect.

        Raises
        ------
        SinkError
            If an address cannot be had.
        """
        from penstock.transport.zmq_items import ZmqOutlet

        outlet = ZmqOutlet(self._kind, bind=self._bind, connect=self._connect, ahead_bytes=self._ahead_bytes)
        outlet.open()
        self._outlet = outlet
        self._items = ItemWriter(secrets.randbits(64))

    def write(self, item: Any) -> None:  # an item of any kind
        """Send, as soon as there is room.

        Raises
        ------
        SinkError
            If the item cannot travel.
        """
        try:
            frames = self._frames(item) if self._write is None or self._is_pub else (self._write(item),)
        except (ResultTypeError, LookupError, ValueError) as error:
            raise SinkError(f"{', '.join(self.addresses)}: an item cannot be sent: {error}") from error
        with self._using:
            outlet = self._outlet
            if outlet is None:
                raise SinkError(f"{', '.join(self.addresses)}: closed, and an item came")
            if self._receivers:
                self._wait_for_receivers()
            self._given += 1
            if self._is_pub and not self._given % _LOOK_AT_PEERS:
                outlet.look()
            is_sent = outlet.send_part(frames[0]) if len(frames) == 1 else outlet.send(frames)
            if not is_sent and not self._send_later(frames):
                self._not_taken += 1

    def write_ready(self, items: Sequence[Any]) -> int:
        """Send the first of these, until there is no room, or one that cannot travel."""
        write = self._write
        if self._is_pub or write is None:
            return 0
        sent = 0
        with self._using:
            if self._outlet is None or self._receivers:
                return 0
            send = self._outlet.send_part
            try:
                for item in items:
                    if not send(write(item)):
                        break
                    sent += 1
            except (ResultTypeError, LookupError, ValueError):
                pass  # it comes again, by itself
            self._given += sent
        return sent

    def hasten(self) -> None:
        """Wait for ``linger_s`` from now on, and no longer."""
        if self._until is None:
            self._until = time.monotonic() + self._linger_s

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Say that this was all, and wait until it is taken, for ``linger_s`` at most.

        Raises
        ------
        SinkError
            If it was not; the text says how much.
        """
        self.hasten()
        with self._using:  # a write that waits comes back now that it is hastened
            if self._outlet is None:
                return
            if self._has_own_form:
                self._send_end(outcome or ("finished" if ended_well else "failed"))
            outlet, self._outlet = self._outlet, None
        outlet.look()
        addresses = ", ".join(outlet.addresses)
        # Without time nothing is known of what was handed over just now; with receivers, it is believed to be taken.
        is_sent = outlet.close(self._left_s) or (not self._linger_s and outlet.had_peers)
        if not self._given or (is_sent and not self._not_taken) or not (outlet.had_peers or self._kind == "push"):
            return
        text = self._missing(outlet)
        self.losses.add(text, max(self._not_taken, 1) if outlet.had_peers else self._given)
        if self._kind == "push":
            raise SinkError(f"{addresses}: {text}; start the receiver, or give it longer with linger_s")

    @property
    def _left_s(self) -> float:
        return max(0.0, (self._until or 0.0) - time.monotonic())

    def _frames(self, item: Any) -> Sequence[bytes | memoryview]:
        if not self._is_pub:
            return self._own(item)
        topic = self._topic.fill(item).encode()
        if self._write is not None:
            return [topic, self._write(item)] if topic else [self._write(item)]
        number = self._topics.get(topic, 0) + 1
        if number == 1 and len(self._topics) >= _MOST_TOPICS:
            return [topic, *self._own(item)]
        frames = [topic, *self._own(item, number)]
        self._topics[topic] = number
        return frames

    def _own(self, item: Any, number: int = 0) -> list[bytes | memoryview]:
        try:
            return self._items.frames(item, number)
        except ResultTypeError:
            if type(item) is not dict:
                raise
            return self._items.frames(without_views(item), number)  # as a reducer publishes them

    def _wait_for_receivers(self) -> None:
        began = time.monotonic()
        while self._until is None or self._left_s:
            if self._outlet.wait_for_peers(self._receivers, _LOOK_S):
                self._receivers = 0
                return
            began = self._say_who_waits(began)

    def _send_later(self, frames: Sequence[bytes | memoryview]) -> bool:
        began = time.monotonic()
        while self._until is None or self._left_s:
            self._outlet.wait_for_room(_LOOK_S if self._until is None else min(_LOOK_S, self._left_s))
            if self._outlet.send(frames):
                return True
            began = self._say_who_waits(began)
        return False

    def _say_who_waits(self, began: float) -> float:
        """Write into the log, once an item, that nobody takes it; return when that may be said again."""
        if time.monotonic() - began < _SAID_AFTER_S:
            return began
        what = "nobody is there to receive" if not self._outlet.look() else "receivers take nothing"
        _LOG.warning("zmq-%s %s: %s, and items wait", self._kind, ", ".join(self.addresses), what)
        return float("inf")

    def _send_end(self, outcome: str) -> None:
        marks = self._items.end(outcome)
        peers = self._outlet.look()
        if self._kind == "pub":
            for topic in self._topics or (b"",):
                self._outlet.send([topic, *marks])
            return
        if not peers and self._connect and self._outlet.had_peers:
            return  # ZeroMQ would keep it for a receiver that has gone, and what is kept counts as not taken
        for _ in range(max(1, peers)):  # to each: they are taken in turn
            if not self._outlet.send(marks) and peers:
                self._send_later(marks)

    def _missing(self, outlet: Any) -> str:
        within = f"within {self._linger_s:g} s after the run"
        if not outlet.had_peers:
            return f"{self._given} items were not taken {within}: nobody was there to receive"
        near = f"up to {outlet.ahead} more for each receiver that lay in ZeroMQ's queue"
        if self._not_taken:
            return f"{self._not_taken} of {self._given} items were not taken {within}, nor {near}"
        return f"not all of {self._given} items were taken {within}: {near.replace('more ', '')} may be lost"
