"""What the ingesters of instruments have in common: packets are read by our decoders, and given from start to end."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, ClassVar

from penstock.compat.dranspose.events import TYP
from penstock.compat.dranspose.raw_decoders import RawDecoder
from penstock.compat.dranspose.served.event import StreamData, frame_of
from penstock.compat.dranspose.served.ingester import Ingester, IngesterSettings, IsSoftwareTriggered
from penstock.compat.dranspose.served.protocol import StreamName
from penstock.core.message import Kind
from penstock.errors import RemoteProtocolError
from penstock.extra import extra

with extra("run"):
    import zmq
    from pydantic import AnyUrl

__all__ = ["TcpIngester", "UpstreamSettings", "ZmqIngester"]

CONNECT_S = 30.0
"""For how long it is tried to connect."""
AGAIN_S = 0.2
MOST_BYTES = 1 << 16


class UpstreamSettings(IngesterSettings):
    """What an ingester of an instrument is made with."""

    upstream_url: AnyUrl


class _Received(Ingester):
    decoder: ClassVar[type[RawDecoder]]
    settings_name: ClassVar[str]
    """What dranspose's class calls its settings, which subclasses may read."""

    def __init__(self, settings: UpstreamSettings | None = None) -> None:
        made = UpstreamSettings.model_validate({}) if settings is None else settings
        setattr(self, self.settings_name, made)
        self.upstream = made.upstream_url
        super().__init__(settings=made)

    def decoded(self, decoder: RawDecoder, parts: Sequence[bytes | memoryview]) -> Iterator[tuple[StreamData, bool]]:
        """Yield what is whole by now, and whether it was the end; what cannot be read is logged."""
        try:
            for message in decoder.feed(parts, time.time_ns()):
                frames = [frame_of(buffer) for buffer in message.buffers]
                yield StreamData(typ=message.metadata[TYP], frames=frames), message.kind is Kind.END
        except RemoteProtocolError as error:
            self._logger.error("%s: %s", self.state.name, error)


class ZmqIngester(_Received):
    """Reads what a socket of ZeroMQ receives."""

    in_socket: Any = None

    async def run_source(self, stream: StreamName) -> AsyncGenerator[StreamData | IsSoftwareTriggered, None]:
        """Give packets from the start to the end; see the base."""
        del stream
        decoder = self.decoder()
        is_pull = decoder.traits.socket == "pull"
        self.in_socket = self.ctx.socket(zmq.PULL if is_pull else zmq.SUB)
        if not is_pull:
            self.in_socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.in_socket.connect(str(self.upstream))
        while True:
            parts = await self.in_socket.recv_multipart(copy=False)
            for data, is_end in self.decoded(decoder, [part.buffer for part in parts]):
                yield data
                if is_end:
                    return

    async def stop_source(self, stream: StreamName) -> None:
        """Close the socket."""
        del stream
        if self.in_socket is not None:
            self.in_socket.close(linger=0)
            self.in_socket = None


class TcpIngester(_Received):
    """Reads what a connection of TCP brings."""

    writer: asyncio.StreamWriter | None = None

    async def run_source(self, stream: StreamName) -> AsyncGenerator[StreamData | IsSoftwareTriggered, None]:
        """Give packets until the other side closes; see the base."""
        del stream
        decoder: Any = self.decoder()
        reader = await self._connected()
        assert self.writer is not None
        self.writer.write(decoder.greeting())
        while found := await reader.read(MOST_BYTES):
            for data, _ in self.decoded(decoder, [found]):
                yield data

    async def stop_source(self, stream: StreamName) -> None:
        """Close the connection."""
        del stream
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    async def _connected(self) -> asyncio.StreamReader:
        host, port = self.upstream.host or "localhost", self.upstream.port
        deadline = time.monotonic() + CONNECT_S
        while True:
            try:
                reader, self.writer = await asyncio.open_connection(host, port)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(AGAIN_S)
            else:
                return reader
