"""Messages of blocks whose ids lie between each other's come in the order of their ids, as slices of the blocks."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from penstock.streams.id_order import by_id
from penstock.streams.store import StoredBlock
from penstock.testing.store_cases import arrived, message, numbered, told

OWNERS = st.lists(st.integers(0, 5), max_size=40)
"""For each id from 1 on, the block that has it; 0 for none."""


@given(OWNERS, st.integers(1, 42), st.integers(1, 42))
def test_any_blocks_in_any_range(owners: list[int], one: int, other: int) -> None:
    ids = [[at for at, owner in enumerate(owners, 1) if owner == number] for number in range(1, 6)]
    stored = [StoredBlock(block=numbered(*some), position=100 * some[0]) for some in sorted(filter(None, ids))]
    first, last = min(one, other), max(one, other)
    found = list(by_id(stored, first, last))
    expected = [at for at, owner in enumerate(owners, 1) if owner and first <= at <= last]
    assert arrived(found) == told(map(message, expected))
    for piece in found:
        whole = next(block for block in stored if piece.block.ids[0] in block.block.ids)
        at = whole.block.ids.tolist().index(piece.block.ids[0])
        assert piece.position == whole.position + at
        assert piece.block.timestamps.base is not None, "it was copied"
    changes = sum(owners[a - 1] != owners[b - 1] for a, b in pairwise(expected))
    assert len(found) == (changes + 1 if expected else 0), "more pieces than need be"
