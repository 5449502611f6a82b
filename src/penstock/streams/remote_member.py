"""A member of a group of a store server: acknowledgements are gathered, and travel as ranges with what is asked."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from penstock.core.group_record import Claim, DeadLetter, GroupSnapshot
from penstock.core.id_ranges import Range, of_ids
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError, RemoteProtocolError, StateError, StreamError
from penstock.streams.at_hand import AtHand
from penstock.streams.membership import Membership
from penstock.streams.remote_call import OnceCall, OpenCall
from penstock.streams.remote_connection import RemoteConnection
from penstock.streams.remote_feed import CREDIT, read_stored
from penstock.streams.store import StoredBlock
from penstock.wire import stream_requests as say
from penstock.wire.stream_frames import Frame

__all__ = ["RemoteMember"]

T = TypeVar("T")

MOST_GATHERED = 1 << 16
"""Acknowledgements that travel at once; more would not fit into a head if none of their ids followed each other."""
Run = tuple[int | None, list[int]]
"""Epoch, and ids that were acknowledged."""
Done = tuple[tuple[int | None, tuple[Range, ...]], ...]
"""The same as it travels."""


class RemoteMember(Membership):
    """A member as `Membership` says. When the connection breaks, others get at once what it has."""

    def __init__(
        self, connection: RemoteConnection, address: StreamAddress, request: say.Join, flush_s: float, at_hand: AtHand
    ) -> None:
        self._connection = connection
        self._address, self._at_hand = address, at_hand
        self._claimed: list[Range] = []
        self._member = request.member
        self._flush_s = flush_s
        self._lock = threading.RLock()
        self._awake = threading.Condition(self._lock)
        self._gathered: list[Run] = []
        self._count = 0
        self._failure: PenstockError | None = None
        self._again: list[Range] = []
        self._has_left = False
        self._is_counting = False
        """Whether the background wakes within ``flush_s`` anyway; to wake it for each costs a switch of threads."""
        self._join = OpenCall(request)
        connection.send(self._join)
        self._join.done()
        self._thread: threading.Thread | None = None
        if flush_s > 0:
            self._thread = threading.Thread(target=self._run, name=f"group member {self._member}", daemon=True)
            self._thread.start()

    @property
    def member(self) -> str:  # noqa: D102
        return self._member

    def claim(self, size: int = 256) -> Claim:  # noqa: D102
        with self._lock:
            self._check()
            self._at_hand.drop(self._claimed)
            # Who reads the stream, too, will ask for the messages next: they come along.
            credit = CREDIT if self._at_hand.is_wanted else 0
            blocks: list[StoredBlock] = []
            shift_ns, claim = self._ask(
                lambda done: _ClaimCall(self._address, say.Claim(self._join.number, size, done, credit), blocks), Claim
            )
            self._claimed = claim.ids
            if blocks:
                self._at_hand.put(claim.ids, blocks)
        if claim.look_again_ns is None:
            return claim
        return msgspec.structs.replace(claim, look_again_ns=claim.look_again_ns + shift_ns)

    def acknowledge(self, *ids: int, epoch: int | None = None) -> None:  # noqa: D102
        with self._lock:
            self._check()
            if self._gathered and self._gathered[-1][0] == epoch:
                self._gathered[-1][1].extend(ids)
            else:
                self._gathered.append((epoch, list(ids)))
            self._count += len(ids)
            if not self._is_counting and self._flush_s > 0:
                self._is_counting = True
                self._awake.notify()
            if self._flush_s <= 0 or self._count >= MOST_GATHERED:
                self._flush()

    def flush(self) -> list[Range]:  # noqa: D102
        with self._lock:
            self._check()
            self._flush()
            again, self._again = self._again, []
        return again

    def refuse(self, *ids: int, delay_s: float = 0, reason: str = "") -> int:  # noqa: D102
        return self._do("refuse", int, tuple(of_ids(ids)), delay_s=delay_s, reason=reason)[1]

    def renew(self) -> None:
        """Do nothing: the server does it as long as the connection stands."""

    def newest(self) -> int:  # noqa: D102
        return self._do("newest", int)[1]

    def seek(self, message_id: int) -> None:  # noqa: D102
        if message_id < 0:
            raise StreamError(f"there is no id {message_id} to seek; 0 is the start")
        self._do("seek", type(None), ((message_id, message_id),))

    def revive(self) -> int:  # noqa: D102
        return self._do("revive", int)[1]

    def dead(self) -> list[DeadLetter]:  # noqa: D102
        return self._do("dead", list[DeadLetter])[1]

    def unacknowledged(self, first_id: int = 0, last_id: int = 0) -> list[Range]:  # noqa: D102
        return self._do("unacknowledged", list[Range], ((first_id, last_id),))[1]

    def snapshot(self) -> GroupSnapshot:  # noqa: D102
        shift_ns, found = self._do("snapshot", GroupSnapshot)
        members = [
            msgspec.structs.replace(
                one, deadline_ns=one.deadline_ns and one.deadline_ns + shift_ns, seen_ns=one.seen_ns + shift_ns
            )
            for one in found.members
        ]
        return msgspec.structs.replace(found, members=members)

    def leave(self) -> None:  # noqa: D102
        with self._lock:
            if self._has_left:
                return
            try:
                if self._gathered:
                    self._flush()
            finally:
                self._has_left = True
                self._at_hand.drop(self._claimed)
                self._awake.notify()
                self._connection.forget(self._join.number)
                if self._connection.is_up:
                    with suppress(StateError):  # the connection was closed first
                        self._connection.request(say.Close(self._join.number)).done()
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join()

    def _do(
        self, what: Any, kind: type[T], ids: tuple[Range, ...] = (), *, delay_s: float = 0.0, reason: str = ""
    ) -> tuple[int, T]:
        with self._lock:
            self._check()
            return self._ask(
                lambda done: OnceCall(say.Member(self._join.number, what, done, ids, delay_s, reason)), kind
            )

    def _flush(self) -> None:
        _, again = self._ask(lambda done: OnceCall(say.Member(self._join.number, "flush", done)), list[Range])
        self._again += again

    def _ask(self, call_of: Callable[[Done], OnceCall], kind: type[T]) -> tuple[int, T]:
        """Send what is gathered with a call; return how far the clocks differ, and what came of it."""
        gathered, self._gathered, self._count = self._gathered, [], 0
        done = tuple([(epoch, _ranges(ids)) for epoch, ids in gathered])
        call = call_of(done)
        try:
            self._connection.send(call)
            _, body = call.done()
        except PenstockError:
            # It may have been written; to acknowledge again does nothing.
            self._gathered = gathered + self._gathered
            self._count = sum(len(ids) for _, ids in self._gathered)
            if self._join.trouble is not None:
                raise self._join.trouble from None
            raise
        try:
            now_ns, value = msgspec.msgpack.decode(body.data, type=tuple[int, kind])  # type: ignore[valid-type]
        except msgspec.MsgspecError as error:
            raise RemoteProtocolError(f"the server answered a member with something else: {error}") from error
        return time.monotonic_ns() - now_ns, value

    def _check(self) -> None:
        if self._has_left:
            raise StateError(f"{self._member} has left its group; become a member again")
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self) -> None:
        """Send what has been gathered for a while."""
        with self._lock:
            while True:
                self._awake.wait_for(lambda: self._has_left or self._is_counting)
                self._awake.wait_for(lambda: self._has_left, self._flush_s)
                if self._has_left:
                    return
                had_any = bool(self._gathered)
                try:
                    if had_any:
                        self._flush()
                except PenstockError as error:  # told with the next call, which sends it again
                    self._failure = error
                # As long as some come, they need not wake it.
                self._is_counting = had_any


def _ranges(ids: list[int]) -> tuple[Range, ...]:
    if len(ids) == 1:  # as it is where each is acknowledged before the next; a tenth of the time
        return ((ids[0], ids[0]),)
    return tuple(of_ids(ids))


class _ClaimCall(OnceCall):
    """A claim, before whose answer blocks of the claimed messages come."""

    __slots__ = ("_address", "_blocks")

    def __init__(self, address: StreamAddress, request: say.Claim, blocks: list[StoredBlock]) -> None:
        super().__init__(request)
        self._address, self._blocks = address, blocks

    def head(self, *, is_again: bool) -> say.Request:
        """Return the request; over a new connection another claim is answered, with other blocks."""
        self._blocks.clear()
        return super().head(is_again=is_again)

    def answered(self, answer: say.Answer, frame: Frame) -> bool:
        """Take a block, or the answer."""
        if not isinstance(answer, say.Stored):
            return super().answered(answer, frame)
        self._blocks.append(read_stored(self._address, answer, frame))
        return False
