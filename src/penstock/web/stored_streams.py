"""The durable streams of a pipeline's store, for those who look at them: lists, messages, arrays, groups.

Nothing here changes a stream or a group. It is called in threads, because disks and servers take their time.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from heapq import nlargest
from itertools import islice
from math import prod
from threading import Lock
from typing import Any, Final

import msgspec
import numpy as np

from penstock.core.group_record import GroupReport
from penstock.core.message import Message
from penstock.core.query import MESSAGE_FIELDS, Query
from penstock.core.stream_address import StreamAddress
from penstock.core.suggest import did_you_mean
from penstock.errors import IntegrityError, MissingMessageError, ServiceError, StreamError, UnknownStreamError
from penstock.monitor.event_text import describe_message
from penstock.streams.gaps import gaps_of
from penstock.streams.kept_retention import pinned_groups, retention_for
from penstock.streams.membership import GroupStore
from penstock.streams.past_damage import blocks_past_damage
from penstock.streams.store import Store, StreamInfo, StreamReader
from penstock.streams.stored_record import StoredRecord, stored_records
from penstock.views.blocks import Fewer, blocks_of, chosen
from penstock.views.selection import selected_shape, selection
from penstock.web.shown_views import Part, TooLargeError, thinned

__all__ = ["StoreAwayError", "StoredStreams"]

MOST_BYTES: Final = 64 << 20
"""Of the elements of one array that are sent."""
LONGEST_S: Final = 5.0
"""How long a query may read; then what was found is the answer, and that it is not all."""
MOST_GROUP_STREAMS: Final = 100
"""Streams of which the groups are told together, those of the latest messages."""
PATIENCE_S: Final = 3.0
"""How long a server of streams may be away."""
S: Final = 1_000_000_000


class StoreAwayError(ServiceError):
    """The server of the store does not answer."""


class StoredStreams:
    """What is in a store; opened when somebody asks, and kept open.

    Parameters
    ----------
    where
        A folder, or ``tcp://HOST:PORT``; empty: there is none.
    clock_s
        By which a query is ended.
    """

    def __init__(self, where: str, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._where = where
        self._clock_s = clock_s
        self._lock = Lock()
        self._store: Store | None = None

    def streams(self, within: str = "", most: int = 1000) -> dict[str, Any]:
        """List streams, those first that came last; of a beamtime or source, or all.

        Returns
        -------
        dict
            ``store``; ``is_there``, whether anybody has made it; ``streams``; ``left_off``, how many more there are.
        """
        where = StreamAddress.parse(within) if within else None
        store = self._opened()
        infos = [] if store is None else sorted(store.streams(where), key=lambda each: each.created_ns, reverse=True)
        return {
            "store": self._where,
            "is_there": store is not None,
            "streams": [_info(each) for each in infos[:most]],
            "left_off": max(0, len(infos) - most),
        }

    def about(self, address: str) -> dict[str, Any]:
        """Return all that is known of a stream; of a beamtime or source, what was said of it and what it has.

        Raises
        ------
        UnknownStreamError
            If it is not there.
        """
        where, store = StreamAddress.parse(address), self._there()
        if not where.is_stream:
            found = store.streams(where)
            said = store.metadata(where)
            if not found and said is None:
                raise UnknownStreamError(f"nothing is known of {where}")
            messages, nbytes = sum(each.count for each in found), sum(each.nbytes for each in found)
            facts = {"streams": len(found), "count": messages, "nbytes": nbytes}
            return {"address": str(where), "metadata": said, **facts}
        info = _existing(store, where)
        with store.read(where) as reader:
            gaps = gaps_of(reader)
        return {
            **_info(info),
            "metadata": store.metadata(where),
            "gaps": {"ranges": gaps.ranges, "is_complete": gaps.is_complete, "trouble": gaps.trouble},
            "kept": retention_for(store, where),
            "pinned": pinned_groups(store, where),
            "groups": list(_groups(store, where)),
        }

    def latest(self, most: int) -> dict[str, Any]:
        """Return of the streams that were written last what they have, ``streams``, and how their ``groups`` are."""
        store = self._opened()
        infos = [] if store is None else nlargest(most, store.streams(), key=lambda each: each.last_ns)
        groups = [
            {"address": str(each.address), **group}
            for each in infos
            if store is not None
            for group in _groups(store, each.address)
        ]
        return {"streams": [_info(each) for each in infos], "groups": groups}

    def groups(self) -> list[dict[str, Any]]:
        """Return how the groups of the streams are doing to which something was written last."""
        store = self._opened()
        if store is None:
            return []
        latest = sorted(store.streams(), key=lambda each: each.last_ns, reverse=True)[:MOST_GROUP_STREAMS]
        return [
            {"address": str(each.address), "state": str(each.state), **group}
            for each in latest
            for group in _groups(store, each.address)
        ]

    def messages(self, address: str, *, position: int | None = None, most: int = 50, query: str = "") -> dict[str, Any]:
        """Return messages without their arrays, in the order of arrival, or as a query wants them.

        Parameters
        ----------
        position
            From which on, where the first that ever came has 0; ``None``: the last ones. With a query it begins there.
        query
            As ``docs/reference/query.md`` describes it. It reads for 5 s at most.

        Returns
        -------
        dict
            ``messages``; ``position`` of the first one, without a query; ``arrived`` and ``removed`` of the stream;
            ``looked_at``, how many a query has read; ``is_whole``, whether it has read and given all; ``damaged``, what
            could not be read.

        Raises
        ------
        UnknownStreamError, QueryError
            If it is not there; if the query is not written as it should be.
        """
        wanted = Query.parse(query, MESSAGE_FIELDS) if query else None
        where, store = StreamAddress.parse(address), self._there()
        _existing(store, where)
        with store.read(where) as reader:
            arrived, removed = reader.arrived
            if wanted is not None:
                found = self._selected(reader, wanted, position or 0, most)
            else:
                first = max(removed, arrived - most) if position is None else max(position, removed)
                found = _page(reader, first, most)
            return {"arrived": arrived, "removed": removed, **found}

    def part(
        self,
        address: str,
        message_id: int,
        buffer: int = 0,
        text: str = "",
        *,
        most_bytes: int | None = None,
        fewer: Fewer | None = None,
    ) -> Part:
        """Copy some elements of an array of a message, decoded; parameters and errors as of ``ShownViews.part``.

        Raises
        ------
        MissingMessageError
            If there is no such message, or it has no such array.
        DecodingError
            If it is compressed and cannot be decoded.
        """
        where, store = StreamAddress.parse(address), self._there()
        _existing(store, where)
        with store.read(where) as reader:
            message = reader.message(message_id)
            if message is None:
                raise MissingMessageError(f"{where} has no message {message_id}")
            return _part(message, f"message {message_id} of {where}", buffer, text, most_bytes, fewer)

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()

    def _opened(self) -> Store | None:
        """Return the store, or ``None`` as long as nobody has made it."""
        if not self._where:
            return None
        try:
            with self._lock:
                if self._store is None:
                    self._store = _store(self._where)
            self._store.check_is_there()
        except ServiceError as error:
            raise StoreAwayError(str(error)) from error
        except IntegrityError:
            raise
        except StreamError:
            return None
        return self._store

    def _there(self) -> Store:
        store = self._opened()
        if store is None:
            raise UnknownStreamError(
                f"{self._where or 'the pipeline'} holds no streams yet: nothing was recorded there"
            )
        return store

    def _selected(self, reader: StreamReader, query: Query, position: int, most: int) -> dict[str, Any]:
        until_s = self._clock_s() + LONGEST_S
        damaged: list[IntegrityError] = []
        looked_at, is_whole = 0, True

        def records() -> Iterator[StoredRecord]:
            nonlocal looked_at, is_whole
            for stored in blocks_past_damage(reader, damaged.append, position):
                if self._clock_s() > until_s:
                    is_whole = False
                    return
                for record in stored_records(stored):
                    looked_at += 1
                    yield record

        found = list(islice(query.select(records()), most + 1))
        return {
            "messages": [_message(next(each.stored.messages())) for each in found[:most]],
            "looked_at": looked_at,
            "is_whole": is_whole and len(found) <= most,
            "damaged": list(map(str, damaged)),
        }


def _store(where: str) -> Store:
    if "://" in where:
        from penstock.streams.remote_store import RemoteStore  # few need sockets

        return RemoteStore(where, patience_s=PATIENCE_S)
    from penstock.streams.directory.store import DirectoryStore  # with SQLite, which few need

    return DirectoryStore(where)


def _existing(store: Store, address: StreamAddress) -> StreamInfo:
    found = store.streams(address) if address.is_stream else []
    if found:
        return found[0]
    others = [str(each.address) for each in store.streams(address.parent)] if address.is_stream else []
    remedy = did_you_mean(str(address), others, otherwise="ask for the streams there are")
    raise UnknownStreamError(f"there is no stream {address}; {remedy}")


def _info(info: StreamInfo) -> dict[str, Any]:
    return {**msgspec.structs.asdict(info), "address": str(info.address), "state": str(info.state)}


def _message(message: Message) -> dict[str, Any]:
    return {**describe_message(message), "kind": message.kind.name.lower()}


def _page(reader: StreamReader, first: int, most: int) -> dict[str, Any]:
    damaged: list[IntegrityError] = []
    messages = (each for stored in blocks_past_damage(reader, damaged.append, first) for each in stored.messages())
    found = [_message(each) for each in islice(messages, most)]
    damages = list(map(str, damaged))
    return {"messages": found, "position": first, "looked_at": len(found), "is_whole": True, "damaged": damages}


def _groups(store: Store, address: StreamAddress) -> Iterator[dict[str, Any]]:
    if isinstance(store, GroupStore):
        for name in store.groups(address):
            report = store.group_report(address, name)
            if report is not None:  # else it was forgotten meanwhile
                yield _group(name, report)


def _group(name: str, report: GroupReport) -> dict[str, Any]:
    snapshot = report.snapshot
    members = [
        {"name": each.name, "in_flight": each.in_flight, "seen_s": (report.read_ns - each.seen_ns) / S}
        for each in snapshot.members
    ]
    return {"name": name, "lag": snapshot.lag, **msgspec.structs.asdict(snapshot), "members": members}


def _part(message: Message, what: str, buffer: int, text: str, most_bytes: int | None, wanted: Fewer | None) -> Part:
    arrays: Sequence[Any] = message.arrays
    if buffer >= len(arrays):
        raise MissingMessageError(f"{what} has {len(arrays)} arrays; the first is 0")
    array = np.asarray(arrays[buffer])
    index = selection(text, array.shape)
    fewer = chosen(wanted, array.dtype)
    index, step, size = thinned(index, array, most_bytes, fewer)
    nbytes = prod(selected_shape(index, array.shape)) * array.dtype.itemsize
    if nbytes > MOST_BYTES:
        raise TooLargeError(f"{what}: {nbytes:,} bytes are asked for; {MOST_BYTES:,} at most: ask for a slice")
    copied = blocks_of(np.asarray(array[index]), size, fewer)
    return Part(array=copied, version=message.id, position=0, every=step * size, fewer=fewer)
