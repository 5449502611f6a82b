"""Events that were changed one by one, as columns again. What nobody changed stays the memory that it was."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.event import Event, EventBatch, Part, PartColumn
from penstock.core.message import Message

__all__ = ["batch_of_events"]


def batch_of_events(
    like: EventBatch, rows: Sequence[int], before: Sequence[Event], after: Sequence[Event]
) -> EventBatch:
    """Return the batch of some events of a batch, with the parts that they have now.

    Parameters
    ----------
    like
        Whose events they were.
    rows
        Which of them, ascending.
    before
        Those events as the batch gave them.
    after
        The same with parts replaced; of the same streams.

    Examples
    --------
    >>> from penstock.core.event import event_type
    >>> block = Block.of("a", [Message(array=np.array([1, 2])), Message(array=np.array([3, 4]))])
    >>> batch = EventBatch(
    ...     join="j", names=("a",), numbers=np.array([5, 6]), parts=(PartColumn(block=block, rows=slice(0, 2)),)
    ... )
    >>> events = list(batch.events())
    >>> doubled = event_type(("a",))(6, (Message(array=np.array([6, 8])),))
    >>> found = batch_of_events(batch, [1], events[1:], [doubled])
    >>> found.numbers.tolist(), found.parts[0].array.tolist()
    ([6], [[6, 8]])
    """
    chosen = np.array(rows, np.intp)
    whole: slice | NDArray[np.intp] = slice(0, len(like)) if len(rows) == len(like) else chosen
    parts = tuple(
        _column(like.names[k], like.parts[k], whole, [event.parts[k] for event in before],
                [event.parts[k] for event in after])
        for k in range(len(like.names))
    )  # fmt: skip
    return EventBatch(
        join=like.join, names=like.names, numbers=like.numbers[whole], parts=parts, kind=like.kind,
        arrived_ns=like.arrived_ns,
    )  # fmt: skip


def _column(
    stream: str, column: PartColumn, rows: slice | NDArray[np.intp], before: list[Part], after: list[Part]
) -> PartColumn:
    if all(one is other for one, other in zip(before, after, strict=True)):
        return column.take(rows)
    messages: list[Message] = []
    for part in after:
        messages += () if part is None else part if isinstance(part, tuple) else (part,)
    if not messages:
        return PartColumn(block=None)
    block: Any = Block.of(stream, messages)
    there = slice(0, len(messages))
    if any(isinstance(part, tuple) for part in after):
        counts = [0 if part is None else len(part) if isinstance(part, tuple) else 1 for part in after]
        return PartColumn(block=block, rows=there, counts=np.array(counts, np.intp))
    present = np.array([part is not None for part in after])
    return PartColumn(block=block, rows=there, present=None if present.all() else present)
