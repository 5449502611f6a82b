"""The event builder of a replay: the event log of a recorded run says which messages become which events.

It is pure, and takes the place of ``EventBuilder``. It decides nothing: no number is looked at, no deadline kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import EventBatch, PartColumn
from penstock.core.kept_blocks import UNUSED, KeptBlocks
from penstock.core.ledger import Account, Entry, Ledger
from penstock.core.log_records import EventsFormed
from penstock.core.map_addition import MapAddition
from penstock.core.message import Kind
from penstock.core.partial import count_partial
from penstock.core.trigger_map import TriggerMap
from penstock.errors import CheckError, Problem

__all__ = ["RecordedJoin", "ReplayedJoin"]

NOTHING = np.iinfo(np.uint64).max
"""Above every id that is needed, where none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedJoin:
    """What the event log of a run says of one join."""

    records: Sequence[EventsFormed]
    """What was formed, in the order of the log."""
    first: int = 0
    """Events with lower numbers are left out."""
    cut_off: str = ""
    """Why the log has no end, if it has none."""
    goes_on: bool = False
    """Whether the run goes on behind what was recorded."""


class ReplayedJoin:
    """Form the events of one join again: the same numbers, parts and batches, in the same order.

    Messages that were in no event end as discarded, whatever was said of them when the run was recorded. A message that
    an event had and that does not come ends the events before it; ``trouble`` says so.

    Parameters
    ----------
    name
        Of the join.
    streams
        In the order of an event's parts.
    recorded
        What was formed of this join.
    ledger
        Where every message is accounted.
    ranges
        Streams that may give several messages to one event.
    trigger_map
        That of the recorded run, if events by order or trigger map are promised parts.
    is_promised
        Whether each event should have a part of every stream, or of those that the map names.

    Raises
    ------
    CheckError
        If the recorded run joined other streams.
    """

    def __init__(
        self,
        name: str,
        streams: Sequence[str],
        recorded: RecordedJoin,
        ledger: Ledger,
        *,
        ranges: Sequence[str] = (),
        trigger_map: TriggerMap | None = None,
        is_promised: bool = False,
    ) -> None:
        self.name = name
        self.trigger_map = trigger_map
        self.trouble = ""
        """Why it ended before its end, if it did."""
        self.formed = 0
        self.next_number = 0
        self.partial = 0
        self._streams = tuple(streams)
        self._kept = {stream: KeptBlocks(ledger.entry(stream, name)) for stream in streams}
        self._is_range = [stream in ranges for stream in streams]
        self._is_promised = is_promised
        self._cut_off = recorded.cut_off
        checked = map(self._checked, recorded.records)
        self._records = [part for record in checked if (part := _from(record, recorded.first)) is not None]
        self._at = 0
        self._lowest, self._highest = _needed(self._records, len(self._streams))
        self._is_finished = False

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return self._streams

    @property
    def is_finished(self) -> bool:
        """Whether nothing will follow."""
        return self._is_finished

    @property
    def unformed(self) -> int:
        """Planned events that were not formed; 0 without a plan, or while the run goes on."""
        planned = None if self.trigger_map is None else self.trigger_map.planned
        return max(0, planned - self.formed) if planned is not None and self._is_finished else 0

    def entry(self, stream: str) -> Entry:
        """Return the books of a stream."""
        return self._kept[stream].entry

    @property
    def is_through(self) -> bool:
        """Whether everything that was recorded is formed, or cannot be."""
        return self._at == len(self._records)

    @property
    def recorded_end(self) -> int:
        """Above the numbers of all recorded events."""
        return max((int(record.numbers[-1]) + 1 for record in self._records if record.kind == Kind.DATA), default=0)

    def last_used(self, stream: str) -> int:
        """Return the largest id of a stream's messages that are in events; 0 for none."""
        return int(self._highest[:, self._streams.index(stream)].max(initial=0))

    def uses(self, block: Block) -> NDArray[np.bool_]:
        """(n,), which of a block's messages are in events that are still to be formed."""
        k = self._streams.index(block.stream)
        found = [record.ids_in(k) for record in self._records[self._at :]]
        return np.isin(block.ids, np.concatenate(found)) if found else np.zeros(len(block), np.bool_)

    def pass_by(self, block: Block) -> list[EventBatch]:
        """Learn that a stream has come so far, of a block that is another's."""
        self._kept[block.stream].last_id = int(block.ids[-1])
        return self._advance()

    def let_go(self) -> None:
        """Book and forget what is kept, when nothing more is to be formed."""
        for kept in self._kept.values():
            kept.let_go(int(NOTHING))

    def pending(self, stream: str) -> int:
        """Return how many messages of a stream are here and not accounted for."""
        return self._kept[stream].pending

    def handle(self, block: Block, now: int) -> Sequence[EventBatch]:
        """Take a block of any of the streams, as ``EventBuilder.handle`` does; ids of a stream ascend."""
        kept = self._kept[block.stream]
        kept.entry.arrive(len(block))
        if self._is_needed(block):
            kept.add(block, now)
        else:  # it must not keep anybody's slot while something else is waited for
            kept.last_id = int(block.ids[-1])
            kept.entry.post(Account.DISCARDED, len(block), UNUSED)
        return self._advance()

    def close(self, stream: str) -> list[EventBatch]:
        """Take it that a stream will give nothing more."""
        self._kept[stream].is_closed = True
        return self._advance()

    def tick(self, now: int) -> list[EventBatch]:  # noqa: ARG002 - as of any event builder
        """Do nothing: when what was given up is in the log."""
        return []

    def next_deadline(self) -> int | None:
        """Return nothing: no time matters."""
        return None

    def extend(self, addition: MapAddition) -> list[EventBatch]:  # noqa: ARG002 - as of any event builder
        """Form nothing: the log knows what the map grew to."""
        return []

    def complete_map(self) -> list[EventBatch]:
        """Form nothing."""
        return []

    def stop(self) -> list[EventBatch]:
        """Take it that no stream will give anything more, and form what is here."""
        return [batch for stream in self._streams for batch in self.close(stream)]

    def abort(self) -> None:
        """Give up everything that is here."""
        for kept in self._kept.values():
            kept.abort()
        self._at = len(self._records)
        self._is_finished = True

    def _checked(self, record: EventsFormed) -> EventsFormed:
        if record.streams != self._streams:
            text = f"joins {', '.join(self._streams)}; the recorded run joined {', '.join(record.streams)}"
            remedy = "join the same streams in the same order; other events need the live way"
            raise CheckError([Problem(where=f"events.{self.name}", text=text, remedy=remedy)])
        return record

    def _advance(self) -> list[EventBatch]:
        batches: list[EventBatch] = []
        while self._at < len(self._records) and self._is_here():
            record = self._records[self._at]
            n = self._whole(record)
            if n:
                batches.append(self._batch(record.take(slice(0, n))))
            self._at += 1
            if n < len(record.numbers):
                self._break_off(record, n)
            self._let_go()
        self._look_for_end()
        return batches

    def _is_needed(self, block: Block) -> bool:
        """Whether any event that is still to be formed has a message of a block."""
        k = self._streams.index(block.stream)
        first, last = int(block.ids[0]), int(block.ids[-1])
        for at in range(self._at, len(self._records)):
            if int(self._lowest[at, k]) > last:
                return False
            ids = self._records[at].ids_in(k)
            if ((ids >= first) & (ids <= last)).any():
                return True
        return False

    def _is_here(self) -> bool:
        """Whether everything the next record needs has come, or never will."""
        highest = self._highest[self._at].tolist()
        return all(
            kept.is_closed or kept.last_id >= needed for kept, needed in zip(self._kept.values(), highest, strict=True)
        )

    def _whole(self, record: EventsFormed) -> int:
        """Return of how many events, from the first, every message is here."""
        n = len(record.numbers)
        for k, kept in enumerate(self._kept.values()):
            missing = kept.missing(record.ids_in(k))
            if missing.any():
                ends = np.cumsum(np.abs(record.counts[k]))
                n = min(n, int(np.searchsorted(ends, int(missing.argmax()), "right")))
        return n

    def _break_off(self, record: EventsFormed, n: int) -> None:
        lacking = [
            f"{stream} lacks message {int(ids[missing][0])}"
            for k, (stream, kept) in enumerate(self._kept.items())
            if (missing := kept.missing(ids := record.take(slice(n, n + 1)).ids_in(k))).any()
        ]
        what = "the end event" if record.kind == Kind.END else f"event {int(record.numbers[n])}"
        what = "the start event" if record.kind == Kind.START else what
        self.trouble = f"{self.name}: the recording ends before {what}: {', '.join(lacking)}"
        self._at = len(self._records)

    def _batch(self, record: EventsFormed) -> EventBatch:
        is_data = record.kind == Kind.DATA
        found = [self._part(record, k, is_data=is_data) for k in range(len(self._streams))]
        arrived = [arrived_ns for _, arrived_ns in found if arrived_ns]
        batch = EventBatch(
            join=self.name, names=self._streams, numbers=record.numbers, parts=tuple(part for part, _ in found),
            kind=Kind(record.kind), arrived_ns=min(arrived, default=0) if is_data else 0,
        )  # fmt: skip
        if is_data:
            self.formed += len(batch)
            self.next_number = int(record.numbers[-1]) + 1
            if self._is_promised:
                self.partial += count_partial(batch, self.trigger_map)
        return batch

    def _part(self, record: EventsFormed, k: int, *, is_data: bool) -> tuple[PartColumn, int]:
        counts = np.abs(record.counts[k]).astype(np.intp)
        is_range = is_data and (self._is_range[k] or bool((counts > 1).any()))
        present: NDArray[np.bool_] | None = counts > 0
        if is_range or not is_data or counts.all():
            present = None
        kept = self._kept[self._streams[k]]
        return kept.part(record.ids_in(k), present, counts if is_range else None)

    def _let_go(self) -> None:
        for k, kept in enumerate(self._kept.values()):
            kept.let_go(int(self._lowest[self._at, k]) if self._at < len(self._records) else int(NOTHING))

    def _look_for_end(self) -> None:
        """End with the end event; a recording without one ends with everything that was recorded."""
        if self._is_finished or self._at < len(self._records):
            return
        is_ended = bool(self._records) and self._records[-1].kind == Kind.END and not self.trouble
        if is_ended or all(kept.is_closed for kept in self._kept.values()):
            self._is_finished = True
            if not is_ended and not self.trouble and self._cut_off:
                behind = f"event {self.next_number - 1}" if self.formed else "its beginning"
                self.trouble = f"{self.name}: the recording ends behind {behind}: {self._cut_off}"


def _from(record: EventsFormed, first: int) -> EventsFormed | None:
    """Return what is said of the events from a number on."""
    if record.kind != Kind.DATA:
        return record
    at = int(np.searchsorted(record.numbers, first))
    return None if at == len(record.numbers) else record.take(slice(at, None))


def _needed(records: Sequence[EventsFormed], streams: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the lowest id that each record or any later one needs of each stream, and the highest that it needs."""
    lowest = np.full((len(records), streams), NOTHING, np.uint64)
    highest = np.zeros((len(records), streams), np.uint64)
    for at, record in enumerate(records):
        for k in range(streams):
            ids = record.ids_in(k)
            if len(ids):
                lowest[at, k], highest[at, k] = ids.min(), ids.max()
    return np.minimum.accumulate(lowest[::-1])[::-1], highest
