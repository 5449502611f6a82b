"""A source that reads a byte stream over TCP."""

import time
from typing import Any

from penstock.core.block_builder import MAX_NS
from penstock.elements.decoding import Decoding
from penstock.elements.instrument_source import InstrumentSource
from penstock.elements.source import Reading
from penstock.transport.address import host_and_port

__all__ = ["TcpSource"]


class TcpSource(InstrumentSource):
    """Decode what a TCP server sends. A subclass names its decoder. The stream ends when the server closes.

    Parameters
    ----------
    connect
        Address of the instrument, such as ``tcp://panda:8888``.
    connect_s
        How long it may take until the instrument is reached, in s; 0 waits for ever.

    Raises
    ------
    SourceError
        If the address cannot be one.
    """

    sockets = ("tcp",)

    def __init__(self, connect: str, *, connect_s: float = 30.0) -> None:
        host_and_port(connect)
        self.connect = connect
        self._connect_s = connect_s
        self._decoder = self.decoder()
        self._client: Any = None  # TcpClient, imported when it is opened

    @property
    def pollable(self) -> int | None:
        """A file descriptor."""
        return self._client.pollable if self._client is not None else None

    def open(self) -> None:
        """Begin to connect; see the base."""
        from penstock.transport.tcp import TcpClient

        self._client = TcpClient(self.connect, greeting=self._decoder.greeting(), connect_s=self._connect_s)
        self._client.open()

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def read(self, now_ns: int) -> Reading:
        """Take what lies ready; see the base."""
        if self._client is None:
            return Reading(ended=True)
        decoding = Decoding(self._decoder, self.builder)
        begun = time.monotonic_ns()
        passed = 0
        may_take_more = True
        while passed < MAX_NS and may_take_more:
            piece = self._client.receive()
            passed = time.monotonic_ns() - begun
            if piece is None:
                break
            if not piece:
                decoding.finish(now_ns + passed)
                return decoding.reading(ended=True)
            may_take_more = decoding.feed([piece], now_ns + passed)
        return decoding.reading()
