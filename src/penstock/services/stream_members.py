"""Members of groups that are somewhere else: each goes with its connection, and gives back at once what it has then."""

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from penstock.core.group_record import Claim, GroupReport
from penstock.core.id_ranges import Range, count, to_ids
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, RemoteProtocolError, StreamError
from penstock.services.stream_leases import Holder
from penstock.streams.membership import GroupStore, Membership
from penstock.streams.store import Store, StoredBlock, StreamReader
from penstock.wire import stream_requests as say

__all__ = ["Joined", "StreamMembers", "clocked"]

_MOST_IDS: Final = 1 << 20
_MOST_SETTLING_S: Final = 10.0
_FLUSH_S: Final = 1.0

Key = tuple[StreamAddress, str, str]


class Joined:
    """One member, for one connection."""

    def __init__(self, key: Key, membership: Membership, reader: StreamReader, holder: Holder, owner: str) -> None:
        self.owner = owner
        self.key = key
        self._reader = reader
        self.holder = holder
        self.membership = membership
        self.left = threading.Event()
        """Set when it has left."""

    @property
    def name(self) -> str:
        """Of the member."""
        return self.membership.member

    def claim(self, request: say.Claim) -> Claim:
        """Acknowledge, and get messages."""
        self._acknowledge(request)
        return self.membership.claim(request.size)

    def claimed(self, claim: Claim) -> Iterator[StoredBlock]:
        """Yield the messages of a claim that are there still, each range in the order of ids."""
        for first, last in claim.ids:
            yield from self._reader.get(first, last)

    def do(self, request: say.Member) -> bytes:
        """Acknowledge, do what is asked, and return the body of the answer."""
        self._acknowledge(request)
        return clocked(self._act(request))

    def close(self) -> None:
        """Give back what it has."""
        try:
            self.membership.leave()
        finally:
            self._reader.close()

    def _acknowledge(self, request: say.Claim | say.Member) -> None:
        for epoch, ranges in request.done:
            self.membership.acknowledge(*_ids(ranges), epoch=epoch)

    def _act(self, request: say.Member) -> Any:
        one, what = self.membership, request.what
        if what == "refuse":
            return one.refuse(*_ids(request.ids), delay_s=request.delay_s, reason=request.reason)
        if what == "seek":
            return one.seek(_only(request.ids)[0])
        if what == "unacknowledged":
            return one.unacknowledged(*_only(request.ids))
        return getattr(one, what)()  # one of the words that the wire allows


class StreamMembers:
    """All members that a server stands for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._joined: dict[Key, Joined] = {}
        self._owners: dict[Key, str] = {}
        """Who came last by a name; also while the one before is leaving."""

    def join(self, holder: Holder, address: StreamAddress, request: say.Join) -> Joined:
        """Become a member for a connection; one of the same name over an older connection leaves first.

        Raises
        ------
        ConflictError
            If this one comes again, and another has taken its place.
        StreamError
            If the store has no groups.
        """
        key = address, request.name, request.member
        with self._lock:
            if request.is_again and self._owners.get(key, request.owner) != request.owner:
                raise ConflictError(f"another member came to {request.name!r} by the name of {request.member!r}")
            self._owners[key] = request.owner
            before = self._joined.get(key)
        try:
            return self._take_place(holder, key, before, request)
        except BaseException:
            self._forget(key, request.owner)
            raise

    def _take_place(self, holder: Holder, key: Key, before: Joined | None, request: say.Join) -> Joined:
        if before is not None:
            before.holder.drop("its member has come back")
            before.left.wait(_MOST_SETTLING_S)
        membership = self._groups().group(
            key[0],
            request.name,
            member=request.member,
            lease_s=request.lease_s,
            attempts=request.attempts,
            order=request.order,
            gap_wait_s=request.gap_wait_s,
            # What comes over the wire was gathered by the client; here it is written before it is answered, in the
            # transaction of what is asked with it.
            flush_s=_FLUSH_S,
            survives_power_loss=request.survives_power_loss,
        )
        joined = Joined(key, membership, self._store.read(key[0]), holder, request.owner)
        with self._lock:
            self._joined[key] = joined
        return joined

    def leave(self, joined: Joined) -> None:
        """Give back what it has."""
        try:
            joined.close()
        finally:
            with self._lock:
                if self._joined.get(joined.key) is joined:
                    del self._joined[joined.key]
            self._forget(joined.key, joined.owner)
            joined.left.set()

    def _forget(self, key: Key, owner: str) -> None:
        with self._lock:
            if self._owners.get(key) == owner:
                del self._owners[key]

    def names(self, address: StreamAddress) -> list[str]:
        """List the groups of a stream."""
        return list(self._groups().groups(address))

    def report(self, address: StreamAddress, name: str) -> GroupReport | None:
        """Return how a group is; ``None`` if it is not there."""
        return self._groups().group_report(address, name)

    def delete(self, address: StreamAddress, name: str) -> bool:
        """Forget a group; return whether it was there."""
        return self._groups().delete_group(address, name)

    def _groups(self) -> GroupStore:
        if not isinstance(self._store, GroupStore):
            raise StreamError("the store of this server has no groups")
        return self._store


def _ids(ranges: tuple[say.IdRange, ...]) -> list[int]:
    found: list[Range] = list(ranges)
    if any(first > last for first, last in found) or count(found) > _MOST_IDS:
        raise RemoteProtocolError(f"{len(found)} ranges are none, or of more than {_MOST_IDS} ids")
    return to_ids(found)


def _only(ranges: tuple[say.IdRange, ...]) -> say.IdRange:
    if len(ranges) != 1:
        raise RemoteProtocolError(f"{len(ranges)} ranges where there must be one")
    return ranges[0]


def clocked(value: Any) -> bytes:
    """Return what a member is answered: a value, with the clock by which its times are meant."""
    return msgspec.msgpack.encode((time.monotonic_ns(), value))
