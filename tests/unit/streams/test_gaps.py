"""Gaps are the ids that are not there, as ranges, in whatever order ids came."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.streams.gaps import Gaps, gaps_of
from penstock.streams.memory_store import MemoryStore

ADDRESS = StreamAddress.parse("a/b/c")


def gaps(blocks: list[list[int]], most: int = 20, bound: int | None = None) -> Gaps:
    with MemoryStore(most_bytes=bound) as store:
        with store.write(ADDRESS) as writer:
            for ids in blocks:
                n = len(ids)
                writer.append(Block(stream="", ids=np.array(ids, np.uint64), timestamps=np.zeros(n, np.int64)))
        with store.read(ADDRESS) as reader:
            return gaps_of(reader, most)


@given(st.lists(st.integers(1, 60), min_size=1, unique=True), st.integers(1, 30))
def test_gaps_and_ids_make_up_all_ids(ids: list[int], most: int) -> None:
    found = gaps([[n] for n in ids], most)
    lacking = [n for first, last in found.ranges for n in range(first, last + 1)]
    expected = sorted(set(range(1, max(ids))) - set(ids))
    assert lacking == expected if found.is_complete else lacking == expected[: len(lacking)]
    assert len(found.ranges) == most if not found.is_complete else len(found.ranges) <= most
    assert all(one[1] + 1 < other[0] for one, other in zip(found.ranges, found.ranges[1:], strict=False))


def test_no_more_ranges_than_are_read_and_it_is_said() -> None:
    assert str(gaps([[2, 4, 6, 9]], 2)) == "1, 3, and more"
    assert str(gaps([[2, 4, 6, 9]])) == "1, 3, 5, 7–8"
    assert str(gaps([[1, 2, 3]])) == "nothing"
    assert str(gaps([])) == "nothing"
    assert str(gaps([[2**63]])) == f"1–{2**63 - 1}"


def test_what_was_removed_is_not_there() -> None:
    kept = gaps([[n] for n in range(1, 50)], bound=1000)
    ((first, last),) = kept.ranges
    assert first == 1
    assert last > 1
