"""Lists streams as people mean them: those of a dataset's parts are one, and filters leave out the others."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.dataset import base_of, is_table, part_address, table_address
from penstock.streams.dataset_reading import combined
from penstock.streams.reading import EARLIEST_NS, LATEST_NS, Time, nanoseconds
from penstock.streams.store import Store, StreamInfo, StreamState

__all__ = ["StreamFilter", "delete_stream", "list_streams", "stream_info"]


class StreamFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams are meant; all for what is not said."""

    states: frozenset[StreamState] = frozenset(StreamState)
    created_after: Time = EARLIEST_NS
    created_before: Time = LATEST_NS
    pattern: str = "*"
    """Of the stream's name, as file names are matched: ``run *``."""

    def fits(self, info: StreamInfo) -> bool:
        """Tell whether a stream is meant."""
        return (
            info.state in self.states
            and nanoseconds(self.created_after) <= info.created_ns <= nanoseconds(self.created_before)
            and fnmatchcase(info.address.stream, self.pattern)
        )


def list_streams(store: Store, within: StreamAddress | None) -> list[StreamInfo]:
    """Return streams, those first that were created first; the parts of datasets as the stream they make up."""
    found: dict[StreamAddress, StreamInfo] = {}
    for info in store.streams(within):
        if is_table(info.address):
            continue
        part = base_of(info.address)
        address = part[0] if part else info.address
        if address not in found:
            found[address] = stream_info(store, address) if part else info
    return sorted(found.values(), key=lambda info: info.created_ns)  # stable: of equal times in the store's order


def stream_info(store: Store, address: StreamAddress) -> StreamInfo:
    """Return how a stream is, of messages or of datasets; one that is not there is open and empty."""
    parts = _parts(store, address)
    if not parts:
        return store.info(address)
    readers = {part: store.read(part_address(address, part)) for part in parts}
    try:
        return combined(address, readers)
    finally:
        for reader in readers.values():
            reader.close()


def delete_stream(store: Store, address: StreamAddress) -> bool:
    """Remove exactly this stream, with all parts of its datasets and what was said of it; return whether it was there.

    Raises
    ------
    ConflictError
        If somebody writes it; of datasets, some parts may be gone then.
    """
    parts = _parts(store, address)
    was_there = [store.delete(part_address(address, part)) for part in parts]
    if parts:
        store.delete(table_address(address))  # takes the metadata there, which say that there are parts
    return store.delete(address) or any(was_there)


def states_of(states: str | Iterable[str]) -> frozenset[StreamState]:
    """Return the states that are named.

    Raises
    ------
    StreamError
        If there is no such state.
    """
    names: Sequence[str] = (states,) if isinstance(states, str) else tuple(states)
    try:
        return frozenset(map(StreamState, names))
    except ValueError as error:
        raise StreamError(f"{error}; streams are {', '.join(StreamState)}") from None


def _parts(store: Store, address: StreamAddress) -> range:
    return range(1, int((store.metadata(table_address(address)) or {}).get("parts", 0)) + 1)
