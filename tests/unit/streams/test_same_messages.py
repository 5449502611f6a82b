"""Two blocks hold the same messages, or a single bit differs."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Block, Message
from penstock.core.message import Kind
from penstock.streams.same_messages import same_messages
from tests.unit.wire.block_cases import blocks


def block(**changed: object) -> Block:
    """Return two messages of which one thing may be changed."""
    nan = np.array([1.0, np.nan])
    fields: dict[str, object] = {
        "key": 5,
        "timestamp_ns": 7,
        "metadata": {"a": [1, float("nan"), nan]},
        "array": nan,
        "more": (nan[:1],),
    }
    return Block.of("s", [Message(id=1, **fields), Message(id=2, **fields | changed)])  # type: ignore[arg-type]


@given(blocks, st.data())
def test_however_it_was_cut_it_is_the_same(whole: Block, data: st.DataObject) -> None:
    assert same_messages(whole, whole)
    cut = data.draw(st.integers(0, len(whole)))
    piece = whole.take(slice(cut, None))
    # Both by indices: those let NumPy make one byte of a text of none.
    assert same_messages(piece.take(np.arange(len(piece))), whole.take(np.arange(cut, len(whole))))
    assert same_messages(whole, piece) is (cut == 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"key": 6},
        {"timestamp_ns": 8},
        {"metadata": {"a": [2]}},
        {"metadata": {}},
        {"metadata": {"a": [1, float("nan"), np.array([1.0, 2.0])]}},
        {"array": np.array([1.5, np.nan])},
        {"array": np.array([1.0, np.nan], ">f8")},
        {"array": np.array([[1.0, np.nan]])},
        {"more": ()},
    ],
    ids=str,
)
def test_what_differs_is_seen(changed: dict[str, object]) -> None:
    assert same_messages(block(), block())
    assert not same_messages(block(), block(**changed))
    assert not same_messages(block(**changed), block())


def test_ids_kind_and_the_lack_of_keys_count() -> None:
    one = block()
    for other in (
        msgspec.structs.replace(one, ids=one.ids + np.uint64(1)),
        msgspec.structs.replace(one, kind=Kind.END),
        msgspec.structs.replace(one, keys=None),
    ):
        assert not same_messages(one, other)
    assert same_messages(one, msgspec.structs.replace(one, stream="another"))


def test_what_lies_between_fields_does_not_count() -> None:
    table = np.dtype([("count", "u1"), ("sum", "<f8")], align=True)
    one, other = (np.frombuffer(bytes([fill]) * 2 * table.itemsize, table).copy() for fill in (0, 255))
    for array in (one, other):
        array["count"], array["sum"] = 1, 2.5
    assert one.tobytes() != other.tobytes()
    ids = np.arange(1, 3, dtype=np.uint64)
    blocks = [
        Block(stream="s", kind=Kind.DATA, ids=ids, keys=None, timestamps=np.zeros(2, np.int64), columns=(array,))
        for array in (one, other)
    ]
    assert same_messages(*blocks)
    other["sum"][1] = 3
    assert not same_messages(*blocks)
