"""Items of an MQTT broker."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar, Final, Literal

from penstock.elements.losses import Losses
from penstock.elements.mqtt_connection import MqttConnection, check_broker
from penstock.elements.network_address import listed_addresses
from penstock.errors import RemoteProtocolError, SourceError
from penstock.extra import extra
from penstock.wire.item_encodings import reader

with extra("run"):
    from annotated_types import Ge, Le

__all__ = ["MqttSource"]

_AHEAD: Final = 2000
_AHEAD_BYTES: Final = 64 << 20
_CHUNK: Final = 1000


class MqttSource:
    """Receive what is published on topics of an MQTT broker; it is acknowledged when the pipeline has taken it.

    In a pipeline::

        sources:
          plant: {use: mqtt, host: broker.example, topics: ["plant/+/temperature"], with_topic: true}

    It gives lists of items, as many as lay ready. If the broker goes, it is waited for.

    >>> import asyncio
    >>> async def received(source):
    ...     return [item async for chunk in source for item in chunk]
    >>> asyncio.run(received(MqttSource("127.0.0.1", "plant/#", port=9, connect_s=0.1)))
    Traceback (most recent call last):
    ...
    penstock.errors.SourceError: mqtt://127.0.0.1:9 was not reached within 0.1 s; see whether the broker is on, or give
    it longer with connect_s

    Parameters
    ----------
    host
        Of the broker.
    topics
        A text or a list; ``+`` stands for one level, ``#`` for all that follow.
    port
        0: 1883, or 8883 with ``tls``.
    encoding
        How items are written: ``json``, ``text`` or ``bytes``. What is not so is counted.
    qos
        0: what is lost on the way is lost; 1: the broker sends until it is acknowledged; 2: and it comes once.
    with_topic
        Whether an item is a pair of its topic and what was published.
    tls
        Whether the connection is encrypted.
    user, password_env
        Whom the broker knows, and the variable of the environment that holds the password.
    client_id
        By which the broker knows this source; with it, the broker keeps what comes while the source is away.
    connect_s
        How long it may take at the start until the broker is reached; 0 waits for ever.

    Raises
    ------
    ValueError
        If there can be no such broker or topic, or a number is out of bounds.
    """

    in_chunks: ClassVar[bool] = True

    def __init__(
        self,
        host: str,
        topics: str | list[str],
        port: int = 0,
        encoding: Literal["json", "text", "bytes"] = "json",
        qos: Annotated[int, Ge(0), Le(2)] = 1,
        *,
        with_topic: bool = False,
        tls: bool = False,
        user: str = "",
        password_env: str = "",
        client_id: str = "",
        connect_s: Annotated[float, Ge(0)] = 30.0,
    ) -> None:
        check_broker(host, port, user, password_env)
        self._topics = listed_addresses(topics)
        if not self._topics or not all(self._topics):
            raise ValueError('no topic; write topics: "plant/#"')
        if qos not in (0, 1, 2):
            raise ValueError(f"qos is {qos}; it must be 0, 1 or 2")
        if encoding not in ("json", "text", "bytes"):
            raise ValueError(f'encoding is {encoding!r}; it must be "json", "text" or "bytes"')
        if connect_s < 0:
            raise ValueError(f"connect_s is {connect_s}; it must be 0 or more")
        self._read = reader(encoding)
        self._qos, self._with_topic, self._connect_s = qos, with_topic, connect_s
        self._connection = MqttConnection(
            host, port, tls=tls, user=user, password_env=password_env, client_id=client_id, error=SourceError
        )
        self.losses = Losses(f"mqtt {self._connection.address}")
        """Messages that were no items."""
        self.is_listening = False
        """Whether the broker has agreed to send what is published from now on."""
        self._came = _Arrivals()

    def close(self) -> None:
        """Take leave of the broker; may be called twice."""
        self._came.end()
        self._connection.close()

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Connect, and give lists of items as they come."""
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[list[Any]]:
        self._came.begin(asyncio.get_running_loop())
        try:
            self._connection.open(on_up=self._subscribe, on_message=lambda _, __, message: self._came.put(message))
            await self._reached()
            while True:
                messages = await self._came.take(_CHUNK)
                self._raise_refusal()
                if items := self._items_of(messages):
                    yield items
                for message in messages:  # whoever asks for more has taken what there was
                    if message.qos and self._connection.client is not None:
                        self._connection.client.ack(message.mid, message.qos)
                await asyncio.sleep(0)
        finally:
            self.close()

    async def _reached(self) -> None:
        # In a thread, because the library tells of it in one of its own.
        if not await asyncio.to_thread(self._connection.wait, self._connect_s or threading.TIMEOUT_MAX):
            raise SourceError(
                f"{self._connection.address} was not reached within {self._connect_s:g} s; "
                "see whether the broker is on, or give it longer with connect_s"
            )

    def _subscribe(self) -> None:
        client = self._connection.client

        def subscribed(_client: Any, _data: Any, _mid: Any, codes: Any, _properties: Any) -> None:
            self.is_listening = not any(code.is_failure for code in codes)
            if not self.is_listening:
                self._connection.refuse(f"it gives nothing of {', '.join(self._topics)}")
                self._came.wake()

        if client is not None:
            client.on_subscribe = subscribed
            client.subscribe([(topic, self._qos) for topic in self._topics])

    def _raise_refusal(self) -> None:
        self._connection.wait(0)

    def _items_of(self, messages: list[Any]) -> list[Any]:
        items: list[Any] = []
        for message in messages:
            try:
                item = self._read([message.payload]).item
            except RemoteProtocolError as error:
                self.losses.add(f"{message.topic}: {error}")
                continue
            items.append((message.topic, item) if self._with_topic else item)
        return items


class _Arrivals:
    """Messages between the thread of the library and the loop; when too many wait, the library's thread does."""

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._messages: deque[Any] = deque()
        self._nbytes = 0
        self._has_ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._some: asyncio.Event | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._some, self._has_ended = loop, asyncio.Event(), False

    def end(self) -> None:
        with self._state:
            self._has_ended = True
            self._state.notify_all()

    def put(self, message: Any) -> None:
        """Take a message; in the thread of the library."""
        with self._state:
            self._state.wait_for(self._has_room)
            if self._has_ended:
                return
            self._messages.append(message)
            self._nbytes += len(message.payload)
            is_first = len(self._messages) == 1
        if is_first:
            self.wake()

    def wake(self) -> None:
        """Let who takes look again; from any thread."""
        if self._loop is not None and self._some is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._some.set)

    async def take(self, most: int) -> list[Any]:
        """Return messages; none if there is something else to look at."""
        assert self._some is not None
        if not self._messages:
            await self._some.wait()
        self._some.clear()
        with self._state:
            found = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
            self._nbytes -= sum(len(message.payload) for message in found)
            self._state.notify_all()
        return found

    def _has_room(self) -> bool:
        return self._has_ended or (len(self._messages) < _AHEAD and self._nbytes < _AHEAD_BYTES)
