"""The event builder of a run that is resumed: it repeats what the event log says, then goes on by itself.

It is pure. What was formed before the run was cut off is formed again as in a replay; what came behind that, and what
comes now, is an event builder's as in any run, which begins behind the last recorded event.
"""

from collections.abc import Sequence

import numpy as np

from penstock.core.block import Block, Rows
from penstock.core.event import EventBatch
from penstock.core.event_builder import EventBuilder
from penstock.core.ledger import Account
from penstock.core.map_addition import MapAddition
from penstock.core.replayed_join import ReplayedJoin
from penstock.core.trigger_map import TriggerMap

__all__ = ["ResumedJoin"]


class ResumedJoin:
    """Form the events of one join: those that the log has, and then those that follow.

    A message that came before the run was cut off and is in no event of the log was given up then, or it waits still:
    it waits if it came behind all that are in events. Deadlines count from the moment at which the log is through.

    Parameters
    ----------
    replay
        What forms the events of the log; messages of all of them were recorded.
    live
        What forms those that follow; it has seen nothing. Both have the same books.
    """

    def __init__(self, replay: ReplayedJoin, live: EventBuilder) -> None:
        self.name = live.name
        self._replay = replay
        self._live = live
        self._is_live = False
        self._waiting: list[Block] = []
        """What came behind the events of the log, while these are formed."""
        self._closed: list[str] = []
        self._end = replay.recorded_end

    @property
    def trigger_map(self) -> TriggerMap | None:
        """That of the run, as far as it has grown."""
        return self._live.trigger_map

    @property
    def trouble(self) -> str:
        """Why the log could not be repeated to its end, if that is so."""
        return self._replay.trouble

    @property
    def is_live(self) -> bool:
        """Whether the log is through."""
        return self._is_live

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return self._live.streams

    @property
    def is_finished(self) -> bool:
        """Whether the end event has come; nothing will follow."""
        return self._is_live and self._live.is_finished

    @property
    def formed(self) -> int:
        """Events formed so far."""
        return self._live.formed if self._is_live else self._replay.formed

    @property
    def next_number(self) -> int:
        """Above the numbers of all events so far, those of the log that are formed yet among them."""
        return max(self._live.next_number, self._end)

    @property
    def partial(self) -> int:
        """Events that were formed without a part they should have."""
        return self._replay.partial + self._live.partial

    @property
    def unformed(self) -> int:
        """Planned events that were never formed; 0 without a plan, or while the run goes on."""
        return self._live.unformed if self._is_live else 0

    def pending(self, stream: str) -> int:
        """Return how many messages of a stream are here and not accounted for."""
        waiting = sum(len(block) for block in self._waiting if block.stream == stream)
        return self._replay.pending(stream) + self._live.pending(stream) + waiting

    def handle(self, block: Block, now: int) -> Sequence[EventBatch]:
        """Take a block of any of the streams; ids of a stream ascend."""
        if self._is_live:
            return self._live.handle(block, now)
        if self._replay.is_through:
            return [*self._look(now), *self._live.handle(block, now)]
        settled, behind = self._split(block)
        batches: list[EventBatch] = []
        if settled is not None:
            self._live.pass_over(settled)
            batches += self._followed(self._replay.handle(settled, now))
        if behind is not None:
            self._waiting.append(behind)
            self._replay.entry(block.stream).arrive(len(behind))
            if settled is None:
                batches += self._followed(self._replay.pass_by(behind))
        return [*batches, *self._look(now)]

    def close(self, stream: str) -> list[EventBatch]:
        """Take it that a stream will give nothing more."""
        if self._is_live:
            return self._live.close(stream)
        self._closed.append(stream)
        return [*self._followed(self._replay.close(stream)), *self._look(0)]

    def tick(self, now: int) -> list[EventBatch]:
        """Let deadlines pass, once the log is through."""
        return self._live.tick(now) if self._is_live else self._look(now)

    def next_deadline(self) -> int | None:
        """Return when ``tick`` has something to do; ``None`` if only a message can change anything."""
        return self._live.next_deadline() if self._is_live else None

    def extend(self, addition: MapAddition) -> list[EventBatch]:
        """Append to the open trigger map; raises as ``EventBuilder.extend`` does."""
        if self._is_live:
            return self._live.extend(addition)
        assert self.trigger_map is not None, "only a join by trigger map can be extended"
        self.trigger_map.add(addition)
        return []

    def complete_map(self) -> list[EventBatch]:
        """Take it that nothing more will be appended to the trigger map, if there is one that is open."""
        is_open = self.trigger_map is not None and self.trigger_map.is_open
        return self.extend(MapAddition(is_last=True)) if is_open else []

    def stop(self) -> list[EventBatch]:
        """Form what can be formed: nothing more comes; before the log is through, what of it has come."""
        if self._is_live:
            return self._live.stop()
        batches = list(self._replay.stop())
        self.abort()
        return batches

    def abort(self) -> None:
        """Give up everything that is here."""
        if not self._is_live:
            self._replay.abort()
        self._is_live = True
        for block in self._waiting:
            self._replay.entry(block.stream).post(Account.ABORTED, len(block))
        self._waiting.clear()
        self._live.abort()

    def _split(self, block: Block) -> tuple[Block | None, Block | None]:
        """Cut a block into what is in the log or was given up, and what waits."""
        last_used = self._replay.last_used(block.stream)
        reorder = self._live.rule.reorder
        first, last = int(block.ids[0]), int(block.ids[-1])
        if last <= last_used - reorder:
            return block, None
        if first > last_used:
            return None, block
        is_settled = block.ids <= np.uint64(last_used)
        if reorder:  # what overtook it may be in an event already
            is_near = block.ids > np.uint64(max(0, last_used - reorder))
            is_settled &= ~is_near | self._replay.uses(block)
        return _taken(block, is_settled), _taken(block, ~is_settled)

    def _followed(self, batches: Sequence[EventBatch]) -> Sequence[EventBatch]:
        for batch in batches:
            self._live.follow(batch)
        return batches

    def _look(self, now: int) -> list[EventBatch]:
        """Go on, once the log is through."""
        if not self._replay.is_through:
            return []
        self._is_live = True
        self._replay.let_go()
        self._live.go_on()
        waiting, self._waiting = self._waiting, []
        batches: list[EventBatch] = []
        for block in waiting:
            self._replay.entry(block.stream).arrive(-len(block))  # whoever takes it books it again
            batches += self._live.handle(block, now)
        return [*batches, *(batch for stream in self._closed for batch in self._live.close(stream))]


def _taken(block: Block, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Block | None:
    """Return some rows of a block; those that follow each other share its memory."""
    indices = np.flatnonzero(chosen)
    if not len(indices):
        return None
    is_run = int(indices[-1]) - int(indices[0]) == len(indices) - 1
    rows: Rows = slice(int(indices[0]), int(indices[-1]) + 1) if is_run else indices
    return block.take(rows)
