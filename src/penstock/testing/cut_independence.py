"""Whether what user code makes of an event depends on which events come with it, which no engine promises."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.core.block import Block
from penstock.core.event import Event, EventBatch, PartColumn
from penstock.core.message import Message
from penstock.wire.values import encode_value

__all__ = ["assert_cut_independent", "make_batch"]


def make_batch(*events: Event, join: str = "join") -> EventBatch:
    """Make a batch of events made by hand, as ``process_batch`` gets it.

    >>> from penstock.testing import make_event
    >>> batch = make_batch(*(make_event(n, motor={"x": n / 2}, camera=np.full((2, 2), n)) for n in range(3)))
    >>> batch.numbers.tolist(), batch.parts[1].block.columns[0].shape
    ([0, 1, 2], (3, 2, 2))

    Parameters
    ----------
    events
        At least one; of the same streams and kind, their numbers ascending.
    join
        The name of what would have formed them.

    Raises
    ------
    ValueError
        If they cannot be one batch.
    """
    if not events:
        raise ValueError("a batch has at least one event")
    names, kind = events[0].names, events[0].kind
    numbers = np.array([event.number for event in events], np.int64)
    if any(event.names != names or event.kind is not kind for event in events):
        raise ValueError("events of one batch have the same streams, in the same order, and the same kind")
    if (np.diff(numbers) <= 0).any():
        raise ValueError(f"the numbers of a batch's events ascend; these are {numbers.tolist()}")
    parts = tuple(_part_column(name, [event.parts[k] for event in events]) for k, name in enumerate(names))
    return EventBatch(join=join, names=names, numbers=numbers, parts=parts, kind=kind)


def assert_cut_independent(
    process_batch: Callable[[EventBatch], Any], events: EventBatch | Sequence[Event], *, cuts: int = 50, seed: int = 0
) -> None:
    """Check that a ``process_batch`` gives every event the same value, to the byte, whatever batch it comes in.

    How events are cut into batches depends on when they arrive, so that only such code has results that a replay, or
    the other engine, gives again. What usually breaks it is a dtype or a length chosen by what else is in the batch, a
    sum that goes over events, and something remembered from one call to the next.

    >>> from penstock.testing import make_event
    >>> events = [make_event(n, camera=np.full(4, n)) for n in range(5)]
    >>> assert_cut_independent(lambda batch: batch.parts[0].block.columns[0][batch.parts[0].rows].sum(axis=1), events)

    Parameters
    ----------
    process_batch
        A function, or the method of a worker. It is called many times.
    events
        Two or more that show what may differ: absent parts, other shapes, extreme values.
    cuts
        How many cuts are tried at random, besides all events at once, each by itself, and all cuts in two.
    seed
        Of those at random.

    Raises
    ------
    AssertionError
        If an event's values differ, or a batch of n events has not n values; it names the event and both batches.
    """
    batch = events if isinstance(events, EventBatch) else make_batch(*events)
    found: dict[int, tuple[bytes, Any, range]] = {}
    for cut in _cuts(len(batch), cuts, random.Random(seed)):
        for rows in cut:
            numbers = batch.numbers[rows.start : rows.stop].tolist()
            values = process_batch(batch.take(slice(rows.start, rows.stop)))
            for number, value in zip(numbers, _one_each(values, numbers), strict=True):
                written = encode_value(value)
                first, as_first, among = found.setdefault(number, (written, value, rows))
                if written != first:
                    raise AssertionError(
                        f"event {number} is {as_first!r} in a batch of {_named(batch, among)}, "
                        f"but {value!r} in one of {_named(batch, rows)}"
                    )


def _part_column(name: str, parts: Sequence[Any]) -> PartColumn:  # of Part
    if all(part is None for part in parts):
        return PartColumn(block=None)
    if any(isinstance(part, tuple) for part in parts):
        ranges = [part if isinstance(part, tuple) else () if part is None else (part,) for part in parts]
        return _column(name, [m for each in ranges for m in each], counts=np.array([len(each) for each in ranges]))
    present = np.array([part is not None for part in parts])
    return _column(name, [part for part in parts if part is not None], present=None if present.all() else present)


def _column(name: str, messages: Sequence[Message], **which: Any) -> PartColumn:
    return PartColumn(block=Block.of(name, messages), rows=slice(0, len(messages)), **which)


def _cuts(n: int, many: int, dice: random.Random) -> Iterator[list[range]]:
    """Yield ways to cut ``n`` events, as the rows of each batch."""
    for inner in ((), tuple(range(1, n)), *((k,) for k in range(1, n))):
        yield _pieces(n, inner)
    for _ in range(many if n > 2 else 0):
        yield _pieces(n, sorted(dice.sample(range(1, n), dice.randint(1, n - 1))))


def _pieces(n: int, inner: Sequence[int]) -> list[range]:
    return [range(first, last) for first, last in zip((0, *inner), (*inner, n), strict=True)]


def _one_each(values: Any, numbers: Sequence[int]) -> list[Any]:
    found = [None] * len(numbers) if values is None else list(values)
    if len(found) != len(numbers):
        raise AssertionError(
            f"process_batch returned {len(found)} values for the {len(numbers)} events {numbers[0]} to {numbers[-1]}; "
            "return one value each, None for an event without"
        )
    return found


def _named(batch: EventBatch, rows: range) -> str:
    first, last = batch.numbers[rows.start], batch.numbers[rows.stop - 1]
    return f"event {first} alone" if first == last else f"events {first} to {last}"
