"""The sources of rta-dp: data over ZeroMQ in one lane, opened by users' hooks, as pairs of priority and data.

What cannot be opened is counted and named, and the next is read.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal

from penstock.compat.rtadp.crew import Crew, Process, crew_of
from penstock.compat.rtadp.messages import EVERYBODY, Flow, Payload, payload_of
from penstock.elements.losses import Losses
from penstock.elements.sources.kafka import KafkaSource
from penstock.elements.zmq_item_source import ZmqItemSource, readable
from penstock.errors import RemoteProtocolError

__all__ = ["Data", "Queued", "Topic"]

Lane = Literal["high", "low"]
_PRIORITY: Final[Mapping[Lane, int]] = {"high": 1, "low": 0}
_HOOKS: Final[Mapping[Flow, str]] = {
    "string": "text cannot be read:",
    "binary": "decode_data raised",
    "filename": "open_file raised",
}
_CHUNK: Final = 256
_CHUNK_BYTES: Final = 4 << 20


class Data(ZmqItemSource):
    """Data that others push or publish.

    In a pipeline::

        sources:
          low:
            use: penstock.compat.rtadp:Data
            bind: "tcp://127.0.0.1:5555"
            process: {name: RTADP1, config: config.json, supervisor: "Supervisor1:Supervisor1"}
            lane: low
            flow: string

    Parameters
    ----------
    process
        Whose ``decode_data`` and ``open_file`` open them: ``name``, ``config``, and ``supervisor`` or ``uses``.
    lane
        ``high`` or ``low``.
    flow
        What comes: ``string``, ``binary``, which ``decode_data`` opens, or ``filename``, which ``open_file`` opens into
        as many items as it likes. A data message with a header says it itself.
    bind
        Address where data are pushed to.
    connect
        Address where they are published.
    open_to_network
        Whether ``bind`` may name an address that other machines can reach.

    Raises
    ------
    ValueError
        If there is not exactly one address, or it is not as it should be.
    """

    folder: str = "."

    def __init__(
        self,
        process: Mapping[str, Any],
        lane: Lane,
        flow: Flow,
        bind: str | None = None,
        connect: str | None = None,
        *,
        open_to_network: bool = False,
    ) -> None:
        if (bind is None) == (connect is None):
            raise ValueError(
                "data have one address; write bind where they are pushed, connect where they are published"
            )
        super().__init__(
            "sub" if bind is None else "pull",
            bind=bind,
            connect=connect,
            encoding="bytes",
            open_to_network=open_to_network,
        )
        self._process = process
        self._lane: Lane = lane
        self._flow: Flow = flow
        self._opener: _Opener | None = None

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Give lists of items; the socket is there from now on, so that what comes before anybody reads waits in it."""
        self.open()
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[list[Any]]:
        opener = _Opener(crew_of(Process.of(self._process, self.folder)), self._lane, self.losses)
        inlet = self._inlet
        try:
            while True:
                messages = inlet.receive(_CHUNK, _CHUNK_BYTES)
                if not messages:
                    await readable(inlet)
                elif items := await opener.items_of(_payloads(messages, self._flow, opener)):
                    yield items
                await asyncio.sleep(0)  # others in the loop have their turn, however much comes
        finally:
            self.close()


class Topic(KafkaSource):
    """Data in a Kafka topic, from when it is read on.

    Parameters
    ----------
    process, lane, flow
        As of ``Data``.
    brokers, topics
        As of the source ``kafka``.
    """

    folder: str = "."

    def __init__(self, process: Mapping[str, Any], lane: Lane, flow: Flow, brokers: str, topics: str) -> None:
        super().__init__(brokers, topics, encoding="bytes")
        self._process = process
        self._lane: Lane = lane
        self._flow: Flow = flow

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Give lists of items."""
        return self._opened(super().__aiter__())

    async def _opened(self, chunks: AsyncIterator[list[Any]]) -> AsyncIterator[list[Any]]:
        opener = _Opener(crew_of(Process.of(self._process, self.folder)), self._lane, self.losses)
        async for chunk in chunks:
            payloads = _payloads([[record] for record in chunk if record is not None], self._flow, opener)
            if items := await opener.items_of(payloads):
                yield items


class Queued:
    """Data that users' own receivers put into the queue of an analysis.

    Parameters
    ----------
    process
        Whose it is.
    manager
        The number of the analysis.
    lane
        ``high`` or ``low``.
    """

    folder: str = "."
    in_chunks: ClassVar[bool] = True

    def __init__(self, process: Mapping[str, Any], manager: int, lane: Lane) -> None:
        self._process = process
        self._manager = manager
        self._lane: Lane = lane
        self.losses = Losses(f"queue of manager {manager}, {lane}")

    def __aiter__(self) -> AsyncIterator[list[Any]]:
        """Give lists of what was put."""
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[list[Any]]:
        crew = crew_of(Process.of(self._process, self.folder))
        crew.muster()
        manager = next(each for each in crew.supervisor.manager_workers if each.manager_id == self._manager)
        queue = manager.high_priority_queue if self._lane == "high" else manager.low_priority_queue
        priority = _PRIORITY[self._lane]
        try:
            async for found in queue.chunks():
                yield [(priority, data) for data in found]
        finally:
            queue.close()
            if left := queue.qsize():
                self.losses.add("waited in the queue when the run ended", left)


class _Opener:
    """Opens what came by the hooks of a user's class, in a thread of its own if they are the user's."""

    def __init__(self, crew: Crew, lane: Lane, losses: Losses) -> None:
        supervisor = crew.supervisor
        self.name = supervisor.name
        self._supervisor = supervisor
        self._priority = _PRIORITY[lane]
        self.losses = losses
        self._own = {"binary": supervisor.has_own("decode_data"), "filename": supervisor.has_own("open_file")}

    async def items_of(self, payloads: Sequence[Payload]) -> list[Any]:
        """Return the items of payloads, as pairs with their priority."""
        if not any(self._own.get(payload.flow, False) for payload in payloads):
            return self._opened(payloads)
        # In a thread, so that a long file holds up neither the other lane nor what else is on this loop.
        opening = asyncio.ensure_future(asyncio.to_thread(self._opened, payloads))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self.losses.add("were being opened when the run was stopped", len(payloads))
            raise

    def _opened(self, payloads: Sequence[Payload]) -> list[Any]:
        items: list[Any] = []
        for payload in payloads:
            try:
                items += [(self._priority, data) for data in self._data_of(payload)]
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a hook is the user's; what it cannot open is counted
                text = f"{_HOOKS[payload.flow]} {type(error).__name__}: {error}"
                self.losses.add(text)
                self._supervisor.logger.error(f"{text}, of {payload.data[:200]!r}", extra=self.name)
                self._supervisor.send_alarm(2, text, self.name)
        return items

    def _data_of(self, payload: Payload) -> Sequence[Any]:
        if payload.flow == "string":
            return [payload.data.decode()]
        if payload.flow == "binary":
            return [self._supervisor.decode_data(payload.data)]
        found, size = self._supervisor.open_file(payload.data)
        return [found[index] for index in range(size)]


def _payloads(messages: Iterable[Sequence[bytes | memoryview]], flow: Flow, opener: _Opener) -> list[Payload]:
    """Return what messages hold that is meant for this process; the rest is counted."""
    found = []
    for parts in messages:
        try:
            payload = payload_of(parts, flow)
        except RemoteProtocolError as error:
            opener.losses.add(str(error))
            continue
        if payload.target in (opener.name, *EVERYBODY):
            found.append(payload)
        else:
            opener.losses.add(f"for {payload.target[:80]}, and not for {opener.name}")
    return found
