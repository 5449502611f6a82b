"""What every store of durable streams can do; a backend says how far it goes, and one suite tests it up to there.

Messages keep the ids they were given; in a stream each id is there once. What was appended is *written* as soon as
readers see it, and *synced* when it would survive a loss of power.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum, StrEnum
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import ALL_ROWS, Block, Rows, with_encodings
from penstock.core.encoding import Encoding
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress

__all__ = [
    "Encoding",
    "Level",
    "MetadataMode",
    "Store",
    "StoredBlock",
    "StreamInfo",
    "StreamReader",
    "StreamState",
    "StreamWriter",
    "Sync",
]

Sync = Literal["none", "interval", "always"]
"""When what was written is made to survive a loss of power: when the system likes; every 50 ms; before ``append``
returns. A killed process loses nothing in any of them."""
MetadataMode = Literal["replace", "update", "insert"]
"""Put in the place of what there is; merge into it, leaf by leaf; only where there is nothing yet."""


class Level(IntEnum):
    """How far a backend goes; each level has all of those below."""

    LOG = 1
    """Append, and read in the order of arrival."""
    INDEXED = 2
    """Find by id and by time; states, metadata, lists."""
    GROUPS = 3
    """Members that share a stream, with acknowledgement."""


class StreamState(StrEnum):
    """How a stream stands."""

    OPEN = "open"
    """More may come: somebody writes it, or nobody has yet."""
    FINISHED = "finished"
    """Its producer has said that this was all."""
    ABORTED = "aborted"
    """Its producer has given up, and said so."""
    STALLED = "stalled"
    """Not ended, and nobody writes it any more: its writer was killed, or has let go of it. It may be written on."""


class StoredBlock(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A block as it lies in a store."""

    block: Block
    """Its arrays are read-only views of the stored bytes, valid as long as somebody holds them. Its ids ascend. Its
    ``stream`` is that of the address."""
    encodings: tuple[Encoding | None, ...] = ()
    """For each column, what was said of its bytes when it was appended; ``None``, or nothing at the end: nothing. A
    column that a pipeline recorded says it itself."""
    position: int = 0
    """How many messages had arrived before its first, since the stream began."""

    def messages(self, rows: Rows = ALL_ROWS) -> Iterator[Message]:
        """Yield its messages, or those of some rows; arrays are views, or decoded when they are asked for."""
        return self.encoded_block.messages(rows)

    @property
    def encoded_block(self) -> Block:
        """The block whose columns say themselves what their bytes are, as a pipeline carries it."""
        return with_encodings(self.block, self.encodings)

    def take(self, rows: Rows) -> "StoredBlock":
        """Return some of its messages, sharing memory where ``rows`` is a slice; at least one if they are indices."""
        skipped = rows.indices(len(self.block))[0] if isinstance(rows, slice) else int(rows[0])
        return StoredBlock(block=self.block.take(rows), encodings=self.encodings, position=self.position + skipped)


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream is."""

    address: StreamAddress
    state: StreamState = StreamState.OPEN
    next_stream: str = ""
    """The stream that follows, as its producer said at the end."""
    reason: str = ""
    """Why it was aborted."""
    count: int = 0
    """Messages that can be read now."""
    removed: int = 0
    """Messages that retention has taken away; with ``count``, how many have arrived: the position of the next one."""
    first_id: int = 0
    """The smallest id that can be read; 0 for none."""
    last_id: int = 0
    """The largest id there ever was; 0 for none."""
    missing: int = 0
    """Ids between 1 and ``last_id`` that never came."""
    nbytes: int = 0
    """Of all that is stored."""
    created_ns: int = 0
    """When its first message was appended, UTC; of an empty stream when it was made."""
    last_ns: int = 0
    """When its latest message was appended; 0 for never."""


class StreamWriter(ABC):
    """The one writer of a stream; a context manager, which closes it without ending the stream."""

    @property
    @abstractmethod
    def last_id(self) -> int:
        """The largest id so far; 0 for none."""

    @property
    @abstractmethod
    def synced(self) -> int:
        """How many messages, in the order of arrival and since the stream began, survive a loss of power."""

    @property
    @abstractmethod
    def written(self) -> int:
        """How many messages readers can see, since the stream began."""

    @abstractmethod
    def append(self, block: Block, encodings: Sequence[Encoding | None] = ()) -> None:
        """Write messages; readers see all of them when it returns, or none.

        Parameters
        ----------
        block
            Its ids must ascend, from 1, and none may be there already. They need not follow each other, nor what was
            appended before. Nothing of it is kept.
        encodings
            For each column, what its bytes are; then the column holds ``uint8``.

        Raises
        ------
        StreamError
            If its ids are not as they must be.
        ConflictError
            If an id is there already; ``present`` tells which before.
        StateError
            If the stream has ended, or this was closed.
        StoreFullError
            If there is no room; nothing of it is written.
        ResultTypeError
            If something in it cannot be stored, or a column with an encoding is not of bytes.
        """

    @abstractmethod
    def present(self, ids: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """(n,), which of some ids are there already, also of messages that were removed."""

    @abstractmethod
    def sync(self) -> None:
        """Wait until all that was written survives a loss of power; where that ``can_sync``."""

    @abstractmethod
    def finish(self, next_stream: str = "") -> None:
        """Say that this was all; synced when it returns. Once more with the same: nothing.

        Raises
        ------
        ConflictError
            If the stream has ended otherwise.
        StateError
            If this was closed before it ended.
        """

    @abstractmethod
    def abort(self, reason: str) -> None:
        """Say that the rest will never come; as ``finish``."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the stream, which somebody else may write from now on; synced when it returns, unless ``none``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StreamReader(ABC):
    """One of any number of readers of a stream, which may not exist yet; a context manager.

    It is used by one thread at a time, but ``close`` may come from any, and ends a ``wait``.
    """

    @property
    @abstractmethod
    def info(self) -> StreamInfo:
        """How the stream is, as of now."""

    @property
    def arrived(self) -> tuple[int, int]:
        """How many messages have arrived, and how many of them were removed since, as of now; for who asks often."""
        info = self.info
        return info.count + info.removed, info.removed

    @abstractmethod
    def blocks(self, position: int = 0) -> Iterator[StoredBlock]:
        """Yield what is there now, in the order of arrival, block by block.

        Parameters
        ----------
        position
            From the message of this position on: how many had arrived before it since the stream began. Of what was
            removed, nothing is yielded.

        Raises
        ------
        IntegrityError
            At a block whose bytes are not what was written; those behind it can be had from position ``after`` on.
        """

    @abstractmethod
    def get(self, first_id: int, last_id: int | None = None) -> Iterator[StoredBlock]:
        """Yield the messages of some ids that are there, ids ascending; only ``first_id`` if there is no last.

        Raises
        ------
        IntegrityError
            As ``blocks`` does.
        """

    @abstractmethod
    def ids(self, first_id: int = 1, limit: int = 1 << 20) -> NDArray[np.uint64]:
        """(n,), the ids that are there, ascending, from ``first_id`` on."""

    @abstractmethod
    def between(self, first_ns: int, last_ns: int) -> Iterator[StoredBlock]:
        """Yield the messages whose timestamps lie in ``[first_ns, last_ns]``, in the order of arrival."""

    @abstractmethod
    def wait(self, position: int, timeout_s: float | None = None) -> bool:
        """Wait until more than ``position`` messages have arrived, or the stream has ended; return whether that is so.

        Nobody looks again and again meanwhile: the writer wakes who waits.

        Raises
        ------
        StateError
            If this was closed.
        """

    @abstractmethod
    def fileno(self) -> int:
        """Return a descriptor that can be read when something has changed; ``wait`` with 0 s makes it quiet again."""

    @abstractmethod
    def close(self) -> None:
        """Let go; arrays that somebody holds stay valid."""

    def message(self, message_id: int) -> Message | None:
        """Return one message, or ``None`` if it is not there."""
        found = next(self.get(message_id), None)
        return None if found is None else next(found.messages())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Store(ABC):
    """Durable streams by address; a context manager. May be used from several threads."""

    level: ClassVar[Level]
    can_sync: ClassVar[bool] = True
    """Whether anything in it can survive a loss of power; if not, ``synced`` stays 0 and ``sync`` returns at once."""

    @abstractmethod
    def write(self, address: StreamAddress, *, sync: Sync = "interval") -> StreamWriter:
        """Write a stream, a new one or on behind what there is.

        Raises
        ------
        ConflictError
            If somebody writes it; the text says who.
        StateError
            If it has ended.
        StoreFullError
            If there is no room for it.
        StreamError
            If the address is that of a source or beamtime.
        """

    @abstractmethod
    def read(self, address: StreamAddress) -> StreamReader:
        """Read a stream; one that is not there yet may come.

        Raises
        ------
        StreamError
            If the address is that of a source or beamtime.
        """

    @abstractmethod
    def streams(self, within: StreamAddress | None = None) -> Sequence[StreamInfo]:
        """List streams, those first that were created first; all, or those of a beamtime or source."""

    @abstractmethod
    def delete(self, address: StreamAddress) -> bool:
        """Remove exactly this stream, its groups and its metadata; return whether it was there.

        Raises
        ------
        ConflictError
            If somebody writes it.
        StreamError
            If the address is that of a source or beamtime.
        """

    @abstractmethod
    def metadata(self, address: StreamAddress) -> Mapping[str, Any] | None:
        """Return what was said of a beamtime, source or stream; ``None`` if nothing was."""

    @abstractmethod
    def set_metadata(
        self, address: StreamAddress, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        """Say something of a beamtime, source or stream, which need not be there.

        Parameters
        ----------
        value
            What JSON can hold.
        mode
            ``update`` changes only the leaves that are named.
        upsert
            Whether ``replace`` and ``update`` may make what is not there.

        Raises
        ------
        ConflictError
            If ``insert`` finds something.
        StreamError
            If there is nothing and ``upsert`` is false, or JSON cannot hold it.
        """

    def check_is_there(self) -> None:  # noqa: B027  # most stores are there once they are open
        """Make sure that there is something to read from, now; what is open is, unless it says otherwise.

        Raises
        ------
        StreamError
            If nobody has made the store yet; until then every stream in it is one that is not there.
        """

    def make(self) -> None:  # noqa: B027  # likewise
        """Make the store if it is not there, as ``write`` and all else that changes something does by itself."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything."""

    def info(self, address: StreamAddress) -> StreamInfo:
        """Return how a stream is; one that is not there is open and empty."""
        with self.read(address) as reader:
            return reader.info

    def last_stream(self, source: StreamAddress) -> StreamInfo | None:
        """Return the stream of a source that was created last."""
        return next(reversed(self.streams(source)), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
