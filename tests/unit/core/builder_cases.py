"""What the tests of the event builder share: streams by hand, any interleaving of them, and the books' law."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from penstock.core import Block, EventBatch, Kind, Ledger, Message
from penstock.core.decoder import Traits
from penstock.core.event_builder import EventBuilder, JoinRule
from penstock.core.map_addition import MapAddition
from penstock.core.trigger_map import TriggerMap

PLAIN = Traits(number="n", has_start=False, has_end=False)
SCAN = Traits(number="n", first=0)

Told = tuple[str, int, tuple[Any, ...]]
"""Kind, number, and for each part its id, a tuple of ids, or ``None``."""


def block(stream: str, keys: Sequence[int], first_id: int, times: Sequence[int] | None = None) -> Block:
    """Make a block of data."""
    return Block(
        stream=stream,
        ids=np.arange(first_id, first_id + len(keys)).astype(np.uint64),
        keys=np.array(keys, np.uint64),
        timestamps=np.array(keys if times is None else times, np.int64),
    )


def flag(stream: str, kind: Kind, first_id: int = 9_000) -> Block:
    """Make the block of a start or an end."""
    return Block.of(stream, [Message(kind=kind, key=0)], first_id)


@st.composite
def cut(draw: st.DrawFn, stream: str, keys: Sequence[int]) -> list[Block]:
    """Cut a stream into blocks anywhere."""
    blocks, at = [], 0
    while at < len(keys):
        size = draw(st.integers(1, len(keys) - at))
        blocks.append(block(stream, keys[at : at + size], at + 1))
        at += size
    return blocks


@st.composite
def interleaved(draw: st.DrawFn, streams: Mapping[str, Sequence[Block]]) -> list[Block]:
    """Put the blocks of several streams in any order that keeps each stream's own."""
    left = {name: list(blocks) for name, blocks in streams.items() if blocks}
    order = []
    while left:
        name = draw(st.sampled_from(sorted(left)))
        order.append(left[name].pop(0))
        if not left[name]:
            del left[name]
    return order


class Case:
    """A builder with its ledger, fed step by step under the books' law."""

    def __init__(
        self,
        streams: Iterable[str],
        rule: JoinRule,
        traits: Traits = PLAIN,
        trigger_map: TriggerMap | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.builder = EventBuilder("scan", dict.fromkeys(streams, traits), rule, self.ledger, trigger_map)
        self.batches: list[EventBatch] = []

    def feed(self, blocks: Iterable[Block], now: int = 1) -> "Case":
        """Give blocks, one after the other."""
        for each in blocks:
            self._took(self.builder.handle(each, now))
        return self

    def close(self) -> "Case":
        """End all streams."""
        for stream in self.builder.streams:
            self._took(self.builder.close(stream))
        return self

    def grow(self, addition: MapAddition) -> "Case":
        """Append to the trigger map."""
        self._took(self.builder.extend(addition))
        return self

    def stop(self) -> "Case":
        """Let nothing more come."""
        self._took(self.builder.stop())
        return self

    def tick(self, now: int) -> "Case":
        """Let time pass."""
        self._took(self.builder.tick(now))
        return self

    def check_books(self) -> None:
        """In = sum of accounts + in flight, where the builder itself says what is in flight."""
        for stream in self.builder.streams:
            assert self.entry(stream).in_flight == self.builder.pending(stream), stream

    def entry(self, stream: str) -> Any:
        """Return the books of one stream."""
        return self.ledger.entry(stream, "scan")

    @property
    def told(self) -> list[Told]:
        """Everything formed, in order."""
        return [each for batch in self.batches for each in tell(batch)]

    @property
    def events(self) -> list[Told]:
        """The numbered events."""
        return [each for each in self.told if each[0] == "DATA"]

    def _took(self, batches: Sequence[EventBatch]) -> None:
        self.batches += batches
        self.check_books()


def tell(batch: EventBatch) -> list[Told]:
    """Say what a batch holds, in values that compare."""
    return [(event.kind.name, event.number, tuple(_part(part) for part in event.parts)) for event in batch.events()]


def _part(part: Any) -> Any:
    return part.id if isinstance(part, Message) else None if part is None else tuple(each.id for each in part)
