"""Decoding in sources: packets in, a reading out, whatever the packets hold."""

from collections.abc import Sequence

from penstock.core.block_builder import MAX_BYTES, MAX_MESSAGES, BlockBuilder
from penstock.core.decoder import Decoder
from penstock.elements.source import Reading
from penstock.errors import RemoteProtocolError

__all__ = ["Decoding"]


class Decoding:
    """One reading under way: feeds a decoder, builds blocks, and collects what was lost.

    It is full when it has taken as much as one reading may.
    """

    __slots__ = ("_builder", "_decoder", "_heartbeats", "_left_bytes", "_left_messages", "_lost")

    def __init__(self, decoder: Decoder, builder: BlockBuilder) -> None:
        self._decoder = decoder
        self._builder = builder
        self._heartbeats = decoder.heartbeats
        self._lost: list[str] = []
        self._left_bytes = MAX_BYTES
        self._left_messages = MAX_MESSAGES

    @property
    def is_full(self) -> bool:
        """Whether the reading has taken all it may."""
        return self._left_messages <= 0 or self._left_bytes <= 0

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> None:
        """Decode one packet, or one piece of a byte stream."""
        self._left_messages -= 1
        add = self._builder.add
        while True:
            try:
                for message in self._decoder.feed(parts, received_ns):
                    self._left_bytes -= add(message, received_ns)
            except RemoteProtocolError as error:
                self._lost.append(str(error))
                if self._decoder.is_byte_stream:
                    parts = ()  # more may have come behind the bad piece
                    continue
            return

    def finish(self, received_ns: int) -> None:
        """Decode what is left at the end of the connection."""
        try:
            self._builder.add_all(self._decoder.finish(), received_ns)
        except RemoteProtocolError as error:
            self._lost.append(str(error))

    def lose(self, text: str) -> None:
        """Note something that was lost before it could be decoded."""
        self._lost.append(text)

    def reading(self, *, ended: bool = False) -> Reading:
        """Return what there is; the open block is closed, because nobody knows when more will come."""
        return Reading(
            blocks=self._builder.close(),
            unparsable=self._lost,
            filtered=self._decoder.heartbeats - self._heartbeats,
            ended=ended,
        )
