# mypy: ignore-errors
"""An ingester as users of dranspose write it: what the box sends, and a temperature that is read with each of it."""

import json
from collections.abc import AsyncGenerator, Iterator

import zmq
from dranspose.event import StreamData
from dranspose.ingester import IsSoftwareTriggered
from dranspose.ingesters.tcp_positioncap import TcpPcapIngester
from dranspose.protocol import StreamName


class TemperedPcapIngester(TcpPcapIngester):
    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        assert self._pcap_settings.upstream_url.host == "127.0.0.1"

    async def run_source(self, stream: StreamName) -> AsyncGenerator[StreamData | IsSoftwareTriggered, None]:
        if stream == "temperature":
            while True:
                yield IsSoftwareTriggered()
        async for streamdata in super().run_source(stream):
            yield streamdata

    def software_trigger(self) -> Iterator[dict[StreamName, StreamData]]:
        reading = 0
        while True:
            self._logger.debug("reading %d", reading)
            frame = zmq.Frame(json.dumps({"reading": reading}).encode())
            yield {StreamName("temperature"): StreamData(typ="JSON", frames=[frame])}
            reading += 1
