"""The door to durable streams: a store that was opened, with its producers and consumers.

``open_store`` is for plain callers, ``open_async_store`` for coroutines, by the same names. Stores themselves are below
``store.py``'s interface and know nothing of this.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike, fspath
from types import TracebackType
from typing import Any, Self

from penstock.core.group_record import Order
from penstock.core.retention import Retention
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.consumer import AsyncConsumer, Consumer
from penstock.streams.dataset_consumer import AsyncDatasetConsumer, DatasetConsumer
from penstock.streams.file_exposer import FileExposer
from penstock.streams.group_consumer import AsyncGroupConsumer, GroupConsumer
from penstock.streams.kept_retention import pin_group, retention_of, set_retention
from penstock.streams.membership import GroupStore, Membership
from penstock.streams.memory_store import MemoryStore
from penstock.streams.producer import MOST_OPEN, MOST_OPEN_BYTES, AsyncProducer, Producer
from penstock.streams.reading import EARLIEST_NS, LATEST_NS, Time
from penstock.streams.sending import SentLevel
from penstock.streams.store import MetadataMode, Store, StreamInfo, StreamState, Sync
from penstock.streams.store_at import store_at
from penstock.streams.stream_list import StreamFilter, delete_stream, list_streams, states_of, stream_info

__all__ = ["AsyncOpenStore", "OpenStore", "open_async_store", "open_store"]

Where = str | PathLike[str] | Store
Address = str | StreamAddress
"""As text or as value: ``beamtime/source/stream``, with ``%2F`` for a ``/`` within a name."""


def open_store(where: Where, *, make: bool = False) -> "OpenStore":
    """Open a store of durable streams.

    Parameters
    ----------
    where
        A folder; ``tcp://HOST:PORT`` of a server; ``memory:`` for a store that lasts as long as the object; or a
        ``Store``, which is closed with what this returns.
    make
        Whether to make the store if the folder holds none, though its parent must be there. Else the first producer
        makes it, and who reads before that gets an error: a mistyped name would be waited for in vain.

    Raises
    ------
    StreamError
        If there is something else in the folder.
    ServiceError
        If the server cannot be reached, or does not take this client.
    """
    return OpenStore(_store(where, make=make))


def open_async_store(where: Where, *, make: bool = False) -> "AsyncOpenStore":
    """Open a store of durable streams for coroutines; as ``open_store``."""
    return AsyncOpenStore(_store(where, make=make))


class OpenStore:
    """Durable streams by address; a context manager. May be used from several threads.

    As long as nobody has made the store, all that reads raises ``StreamError``, which says how it is made.

    Examples
    --------
    >>> with open_store("memory:") as store:
    ...     with store.producer("c2026/eiger") as out:
    ...         receipt = out.send(b"first", stream="run 7")
    ...         out.finish(stream="run 7")
    ...     [bytes(message.array) for message in store.consumer("c2026/eiger/run 7").follow()]
    [b'first']
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        """What it is below."""

    def producer(
        self,
        address: Address,
        *,
        sync: Sync = "interval",
        level: SentLevel = "written",
        most_open: int = MOST_OPEN,
        most_open_bytes: int = MOST_OPEN_BYTES,
        exposer: FileExposer | None = None,
    ) -> Producer:
        """Return a producer for the streams of a source; as ``Producer``."""
        return Producer(
            _made(self.store),
            _address(address),
            sync=sync,
            level=level,
            most_open=most_open,
            most_open_bytes=most_open_bytes,
            exposer=exposer,
        )

    def consumer(self, address: Address) -> Consumer:
        """Return a consumer of the messages of a stream, which may not exist yet."""
        return Consumer(_there(self.store), _address(address))

    def datasets(self, address: Address, *, parts: int | None = None) -> DatasetConsumer:
        """Return a consumer of the datasets of a stream, which may not exist yet; as ``DatasetConsumer``."""
        return DatasetConsumer(_there(self.store), _address(address), parts=parts)

    def group(
        self,
        address: Address,
        name: str,
        *,
        prefetch: int = 256,
        member: str = "",
        lease_s: float = 30,
        attempts: int = 0,
        order: Order = "arrival",
        gap_wait_s: float = 0,
        flush_s: float = 0.01,
        survives_power_loss: bool = False,
        pin: bool = False,
    ) -> GroupConsumer:
        """Become a member of a group that shares the messages of a stream.

        Parameters
        ----------
        name
            Of the group, which is made if it is not there; it begins with the first message.
        prefetch
            How many messages to get at once. All of them come again if this is killed; with 1 at most one.
        member, lease_s, attempts, order, gap_wait_s, flush_s, survives_power_loss
            As ``GroupStore.group`` takes them.
        pin
            Whether retention must keep what the group has not acknowledged, from now on until ``pin_group`` says
            otherwise or the group is deleted.

        Raises
        ------
        ConflictError
            If the members of the group asked for something else.
        StreamError
            If the store has no groups, or something makes no sense.
        """
        store, where = _with_groups(_there(self.store)), _address(address)
        become = partial(
            store.group,
            where,
            name,
            member=member,
            lease_s=lease_s,
            attempts=attempts,
            order=order,
            gap_wait_s=gap_wait_s,
            flush_s=flush_s,
            survives_power_loss=survives_power_loss,
        )
        return GroupConsumer(store, where, _pinning(store, where, name, become) if pin else become, prefetch)

    def pin_group(self, address: Address, name: str, *, is_pinned: bool = True) -> None:
        """Let retention remove nothing of a stream that a group has not acknowledged; or let it again.

        A group that is not there yet has acknowledged nothing.

        Raises
        ------
        StreamError
            If the address is not that of a stream.
        """
        pin_group(self.store, _address(address), name, is_pinned=is_pinned)

    def retention(self, address: Address) -> Retention | None:
        """Return what was said of the retention of exactly this stream or source; ``None`` if nothing was."""
        return retention_of(self.store, _address(address))

    def set_retention(self, address: Address, retention: Retention | None) -> None:
        """Say what of a stream, or of each stream of a source, is to be kept; ``None``: nothing is said any more.

        What is said of a stream takes the place of what is said of its source.

        Raises
        ------
        StreamError
            If the address is that of a beamtime.
        """
        set_retention(self.store, _address(address), retention)

    def streams(
        self,
        within: Address | None = None,
        *,
        states: str | Iterable[str] = tuple(StreamState),
        created_after: Time = EARLIEST_NS,
        created_before: Time = LATEST_NS,
        pattern: str = "*",
        from_stream: str = "",
    ) -> Sequence[StreamInfo]:
        """List streams, those first that were created first.

        Parameters
        ----------
        within
            Only those of a beamtime or source.
        states
            Only those that stand so: ``open``, ``finished``, ``aborted``, ``stalled``.
        created_after, created_before
            Only those whose first message came in this time, both included.
        pattern
            Only those whose names match, as file names do: ``run *``.
        from_stream
            Only this one and those that were created later; none if it is not there.

        Raises
        ------
        StreamError
            If there is no such state.
        """
        wanted = StreamFilter(
            states=states_of(states), created_after=created_after, created_before=created_before, pattern=pattern
        )
        found = list_streams(_there(self.store), None if within is None else _address(within))
        if from_stream:
            names = [info.address.stream for info in found]
            found = found[names.index(from_stream) :] if from_stream in names else []
        return [info for info in found if wanted.fits(info)]

    def last_stream(self, source: Address) -> StreamInfo | None:
        """Return the stream of a source that was created last."""
        return next(reversed(self.streams(source)), None)

    def info(self, address: Address) -> StreamInfo:
        """Return how a stream is, of messages or datasets; of one that is not there, all is 0."""
        return stream_info(_there(self.store), _address(address))

    def delete(self, address: Address) -> bool:
        """Remove exactly this stream, its groups and its metadata; return whether it was there.

        Raises
        ------
        ConflictError
            If somebody writes it.
        """
        return delete_stream(_there(self.store), _address(address))

    def metadata(self, address: Address) -> Mapping[str, Any] | None:
        """Return what was said of a beamtime, source or stream; ``None`` if nothing was."""
        return _there(self.store).metadata(_address(address))

    def set_metadata(
        self, address: Address, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        """Say something of a beamtime, source or stream; as ``Store.set_metadata``."""
        self.store.set_metadata(_address(address), value, mode, upsert=upsert)

    def close(self) -> None:
        """Let go of everything; close producers before, so that what they sent is stored."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncOpenStore:
    """As ``OpenStore``, for coroutines: the same names; what may take time is awaited, and done in a thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        """What it is below."""
        self._plain = OpenStore(store)

    def producer(
        self,
        address: Address,
        *,
        sync: Sync = "interval",
        level: SentLevel = "written",
        most_open: int = MOST_OPEN,
        most_open_bytes: int = MOST_OPEN_BYTES,
        exposer: FileExposer | None = None,
    ) -> AsyncProducer:
        """As ``OpenStore.producer``."""
        return AsyncProducer(
            _made(self.store),
            _address(address),
            sync=sync,
            level=level,
            most_open=most_open,
            most_open_bytes=most_open_bytes,
            exposer=exposer,
        )

    def consumer(self, address: Address) -> AsyncConsumer:
        """As ``OpenStore.consumer``."""
        return AsyncConsumer(_there(self.store), _address(address))

    def datasets(self, address: Address, *, parts: int | None = None) -> AsyncDatasetConsumer:
        """As ``OpenStore.datasets``."""
        return AsyncDatasetConsumer(_there(self.store), _address(address), parts=parts)

    def group(
        self,
        address: Address,
        name: str,
        *,
        prefetch: int = 256,
        member: str = "",
        lease_s: float = 30,
        attempts: int = 0,
        order: Order = "arrival",
        gap_wait_s: float = 0,
        flush_s: float = 0.01,
        survives_power_loss: bool = False,
        pin: bool = False,
    ) -> AsyncGroupConsumer:
        """As ``OpenStore.group``."""
        store, where = _with_groups(_there(self.store)), _address(address)
        become = partial(
            store.group,
            where,
            name,
            member=member,
            lease_s=lease_s,
            attempts=attempts,
            order=order,
            gap_wait_s=gap_wait_s,
            flush_s=flush_s,
            survives_power_loss=survives_power_loss,
        )
        return AsyncGroupConsumer(store, where, _pinning(store, where, name, become) if pin else become, prefetch)

    async def pin_group(self, address: Address, name: str, *, is_pinned: bool = True) -> None:
        """As ``OpenStore.pin_group``."""
        await asyncio.to_thread(self._plain.pin_group, address, name, is_pinned=is_pinned)

    async def retention(self, address: Address) -> Retention | None:
        """As ``OpenStore.retention``."""
        return await asyncio.to_thread(self._plain.retention, address)

    async def set_retention(self, address: Address, retention: Retention | None) -> None:
        """As ``OpenStore.set_retention``."""
        await asyncio.to_thread(self._plain.set_retention, address, retention)

    async def streams(
        self,
        within: Address | None = None,
        *,
        states: str | Iterable[str] = tuple(StreamState),
        created_after: Time = EARLIEST_NS,
        created_before: Time = LATEST_NS,
        pattern: str = "*",
        from_stream: str = "",
    ) -> Sequence[StreamInfo]:
        """As ``OpenStore.streams``."""
        return await asyncio.to_thread(
            self._plain.streams,
            within,
            states=states,
            created_after=created_after,
            created_before=created_before,
            pattern=pattern,
            from_stream=from_stream,
        )

    async def last_stream(self, source: Address) -> StreamInfo | None:
        """As ``OpenStore.last_stream``."""
        return await asyncio.to_thread(self._plain.last_stream, source)

    async def info(self, address: Address) -> StreamInfo:
        """As ``OpenStore.info``."""
        return await asyncio.to_thread(self._plain.info, address)

    async def delete(self, address: Address) -> bool:
        """As ``OpenStore.delete``."""
        return await asyncio.to_thread(self._plain.delete, address)

    async def metadata(self, address: Address) -> Mapping[str, Any] | None:
        """As ``OpenStore.metadata``."""
        return await asyncio.to_thread(self._plain.metadata, address)

    async def set_metadata(
        self, address: Address, value: Mapping[str, Any], mode: MetadataMode = "replace", *, upsert: bool = True
    ) -> None:
        """As ``OpenStore.set_metadata``."""
        await asyncio.to_thread(self._plain.set_metadata, address, value, mode, upsert=upsert)

    async def close(self) -> None:
        """As ``OpenStore.close``."""
        await asyncio.to_thread(self.store.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _store(where: Where, *, make: bool) -> Store:
    if isinstance(where, Store):
        return where
    path = fspath(where)
    return MemoryStore() if path == "memory:" else store_at(path, absent="make" if make else "later")


def _made(store: Store) -> Store:
    store.make()
    return store


def _there(store: Store) -> Store:
    store.check_is_there()
    return store


def _with_groups(store: Store) -> GroupStore:
    if not isinstance(store, GroupStore):
        raise StreamError(f"a {type(store).__name__} has no groups")
    return store


def _pinning(
    store: GroupStore, address: StreamAddress, name: str, become: Callable[[], Membership]
) -> Callable[[], Membership]:
    """Return what becomes a member, and pins its group; a member of a group that cannot be pinned has left again."""

    def pinned() -> Membership:
        member = become()
        try:
            pin_group(store, address, name)
        except BaseException:
            member.leave()
            raise
        return member

    return pinned


def _address(address: Address) -> StreamAddress:
    return address if isinstance(address, StreamAddress) else StreamAddress.parse(address)
