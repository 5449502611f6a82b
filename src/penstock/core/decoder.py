"""What every instrument protocol is to the rest: a pure decoder that turns received parts into messages."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import msgspec

from penstock.core.block import Block
from penstock.core.message import Message

__all__ = ["Decoder", "Traits", "declared_traits"]

Part = bytes | memoryview


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What an instrument says of its own messages, and so what can be detected."""

    number: str = ""
    """The field that numbers its messages, such as ``frame``; empty if it gives none, so that a loss cannot be seen."""
    first: int | None = None
    """The number of the first message of every scan; ``None`` if it is not always the same."""
    has_start: bool = True
    """Whether something is said before the data of a scan."""
    has_end: bool = True
    """Whether something is said after the data of a scan."""
    clock: str = ""
    """The field that dates its messages; empty if they are dated when they are received."""
    pickled: bool = False
    """Whether its bytes hold pickles, which are read by an allow-list."""
    socket: Literal["pull", "sub", "tcp", "http", ""] = ""
    """How it is received; the other side is a push or pub socket that binds, a TCP server, or for ``http`` one that
    posts to a server of ours."""


class Decoder(ABC):
    """Decode one instrument's bytes, without socket, clock, file or thread.

    One decoder serves one connection from its first byte on.
    """

    traits: ClassVar[Traits]
    is_byte_stream: ClassVar[bool] = False
    """True: parts are whatever pieces of a byte stream came; false: each call holds one whole packet."""

    gives_blocks: ClassVar[bool] = False
    """Whether `feed_blocks` gives blocks, for instruments whose messages come many at once."""

    heartbeats: int = 0
    """Packets so far that rightly carry nothing; they are accounted as filtered."""

    @abstractmethod
    def feed(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message]:
        """Decode what was received, in order of arrival, without copying arrays.

        Messages have ``id`` 0 and ``timestamp_ns`` ``received_ns`` where the instrument gives no time.

        Raises
        ------
        RemoteProtocolError
            If the packet breaks the protocol. It is then lost as a whole, messages before it are not,
            and the decoder reads on with the next. In a byte stream more may have come in the same piece: call again
            without parts to go on with it.
        """

    def feed_blocks(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message | Block]:
        """Decode as `feed` does, but give messages that came together as one block, as `unnumbered_block` makes it.

        What runs a pipeline calls this one, because a block of a thousand rows costs what a few messages do. Written
        out, message by message, it is what `feed` gives.
        """
        return self.feed(parts, received_ns)

    def greeting(self) -> bytes:
        """Return what must be sent when a connection is made."""
        return b""

    def finish(self) -> Iterator[Message]:
        """Decode what is left when the connection ends.

        Raises
        ------
        RemoteProtocolError
            If it ended in the middle of a message.
        """
        return iter(())


def declared_traits(owner: type, sockets: Sequence[str]) -> Traits:
    """Return the traits of the decoder that a class names, a mistake there being the author's of that class.

    Parameters
    ----------
    owner
        A source or a simulator, with its ``decoder``.
    sockets
        Those it can have; see `Traits.socket`.

    Raises
    ------
    TypeError
        If it names no class of a decoder, or one that does not say what its socket is.
    """
    decoder, name = vars(owner)["decoder"], owner.__name__
    if not (isinstance(decoder, type) and issubclass(decoder, Decoder)):
        raise TypeError(f"{name}.decoder is {_said(decoder)}; write decoder = the class of a Decoder")
    traits: object = getattr(decoder, "traits", None)
    wanted = " or ".join(f'"{socket}"' for socket in sockets)
    if not isinstance(traits, Traits):
        raise TypeError(f"{decoder.__name__} has no traits; write traits = Traits(socket=...), with {wanted}")
    if traits.socket not in sockets:
        raise TypeError(f'{decoder.__name__}.traits.socket is "{traits.socket}"; {name} needs {wanted}')
    return traits


def _said(what: object) -> str:
    return f"the class {what.__name__}" if isinstance(what, type) else f"a {type(what).__name__}"
