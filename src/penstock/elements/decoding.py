"""Decoding in sources: packets in, a reading out, whatever the packets hold."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.core.block import Block
from penstock.core.block_builder import MAX_BYTES, MAX_MESSAGES, BlockBuilder
from penstock.core.decoder import Decoder
from penstock.core.message import Message
from penstock.elements.decoder_mistake import decoder_mistake
from penstock.elements.source import Reading
from penstock.errors import RemoteProtocolError, UserCodeError

__all__ = ["Decoding"]


class Decoding:
    """One reading under way: feeds a decoder, builds blocks, and collects what was lost."""

    __slots__ = ("_add", "_builder", "_decoder", "_feed", "_heartbeats", "_left_bytes", "_left_messages", "_lost")

    def __init__(self, decoder: Decoder, builder: BlockBuilder) -> None:
        self._decoder = decoder
        self._builder = builder
        self._feed: Callable[..., Iterator[Any]] = decoder.feed_blocks if decoder.gives_blocks else decoder.feed
        self._add: Callable[[Any, int], int] = builder.add_either if decoder.gives_blocks else builder.add
        self._heartbeats = decoder.heartbeats
        self._lost: list[str] = []
        self._left_bytes = MAX_BYTES
        self._left_messages = MAX_MESSAGES

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> bool:
        """Decode one packet, or one piece of a byte stream; return whether the reading may take more.

        Raises
        ------
        UserCodeError
            If the decoder raises anything but `RemoteProtocolError`, or gives what is no message.
        """
        self._left_messages -= 1
        message: Message | Block | None = None
        while True:
            try:
                for message in self._feed(parts, received_ns):
                    self._left_bytes -= self._add(message, received_ns)
            except RemoteProtocolError as error:
                self._lost.append(str(error))
                if self._decoder.is_byte_stream:
                    parts = ()  # more may have come behind the bad piece
                    continue
            except Exception as error:  # a decoder may be user code
                raise self._mistake(message, error) from error
            return self._left_bytes > 0 and self._left_messages > 0

    def finish(self, received_ns: int) -> None:
        """Decode what is left at the end of the connection."""
        try:
            for message in self._decoder.finish():
                self._add(message, received_ns)
        except RemoteProtocolError as error:
            self._lost.append(str(error))
        except Exception as error:
            raise self._mistake(None, error) from error

    def lose(self, text: str) -> None:
        """Note something that was lost before it could be decoded."""
        self._lost.append(text)

    def reading(self, *, ended: bool = False) -> Reading:
        """Return what there is; the open block is closed, because nobody knows when more will come."""
        try:
            blocks = self._builder.close()
        except Exception as error:  # a message that is none is noticed when its block is made
            raise self._mistake(None, error) from error
        return Reading(
            blocks=blocks,
            unparsable=self._lost,
            filtered=self._decoder.heartbeats - self._heartbeats,
            ended=ended,
        )

    def _mistake(self, given: object, error: Exception) -> UserCodeError:
        stream = self._builder.stream
        return UserCodeError(f"source {stream}: {decoder_mistake(self._decoder, given, error)}", stage=stream)
