"""Ranges of results as descriptors: every value comes back as it was, large arrays as views of a slot."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst
from msgspec.structs import replace

from penstock.core.result_range import ResultRange
from penstock.errors import RemoteProtocolError, ResultTypeError
from penstock.wire.descriptors import MAX_MESSAGE, ResultsDescriptor, decode, encode, pack_results
from penstock.wire.integers import Integers
from penstock.wire.results import Form
from tests.unit.wire.block_cases import Corrupt, Pool, corruptions, empty_slot
from tests.unit.wire.value_cases import same, values


@dataclass(frozen=True)
class Spectrum:
    """What a user's worker might return."""

    counts: Any
    title: str = ""


SLOT_BYTES = 1 << 22
numbers_of_numpy = st.sampled_from("?bhilBHILefdFD").flatmap(lambda c: nst.from_dtype(np.dtype(c)))
stacked = st.tuples(nst.scalar_dtypes(), nst.array_shapes(max_dims=2, max_side=3)).flatmap(
    lambda t: st.lists(nst.arrays(*t), min_size=1, max_size=6)
)
large = st.sampled_from([
    np.arange(5000), np.zeros((3, 4000), ">f8")[:, ::-1], np.asfortranarray(np.arange(20_000).reshape(100, 200)),
    np.zeros(9000, [("a", "<u2"), ("b", ">f4")]),
])  # fmt: skip
holders = st.one_of(
    large, large.map(lambda a: {"image": a, "sum": 3}), large.map(lambda a: (a, [a, None])), large.map(Spectrum),
    st.tuples(large, values).map(list),
)  # fmt: skip
columns = st.one_of(
    st.lists(values, max_size=6),
    st.lists(st.floats() | st.none(), max_size=30),
    st.lists(st.integers(), max_size=30),
    st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.floats() | st.text(max_size=3)), max_size=9),
    st.sampled_from("?bhilBHILefdFD").flatmap(lambda c: st.lists(nst.from_dtype(np.dtype(c)), max_size=20)),
    stacked,
    st.lists(holders, max_size=4),
    st.lists(large, min_size=1, max_size=1).map(lambda one: one * 4),
    st.tuples(st.integers(10_000, 70_000), st.integers(1, 5)).map(lambda t: [b"x" * t[0]] * t[1]),
)


@st.composite
def ranges(draw: st.DrawFn) -> ResultRange:
    """Any results."""
    found = draw(columns)
    n = len(found)
    numbers = sorted(draw(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 99), min_size=n, max_size=n)))
    copies = draw(st.none() | st.lists(st.integers(-(2**31), 2**31 - 1), min_size=n, max_size=n))
    return ResultRange(
        stage=draw(st.text(max_size=4)),
        numbers=np.array(numbers, np.int64),
        values=draw(st.sampled_from([found, found, tuple(found), None])),
        revision=draw(st.integers(0, 2**40)),
        copies=None if copies is None else np.array(copies, np.int32),
    )


def travelled(results: ResultRange, pool: Pool, slot_bytes: int = SLOT_BYTES) -> list[ResultRange]:
    return [_read(message, pool) for message in messages(results, pool, slot_bytes)]


def messages(results: ResultRange, pool: Pool, slot_bytes: int = SLOT_BYTES) -> list[bytes]:
    found = []
    for packed in pack_results(results, slot_bytes):
        slot = None
        if packed.slot_bytes:
            room = empty_slot(packed.slot_bytes)
            packed.write(room)
            room.flags.writeable = False
            slot = pool.add(room)
        found.append(encode(packed.descriptor(slot)))
    return found


def _read(message: bytes, pool: Pool) -> ResultRange:
    found = decode(message).read(pool.read)
    assert isinstance(found, ResultRange)
    return found


def same_value(a: Any, b: Any) -> bool:
    if isinstance(a, Spectrum):
        return isinstance(b, Spectrum) and same_value(vars(a), vars(b))
    if isinstance(a, list | tuple) and type(a) is type(b):
        return len(a) == len(b) and all(map(same_value, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return same_value(list(a), list(b)) and same_value(list(a.values()), list(b.values()))
    return same(a, b)


def same_range(a: ResultRange, b: ResultRange) -> bool:
    heads = [
        (r.stage, r.revision, r.numbers.tolist(), r.values is None, None if r.copies is None else r.copies.tolist())
        for r in (a, b)
    ]
    values = [[] if r.values is None else list(r.values) for r in (a, b)]
    return heads[0] == heads[1] and same_value(*values)


@given(ranges())
def test_any_results_come_back(results: ResultRange) -> None:
    (found,) = travelled(results, Pool())
    assert same_range(found, results)


@given(ranges(), corruptions())
def test_damaged_bytes_are_refused_or_are_results(results: ResultRange, corrupt: Corrupt) -> None:
    pool = Pool()
    (message,) = messages(results, pool)

    def read(slot: Any, nbytes: int) -> Any:
        if (slot.pool, slot.generation) != ("detector", 3) or slot.index >= len(pool.slots):
            raise RemoteProtocolError("no such slot")
        return pool.read(slot, nbytes)

    try:
        found = decode(corrupt(message)).read(read)
    except RemoteProtocolError:
        return
    assert isinstance(found, ResultRange)
    assert found.values is None or len(found.values) == len(found)


@given(st.lists(holders, min_size=1, max_size=3), corruptions())
def test_a_damaged_slot_is_refused_or_holds_results(held: list[Any], corrupt: Corrupt) -> None:
    pool = Pool()
    (message,) = messages(ResultRange(stage="fit", numbers=np.arange(len(held)), values=held), pool)
    pool.slots = [np.frombuffer(corrupt(slot.tobytes()), np.uint8) for slot in pool.slots]
    try:
        found = _read(message, pool)
    except RemoteProtocolError:
        return
    assert len(found) == len(held)


@pytest.mark.parametrize("wrap", [lambda a: a, lambda a: {"image": a}, lambda a: [1, (a,)], Spectrum])
def test_large_arrays_are_views_of_the_slot_at_cache_lines(wrap: Any) -> None:
    image = np.arange(1 << 16, dtype=np.float64).reshape(256, 256)
    pool = Pool()
    (found,) = travelled(ResultRange(stage="fit", numbers=np.arange(2), values=[wrap(image), wrap(image)]), pool)
    assert found.values is not None
    for value in found.values:
        while not isinstance(value, np.ndarray):
            held = vars(value) if isinstance(value, Spectrum) else value
            value = next(v for v in (held.values() if isinstance(held, dict) else held) if not isinstance(v, int | str))
        assert np.shares_memory(value, pool.slots[0])
        assert value.base is pool.slots[0].base
        assert not value.flags.writeable
        assert value.__array_interface__["data"][0] % 64 == 0
        assert np.array_equal(value, image)


def test_small_values_need_no_slot() -> None:
    for small in ([1.5] * 4096, [np.float64(1)] * 4096, [{"a": 1}] * 4096, [np.zeros(2)] * 4096, [None] * 4096, None):
        results = ResultRange(stage="fit", numbers=np.arange(4096), values=small)
        (packed,) = pack_results(results, 0)
        assert not packed.slot_bytes
        assert same_range(_read(encode(packed.descriptor()), Pool()), results)


@pytest.mark.parametrize("dtype", ["<f8", ">u2", "?", "c8", "M8[us]", "U3", [("a", "u1"), ("b", "<f4")]])
@pytest.mark.parametrize("shape", [(), (3,), (0,), (90, 60)])
def test_the_rows_of_an_array_come_back(dtype: Any, shape: tuple[int, ...]) -> None:
    column = np.arange(5 * math.prod(shape)).astype("U3" if dtype == "U3" else "i8").astype(dtype)
    column = column.reshape(5, *shape)[::-1]
    results = ResultRange(stage="fit", numbers=np.arange(5), values=column)
    (found,) = travelled(results, Pool())
    assert same_range(found, replace(results, values=list(column)))


def test_a_column_of_numbers_stays_an_array() -> None:
    for column in (np.arange(4096.0), np.arange(8192, dtype="u2").reshape(4096, 2)):
        (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(4096), values=column), 0)
        found = _read(encode(packed.descriptor()), Pool()).values
        assert isinstance(found, np.ndarray)
        assert not found.flags.writeable
        assert same(found, column)


def test_arrays_that_are_no_buffers_come_back() -> None:
    times = np.zeros((3, 2), "M8[us]")
    for arrays in ([times] * 3, [np.zeros((40, 30)).T] * 2):
        results = ResultRange(stage="fit", numbers=np.arange(len(arrays)), values=arrays)
        (found,) = travelled(results, Pool())
        assert same_range(found, results)


@pytest.mark.parametrize("value", [np.zeros(10_000), {"image": np.zeros(10_000)}, "x" * 80_000])
def test_what_does_not_fit_one_slot_is_split_over_several(value: Any) -> None:
    results = ResultRange(
        stage="fit", numbers=np.arange(50) * 3, values=[value] * 50, copies=np.arange(50, dtype=np.int32)
    )
    pool = Pool()
    found = travelled(results, pool, 200_000)
    assert all(len(slot) <= 200_000 for slot in pool.slots)
    assert len(found) > 1
    assert np.concatenate([piece.numbers for piece in found]).tolist() == results.numbers.tolist()
    assert all(same_range(piece, results.take(slice(k, k + len(piece)))) for k, piece in zip(
        np.cumsum([0, *map(len, found)]).tolist(), found, strict=False))  # fmt: skip


def test_what_does_not_fit_one_message_is_split_over_several() -> None:
    n = 100_000
    results = ResultRange(stage="fit", numbers=np.arange(n) ** 2, values=None, copies=None)
    pool = Pool()
    found = messages(results, pool)
    assert all(len(message) <= MAX_MESSAGE for message in found)
    assert sum(len(_read(message, pool)) for message in found) == n


def test_a_result_larger_than_a_slot_is_named() -> None:
    results = ResultRange(stage="fit", numbers=np.arange(6, 8), values=[np.zeros(1000_000), None])
    with pytest.raises(ResultTypeError, match=r"stage fit: the result of event 6 needs 8000000 bytes; .* has 1048576"):
        pack_results(results, 1 << 20)
    with pytest.raises(ResultTypeError, match=r"stage fit: the result of event 6 needs 8000000 bytes; .* has 0"):
        pack_results(results, 0)


def test_mistakes_of_a_caller_are_named() -> None:
    results = ResultRange(stage="fit", numbers=np.arange(1), values=[np.zeros(10_000)])
    (packed,) = pack_results(results, SLOT_BYTES)
    with pytest.raises(ValueError, match="need a slot"):
        packed.descriptor()
    with pytest.raises(ValueError, match="do not fit into a slot of 100"):
        packed.write(empty_slot(100))
    with pytest.raises(ResultTypeError, match="holds a object"):
        pack_results(ResultRange(stage="fit", numbers=np.arange(1), values=[object()]), SLOT_BYTES)


def test_a_form_that_is_not_of_its_type_is_refused() -> None:
    (packed,) = pack_results(ResultRange(stage="fit", numbers=np.arange(2), values=[np.zeros(2)] * 2), 0)
    good = packed.descriptor()
    fields = {name: getattr(good, name) for name in ResultsDescriptor.__struct_fields__}
    changes: list[dict[str, Any]] = [
        {"form": Form.NUMBERS},
        {"form": Form.VALUES},
        {"item": b"\x91\xc0"},
        {"item": b"\x90"},
        {"body": memoryview(b"123")},
        {"body_at": (0, 32)},
        {"body_at": (2**62, 2**62)},
        {"numbers": Integers(1, 0, 1)},
        {"copies": Integers(1, 0, 1)},
        {"copies": Integers(2, 2**40, 1)},
    ]
    for change in changes:
        with pytest.raises(RemoteProtocolError):
            decode(encode(ResultsDescriptor(**fields | change))).read(Pool().read)
