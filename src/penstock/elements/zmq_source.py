"""A source that receives over ZeroMQ: what STINS, Xspress3 and Contrast have in common."""

import time
from typing import Any, Literal

from penstock.core.block_builder import MAX_NS
from penstock.elements.decoding import Decoding
from penstock.elements.instrument_source import InstrumentSource
from penstock.elements.source import Reading
from penstock.transport.address import check_address

__all__ = ["ZmqSource"]


class ZmqSource(InstrumentSource):
    """Decode what a PULL or SUB socket receives. A subclass names its decoder, whose traits say which of them it is.

    Parameters
    ----------
    connect
        Address of the instrument, such as ``tcp://detector:5556``.
    connect_s
        How long it may take until the instrument is reached for the first time, in s; 0 waits for ever.
    ahead_MB
        How much may lie unread in this machine's memory, in MB. A detector that pushes is held back then; one that
        publishes loses messages.

    Raises
    ------
    SourceError
        If the address cannot be one.
    """

    sockets = ("pull", "sub")

    def __init__(self, connect: str, *, connect_s: float = 30.0, ahead_MB: float = 256.0) -> None:
        self.connect = check_address(connect)
        self._connect_s = connect_s
        self._ahead_bytes = int(ahead_MB * 1e6)
        self._decoder = self.decoder()
        self._receiver: Any = None  # ZmqReceiver, imported when it is opened

    @property
    def pollable(self) -> Any:
        """The socket."""
        return self._receiver.socket if self._receiver is not None else None

    def open(self) -> None:
        """Begin to connect; see the base."""
        from penstock.transport.zmq import ZmqReceiver

        kind: Literal["pull", "sub"] = "pull" if self._decoder.traits.socket == "pull" else "sub"
        self._receiver = ZmqReceiver(kind, self.connect, connect_s=self._connect_s, ahead_bytes=self._ahead_bytes)
        self._receiver.open()

    def close(self) -> None:
        """Close the socket."""
        if self._receiver is not None:
            self._receiver.close()
        self._receiver = None

    def read(self, now_ns: int) -> Reading:
        """Take what lies ready; see the base."""
        if self._receiver is None:
            return Reading()
        decoding = Decoding(self._decoder, self.builder)
        receive, feed, clock = self._receiver.receive, decoding.feed, time.monotonic_ns
        ahead_ns = now_ns - clock()
        until_ns = now_ns + MAX_NS
        while (parts := receive()) is not None:
            now_ns = ahead_ns + clock()
            if not feed(parts, now_ns) or now_ns >= until_ns:
                break
        return decoding.reading()
