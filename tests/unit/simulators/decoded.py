"""What the project's own decoders make of a simulator's packets."""

from collections.abc import Iterable
from typing import Any

from penstock.core import Message
from penstock.core.decoder import Decoder
from penstock.errors import RemoteProtocolError
from penstock.simulators.simulator import Packets

__all__ = ["UNSEEN", "decoded", "decoded_with_errors"]

UNSEEN = {"pandabox-unframed"}
"""Those in whose points a wrong bit is a wrong value, and no error."""


def decoded_with_errors(decoder: Decoder, frames: Iterable[Packets]) -> tuple[list[Message], list[str]]:
    """Feed everything as a source does; return the messages and what was refused."""
    messages: list[Message] = []
    errors: list[str] = []
    for parts in (parts for packets in frames for parts in packets):
        given: Any = parts
        while given is not None:
            try:
                messages.extend(decoder.feed(given, 0))
                given = None
            except RemoteProtocolError as error:
                errors.append(str(error))
                given = () if decoder.is_byte_stream else None
    messages.extend(decoder.finish())
    return messages, errors


def decoded(decoder: Decoder, frames: Iterable[Packets]) -> list[Message]:
    """Return the messages; nothing is refused."""
    messages, errors = decoded_with_errors(decoder, frames)
    assert not errors
    return messages
