"""The event builder's end of the way to one process. It never waits: what finds no room is sent when there is some."""

import os
from collections import deque
from collections.abc import Sequence
from typing import Any

from penstock.services.custody import HeldPiece
from penstock.services.line import SlotName
from penstock.services.progress import Progress
from penstock.transport.seqpacket import LIMIT, Link
from penstock.wire.envelopes import Drop, Envelope, Free, Piece, PoolMade, open_envelopes, seal

__all__ = ["Peer"]

TOGETHER_BYTES = 128 << 10


class Peer:
    """A source, a worker, a reducer or a sink.

    Parameters
    ----------
    name
        Of the process.
    of
        The source, stage or sink it serves.
    role
        source, map, steps, reduce or sink
    link, progress
        This side's.
    """

    def __init__(self, name: str, of: str, role: str, link: Link, progress: Progress) -> None:
        self.name, self.of, self.role = name, of, role
        self.link = link
        self.progress = progress
        self.is_ready = False
        self.is_reading = False
        """Of a source: whether it was told to."""
        self.keeps_state = True
        """Whether a successor could go on, as it said when it was ready."""
        self.is_leaving = False
        self.is_renewed = False
        """Whether it is killed on request: it died of nothing that it was given."""
        self.worked_ns = 0
        """When it last said that it had done something; 0: it never did."""
        self.is_closed = False
        """Whether it has said its last word."""
        self.kept: dict[SlotName, Any] = {}
        """What keeps the slots lent of which its user code holds views."""
        self.pools: dict[int, tuple[PoolMade, int]] = {}
        """Its own pools by generation, with a descriptor to pass on."""
        self.known_pools: set[tuple[str, int]] = set()
        self._said: list[Envelope] = []
        self._freed: dict[int, list[int]] = {}
        self._dropped: list[int] = []
        self._unsent: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._is_blocked = False
        self._is_gone = False

    @property
    def has_unsent(self) -> bool:
        """Whether something found no room when it was last to be sent; what was only said since does not count."""
        return self._is_blocked

    @property
    def has_more(self) -> bool:
        """Whether ``flush`` has anything to do."""
        return bool(self._said or self._freed or self._dropped or self._unsent)

    def say(self, envelope: Envelope) -> None:
        """Say something, with the next ``flush``."""
        self._said.append(envelope)

    def say_with(self, envelope: Envelope, fds: Sequence[int]) -> None:
        """Say something beside which descriptors travel; those here may be closed before there is room for it."""
        self._seal()
        self._unsent.append((seal([envelope]), tuple(map(os.dup, fds))))

    def tell_pool(self, made: PoolMade, fd: int) -> None:
        """Make sure that the process knows a pool before anything that lies in it."""
        key = made.name, made.generation
        if key not in self.known_pools:
            self.known_pools.add(key)
            self.say_with(made, [fd])

    def tell_pieces(self, pieces: Sequence[HeldPiece]) -> None:
        """Make sure that the process has what it will be told to pick from."""
        for piece in pieces:
            if self not in piece.known_to:
                piece.known_to.add(self)
                self.say(Piece(piece.number, piece.results))

    def free(self, generation: int, slot: int) -> None:
        """Give a slot of its own pool back."""
        self._freed.setdefault(generation, []).append(slot)

    def drop(self, piece: int) -> None:
        """Let it forget a piece."""
        self._dropped.append(piece)

    def flush(self) -> None:
        """Send what was said, as far as there is room."""
        if self._is_gone:
            self._said.clear()
            self._dropped.clear()
            self._freed.clear()
            return
        for generation, slots in self._freed.items():
            self._said.append(Free(generation, tuple(slots)))
        if self._dropped:
            self._said.append(Drop(tuple(self._dropped)))
        self._freed.clear()
        self._dropped.clear()
        self._seal()
        try:
            while self._unsent and self.link.try_send(*self._unsent[0]):
                self._drop_first()
        except BrokenPipeError:  # its end is told by what it cannot say any more
            self._is_gone = True
            self._drop_all()
        self._is_blocked = bool(self._unsent)

    def hear(self, most: int = 64) -> list[tuple[Any, tuple[int, ...]]]:
        """Return what has come: envelopes, with the descriptors that came beside."""
        heard: list[tuple[Any, tuple[int, ...]]] = []
        for _ in range(most):
            received = self.link.try_receive()
            if received is None:
                break
            fds = received.fds
            heard += [(envelope, fds) for envelope in open_envelopes(received.data)]
        return heard

    @property
    def is_ended(self) -> bool:
        """Whether the process has gone, and everything it said was heard."""
        return self.link.is_ended

    def close(self) -> None:
        """Close this end, and let go of what the process had."""
        self._drop_all()
        self.link.close()
        self.progress.close()
        self.kept.clear()

    def _drop_first(self) -> None:
        _, fds = self._unsent.popleft()
        for fd in fds:
            os.close(fd)

    def _drop_all(self) -> None:
        while self._unsent:
            self._drop_first()

    def _seal(self) -> None:
        said, self._said = self._said, []
        if not said:
            return
        whole = seal(said)
        if len(whole) <= TOGETHER_BYTES or len(said) == 1:
            assert len(whole) <= LIMIT, f"{len(whole)} bytes to {self.name}"
            self._unsent.append((whole, ()))
            return
        middle = len(said) // 2
        for half in (said[:middle], said[middle:]):
            self._said = half
            self._seal()
