"""What was said of the retention of streams and sources, and which groups are pinned: kept as metadata, in any store.

It lies at an address of its own (``retention_address``), so that what people say of a stream does not wipe it out.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from penstock.core.id_ranges import Range
from penstock.core.retention import EVERYTHING, Retained, Retention, retention_address
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.dataset import base_of
from penstock.streams.membership import GroupStore
from penstock.streams.store import Store

__all__ = [
    "RetainingStore",
    "pin_group",
    "pinned_groups",
    "retention_for",
    "retention_of",
    "retention_to_use",
    "set_retention",
    "unread_by_pinned",
]


class RetainingStore(GroupStore):
    """A store that removes what is too much."""

    @abstractmethod
    def retain(
        self,
        address: StreamAddress,
        *,
        age_s: float | None = None,
        nbytes: int | None = None,
        count: int | None = None,
        keep: int | None = None,
        even_unread: bool = False,
    ) -> Retained:
        """Remove the oldest of a stream that exceed a limit, also while it is written and read.

        Arrays that somebody holds stay valid. What was removed counts as present for ever. Nothing that a pinned group
        has not acknowledged is removed, unless told.

        Parameters
        ----------
        age_s, nbytes, count, even_unread
            As ``Retention``; without any limit, as was said of the stream, or else of its source.
        keep
            Messages of this position and later stay in any case.
        """

    @abstractmethod
    def retain_all(self) -> Iterator[tuple[StreamAddress, Retained | StreamError]]:
        """Remove what is too much of all streams of which something was said, one after the other.

        Yields
        ------
        tuple
            Each stream, and what was done or why it could not be.
        """


def retention_of(store: Store, address: StreamAddress) -> Retention | None:
    """Return what was said of the retention of exactly this stream or source; ``None`` if nothing was.

    Raises
    ------
    StreamError
        If the address is that of a beamtime, or what was said cannot be read.
    """
    said = (store.metadata(retention_address(address)) or {}).get("kept")
    return None if said is None else Retention.of(said, address)


def retention_for(store: Store, address: StreamAddress) -> Retention | None:
    """Return what a stream is to be kept by: what was said of itself, or else of its source.

    The streams of a dataset's parts are kept as the dataset's.
    """
    part = base_of(address)
    for each in (address, *(part[:1] if part else ()), address.parent):
        found = retention_of(store, each) if _has_room(each) else None
        if found is not None:
            return found
    return None


def retention_to_use(
    store: Store,
    address: StreamAddress,
    *,
    age_s: float | None,
    nbytes: int | None,
    count: int | None,
    even_unread: bool,
) -> Retention:
    """Return the limits that are given, or if there are none what was said of a stream; as `RetainingStore.retain`."""
    given = Retention(age_s=age_s, nbytes=nbytes, count=count, even_unread=even_unread)
    said = None if given.is_limited else retention_for(store, address)
    return said or given


def set_retention(store: Store, address: StreamAddress, retention: Retention | None) -> None:
    """Say what of a stream, or of each stream of a source, is to be kept; ``None`` to say nothing any more.

    What is said of a stream takes the place of what is said of its source. It is done when a segment is full, by who
    writes it; by a server now and then; and by ``RetainingStore.retain``.

    Raises
    ------
    StreamError
        If the address is that of a beamtime.
    """
    said = None if retention is None else msgspec.to_builtins(retention)
    store.set_metadata(retention_address(address), {"kept": said}, "update")


def pin_group(store: Store, address: StreamAddress, group: str, *, is_pinned: bool = True) -> None:
    """Let retention remove nothing of a stream that a group has not acknowledged; or let it again.

    The group need not be there yet: then it has acknowledged nothing.

    Raises
    ------
    StreamError
        If the address is not that of a stream.
    """
    if not address.is_stream:
        raise StreamError(f"{address} names no stream; a group of one stream is pinned")
    store.set_metadata(retention_address(address), {"pinned": {group: is_pinned}}, "update")


def pinned_groups(store: Store, address: StreamAddress) -> list[str]:
    """List the pinned groups of a stream."""
    if not _has_room(address):
        return []
    return _pinned(store.metadata(retention_address(address)))


def unread_by_pinned(store: GroupStore, address: StreamAddress) -> dict[str, list[Range]]:
    """Return what each pinned group of a stream has not acknowledged, dead letters included."""
    reports = {name: store.group_report(address, name) for name in pinned_groups(store, address)}
    return {name: EVERYTHING if report is None else report.unacknowledged for name, report in reports.items()}


def _pinned(said: Mapping[str, Any] | None) -> list[str]:
    pinned = (said or {}).get("pinned")
    return sorted(name for name, is_so in pinned.items() if is_so) if isinstance(pinned, Mapping) else []


def _has_room(address: StreamAddress) -> bool:
    """Whether anything can have been said: of a stream with a very long name it cannot."""
    try:
        retention_address(address)
    except StreamError:
        return False
    return True
