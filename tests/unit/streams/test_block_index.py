"""The index finds what looking at every block finds, however ids overlap and whatever was dropped."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.streams import block_index
from penstock.streams.block_index import BlockIndex, BlockRange

PAIRS = st.tuples(st.integers(1, 60), st.integers(1, 60)).map(lambda pair: (min(pair), max(pair)))
SPANS = st.builds(
    lambda n, ids, times: BlockRange(
        n=n, first_id=ids[0], last_id=ids[1], first_ns=times[0] - 30, last_ns=times[1] - 30
    ),
    st.integers(1, 5),
    PAIRS,
    PAIRS,
)
STEPS = st.lists(SPANS | st.just("drop"), max_size=30)


def made(steps: list[Any]) -> tuple[BlockIndex[int], list[tuple[int, int, BlockRange]]]:
    """Return an index, and what is in it as (position, item, span); items count up."""
    index: BlockIndex[int] = BlockIndex()
    plain: list[tuple[int, int, BlockRange]] = []
    arrived = item = 0
    for step in steps:
        if step != "drop":
            index.add(step, item)
            plain.append((arrived, item, step))
            arrived += step.n
            item += 1
        elif plain:
            assert index.drop_oldest() == plain.pop(0)[1]
        else:
            with pytest.raises(IndexError):
                index.drop_oldest()
    assert (index.arrived, len(index)) == (arrived, len(plain))
    return index, plain


@pytest.fixture(params=[1, 3, 1024], autouse=True, scope="module")
def _tidied_early(request: pytest.FixtureRequest) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_index, "DEAD_ROWS", request.param)
        yield


@given(STEPS, st.integers(0, 160))
def test_by_position(steps: list[Any], position: int) -> None:
    index, plain = made(steps)
    found = next(((begin, item) for begin, item, span in plain if begin + span.n > position), None)
    assert index.at(position) == found


@given(STEPS, PAIRS)
def test_by_id(steps: list[Any], ids: tuple[int, int]) -> None:
    index, plain = made(steps)
    expected = [(b, i, s) for b, i, s in plain if s.first_id <= ids[1] and s.last_id >= ids[0]]
    found = list(index.with_ids(*ids))
    assert sorted(found) == [(begin, item) for begin, item, _ in expected]
    firsts = {item: span.first_id for _, item, span in expected}
    assert [firsts[item] for _, item in found] == sorted(firsts.values())


@given(STEPS, PAIRS)
def test_by_time(steps: list[Any], times: tuple[int, int]) -> None:
    index, plain = made(steps)
    first_ns, last_ns = times[0] - 30, times[1] - 30
    expected = [(b, i) for b, i, s in plain if s.first_ns <= last_ns and s.last_ns >= first_ns]
    assert list(index.between(first_ns, last_ns)) == expected
