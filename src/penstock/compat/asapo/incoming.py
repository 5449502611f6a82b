"""What producers send, on its way into the store: gathered by stream, each answered with what became of it.

Small messages of several connections become one block. What may take time (to open a stream, a large payload, to end a
stream) is done on a thread of a pool, one thing at a time for each stream. All else is called on the loop's thread.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

from penstock.compat.asapo.batch import store_batch
from penstock.compat.asapo.ending import end_stream
from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.lane import Ended, Lane, Sent
from penstock.compat.asapo.outcome import Outcome
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, PenstockError
from penstock.streams.store import Store, StreamWriter

__all__ = ["Incoming", "close_all"]

GRACE_S: Final = 0.3
"""How long the end of a stream waits for messages that other connections of its producer may still begin to send."""
MOST_GRACE_S: Final = 60.0
"""The same for those that they are sending."""
YOUNG_S: Final = 2.0
"""How long after a connection came its producer may still be making others: all begin at once, and try again each s."""
AGAIN_S: Final = 0.05
IDLE_S: Final = 30.0
MOST_LANES: Final = 64
"""Streams that are open to be written though nobody does: each has four descriptors."""


class Senders(Protocol):
    """Who sends into streams."""

    def may_send(self, base: StreamAddress) -> int:
        """Return how many connections may send into a stream."""

    def are_sending(self, base: StreamAddress) -> int:
        """Return how many of those are sending something just now, or wait for an answer."""

    def youngest(self, base: StreamAddress) -> float:
        """Return when the latest of those came, by the loop's clock; 0 if there is none."""


class Incoming:
    """All lanes of a server.

    Parameters
    ----------
    changed
        Called after something was stored in a stream.
    """

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        jobs: Jobs,
        senders: Senders,
        *,
        changed: Callable[[StreamAddress], None],
    ) -> None:
        self._store, self._loop, self._jobs, self._senders, self._changed = store, loop, jobs, senders, changed
        self._lanes: dict[tuple[StreamAddress, int], Lane] = {}
        self._filled: dict[Lane, None] = {}
        self._ends: dict[StreamAddress, list[Ended]] = {}
        self._is_told = False

    def put(self, base: StreamAddress, part: int, sent: Sent) -> None:
        """Take a message; ``part`` 0 is a message that is no part of a dataset."""
        lane = self._lane(base, part)
        lane.waiting.append(sent)
        lane.used = time.monotonic()
        self._filled[lane] = None
        if not self._is_told:
            self._is_told = True
            self._loop.call_soon(self._store_filled)

    def end(self, base: StreamAddress, ended: Ended) -> None:
        """Take note that a stream has ended; done once what was sent before is stored."""
        self._ends.setdefault(base, []).append(ended)
        self._loop.call_soon(self._look_at_end, base)

    def let_go(self, base: StreamAddress, *, is_idle: bool = True) -> list[StreamWriter]:
        """Return the writers of a stream, of which nothing is kept; the caller closes them."""
        lanes = [lane for (its, _), lane in self._lanes.items() if its == base]
        if is_idle and any(lane.is_busy or lane.waiting for lane in lanes):
            raise ConflictError(f"{base} is being written; it can be deleted when that is done")
        return self._drop(lanes)

    def let_go_of_idle(self) -> list[StreamWriter]:
        """Return the writers that nobody uses, or those used longest ago if there are many; the caller closes them."""
        now = time.monotonic()
        free = [
            lane
            for lane in self._lanes.values()
            if not lane.is_busy and not lane.waiting and lane.base not in self._ends
        ]
        free.sort(key=lambda lane: lane.used)
        excess = max(len(self._lanes) - MOST_LANES, 0)
        idle = [lane for lane in free[excess:] if now - lane.used > IDLE_S and not self._senders.may_send(lane.base)]
        return self._drop([*free[:excess], *idle])

    def let_go_of_all(self) -> list[StreamWriter]:
        """Return all writers."""
        return self._drop(list(self._lanes.values()))

    def _drop(self, lanes: Sequence[Lane]) -> list[StreamWriter]:
        for lane in lanes:
            self._lanes.pop((lane.base, lane.part), None)
        return [lane.writer for lane in lanes if lane.writer is not None]

    def _lane(self, base: StreamAddress, part: int) -> Lane:
        lane = self._lanes.get((base, part))
        if lane is None:
            lane = self._lanes[base, part] = Lane(base, part)
        return lane

    # --- storing

    def _store_filled(self) -> None:
        self._is_told = False
        filled, self._filled = self._filled, {}
        for lane in filled:
            if not lane.is_busy:
                self._begin(lane)

    def _begin(self, lane: Lane) -> None:
        # What is large goes alone: it would be copied once more, and the others would wait for their answers.
        count = next((at for at, sent in enumerate(lane.waiting) if not sent.is_small), len(lane.waiting)) or 1
        batch, lane.waiting = lane.waiting[:count], lane.waiting[count:]
        if lane.writer is not None and all(sent.is_small for sent in batch):
            self._tell(lane, batch, store_batch(self._store, lane, batch))
            if lane.waiting and not lane.is_busy:
                self._begin(lane)
            return
        lane.is_busy = True
        self._jobs.then(partial(store_batch, self._store, lane, batch), partial(self._stored, lane, batch), stores=True)

    def _stored(self, lane: Lane, batch: list[Sent], outcomes: list[Outcome]) -> None:
        lane.is_busy = False
        self._tell(lane, batch, outcomes)
        if lane.waiting and not lane.is_busy:
            self._begin(lane)

    def _tell(self, lane: Lane, batch: Sequence[Sent], outcomes: Sequence[Outcome]) -> None:
        if lane.writer is None and not lane.waiting:  # it could not be opened, or the stream has ended
            self._lanes.pop((lane.base, lane.part), None)
        for sent, outcome in zip(batch, outcomes, strict=True):
            sent.tell(outcome)
        self._changed(lane.base)
        if lane.base in self._ends:
            self._look_at_end(lane.base)

    # --- ending

    def _look_at_end(self, base: StreamAddress) -> None:
        ends = self._ends.get(base)
        lanes = [lane for (its, _), lane in self._lanes.items() if its == base]
        if not ends or any(lane.is_busy or lane.waiting for lane in lanes):
            return
        ended = ends[0]
        is_whole = bool(lanes) and all(
            lane.writer is not None and lane.writer.written == lane.writer.last_id == ended.last_id for lane in lanes
        )
        if not is_whole and self._may_come(base, self._loop.time() - ended.came):
            self._jobs.later(AGAIN_S, partial(self._look_at_end, base))
            return
        for lane in lanes:
            lane.is_busy = True
        del ends[0]
        work = partial(end_stream, self._store, base, lanes, ended)
        self._jobs.then(work, partial(self._has_ended, base, lanes, ended), stores=True)

    def _may_come(self, base: StreamAddress, waited_s: float) -> bool:
        """Tell whether something may come that was sent before the end, by another connection."""
        is_alone = self._senders.may_send(base) < 2
        if is_alone and self._loop.time() - self._senders.youngest(base) > YOUNG_S:
            return False
        ending = sum(len(ends) for its, ends in self._ends.items() if its.parent == base.parent)
        is_sent = self._senders.are_sending(base) > ending  # who ends something waits for the answer
        return waited_s < (MOST_GRACE_S if is_sent else GRACE_S)

    def _has_ended(self, base: StreamAddress, lanes: list[Lane], ended: Ended, outcome: Outcome) -> None:
        for lane in lanes:
            lane.is_busy = False
            if lane.writer is None and not lane.waiting:
                self._lanes.pop((lane.base, lane.part), None)
        if not self._ends.get(base):
            self._ends.pop(base, None)
        ended.tell(outcome)
        self._changed(base)
        for lane in lanes:
            if lane.waiting and not lane.is_busy:
                self._begin(lane)
        if base in self._ends:
            self._look_at_end(base)


def close_all(writers: list[StreamWriter]) -> None:
    """Let go of streams."""
    for writer in writers:
        with suppress(PenstockError, OSError):  # a full disk, say: the stream is let go of all the same
            writer.close()
