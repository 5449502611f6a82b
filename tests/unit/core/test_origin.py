"""Where data came from: it is accounted for when nothing that was made of it is left, and not before."""

import numpy as np

from penstock.core import Block, Message
from penstock.core.block import concatenate
from penstock.core.event import EventBatch, PartColumn
from penstock.core.origin import Origin, united
from penstock.core.resequencer import Resequencer
from penstock.core.result_range import ResultRange
from penstock.services.flow import origins_of


def block(first: int, gone: list[tuple[int, int]], n: int = 4) -> Block:
    made = Block.of("a", [Message(key=k, array=np.full(2, k)) for k in range(n)], first)
    return Block(
        stream="a", ids=made.ids, timestamps=made.timestamps, columns=made.columns,
        origins=(Origin(first, first + n - 1, gone.append),),
    )  # fmt: skip


def test_rows_of_a_block_lead_to_all_of_it() -> None:
    gone: list[tuple[int, int]] = []
    whole = block(1, gone)
    part, picked = whole.take(slice(0, 2)), whole.take(np.array([3]))
    del whole
    assert not gone
    del part
    assert not gone
    del picked
    assert gone == [(1, 4)]


def test_what_is_put_together_leads_to_all_it_was_made_of() -> None:
    gone: list[tuple[int, int]] = []
    both = concatenate([block(1, gone), block(5, gone).take(slice(0, 1))])
    assert not gone
    batch = EventBatch(
        join="scan", names=("a", "b"), numbers=np.arange(2),
        parts=(PartColumn(block=both, rows=slice(0, 2)), PartColumn(block=None)),
    )  # fmt: skip
    del both
    result = ResultRange(stage="s", numbers=batch.numbers, values=[1, 2], origins=origins_of(batch.take(slice(1, 2))))
    del batch
    assert not gone
    del result
    assert sorted(gone) == [(1, 4), (5, 8)]


def test_results_that_leave_in_another_order_lead_to_theirs() -> None:
    gone: list[tuple[int, int]] = []
    resequencer = Resequencer()
    resequencer.expect(np.arange(4))
    for numbers, first in (([1, 3], 1), ([0, 2], 5)):
        origins = block(first, gone).origins
        released = resequencer.handle(
            ResultRange(stage="s", numbers=np.array(numbers), values=numbers, origins=origins)
        )
        del origins
    assert not gone
    assert [number for each in released for number in each.numbers.tolist()] == [0, 1, 2, 3]
    del released
    assert sorted(gone) == [(1, 4), (5, 8)]


def test_each_origin_is_there_once() -> None:
    origin = Origin(1, 2, lambda _: None)
    other = Origin(3, 4, lambda _: None)
    assert united([(origin,), (), (other, origin)]) == (origin, other)
