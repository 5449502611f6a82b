"""What a query finds."""

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.message import Message
from penstock.core.query import Query, message_record
from penstock.core.query_tree import QueryTree
from tests.unit.core.query_cases import answer, fits, queries, records, written

RECORD: Mapping[str, Any] = {
    "_id": 7,
    "name": "run_7.h5",
    "timestamp": 1_700_000_000_000_000_000,
    "size": 0,
    "meta": {
        "energy": 7.5, "count": -3, "text": "it's", "empty": "", "on": True, "null": None, "nan": float("nan"),
        "roi": [1, 20], "tags": ["dark", "flat"], "a.b c": 1, "deep": {"er": [{"est": 4}]}, "big": 2**64 - 1,
    },
}  # fmt: skip


@given(queries, records)
def test_a_query_fits_what_the_plain_way_finds(query: QueryTree, record: Mapping[str, Any]) -> None:
    assert Query.parse(written(query)).matches(record) == (query.condition is None or fits(query.condition, record))


@given(queries, st.lists(records, max_size=8))
def test_a_query_selects_what_the_plain_way_finds(query: QueryTree, given: Sequence[Mapping[str, Any]]) -> None:
    found = list(Query.parse(written(query)).select(iter(given)))
    assert [id(each) for each in found] == [id(each) for each in answer(query, given)]


@pytest.mark.parametrize(
    "text",
    [
        "_id = 7", "_id = 7.0", "_id >= 7", "_id <= 7", "_id < 7.5", "_id > 6.5", "_id != 8", "_id <> 8", "_id > -1",
        "name = 'run_7.h5'", "name REGEXP '^run_[0-9]+'", "name REGEXP '7'", "name NOT REGEXP '^7'", "name > 'a'",
        "timestamp = 1700000000000000000", "size = 0", "meta.energy BETWEEN 7.5 AND 8", "meta.energy BETWEEN 7 AND 7.5",
        "meta.energy NOT BETWEEN 8 AND 9", "meta.energy NOT BETWEEN 5 AND 7.4", "meta.count < -2.5", "meta.count = -3",
        "meta.text = 'it''s'", "meta.empty = ''", "meta.empty REGEXP ''", "meta.on = TRUE", "meta.on != FALSE",
        "meta.on > FALSE", "meta.big = 18446744073709551615", "meta.energy IN ('a', 7.5, TRUE)", "meta.on IN (1, TRUE)",
        "meta.energy NOT IN (1, 2)", 'meta."a.b c" = 1', "meta.roi[0] = 1", "meta.deep.er[0].est = 4",
        "meta.null IS NULL", "meta.missing IS NULL", "meta.missing.deeper IS NULL", "meta.roi IS NOT NULL",
        "NOT (_id = 8)", "NOT _id = 8 AND NOT _id = 9", "_id = 7 OR _id = 8 AND _id = 9", "meta.nan != 1",
    ],
)  # fmt: skip
def test_what_fits(text: str) -> None:
    assert Query.parse(text).matches(RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "_id < 7", "_id > 7", "_id != 7",
        "_id = '7'", "_id = TRUE", "_id > 'a'", "name > 5", "name BETWEEN 1 AND 2", "meta.on = 1", "meta.on < 5",
        "meta.on IN (1)", "meta.count IN (TRUE)", "meta.nan = 1", "meta.nan < 1", "meta.nan > 1", "_id REGEXP '7'",
        "meta.energy NOT BETWEEN 7.5 AND 8", "meta.energy BETWEEN 8 AND 7", "meta.roi[2] = 1", "meta.roi.x = 1",
        "meta[0] = 1", "name[0] = 'r'", "name.x = 1", "META.energy = 7.5", "meta.null IS NOT NULL", "meta.null = 0",
        "meta = 1", "meta.deep = 4", "(_id = 7 OR _id = 8) AND _id = 9", "NOT (_id = 7)", "meta.roi IS NULL",
    ],
)  # fmt: skip
def test_what_does_not_fit(text: str) -> None:
    assert not Query.parse(text).matches(RECORD)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("meta.x = 1", False), ("meta.x < 1", False), ("meta.x >= 1", False), ("meta.x IN (1)", False),
        ("meta.x BETWEEN 1 AND 2", False), ("meta.x REGEXP ''", False), ("meta.x IS NOT NULL", False),
        ("meta.x != 1", True), ("meta.x NOT IN (1)", True), ("meta.x NOT REGEXP ''", True), ("meta.x IS NULL", True),
        ("meta.x NOT BETWEEN 1 AND 2", False), ("NOT (meta.x BETWEEN 1 AND 2)", True), ("NOT (meta.x = 1)", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("meta", [{}, {"x": None}, {"x": {"y": 1}}, {"x": []}, {"x": b"1"}, 5])
def test_what_is_missing_or_of_another_type_fits_only_what_says_not(text: str, holds: bool, meta: Any) -> None:
    is_there = isinstance(meta, dict) and meta.get("x") is not None
    assert Query.parse(text).matches({"meta": meta}) == (holds if not ("NULL" in text and is_there) else "NOT" in text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("meta.tags = 'flat'", True), ("meta.tags = 'dar'", False), ("meta.tags != 'flat'", False),
        ("meta.tags != 'other'", True), ("meta.tags IN ('x', 'dark')", True), ("meta.tags NOT IN ('dark')", False),
        ("meta.tags REGEXP '^f'", True), ("meta.roi > 10", True), ("meta.roi > 20", False),
        ("meta.roi BETWEEN 5 AND 15", False), ("meta.roi NOT BETWEEN 0 AND 19", True),
    ],
)  # fmt: skip
def test_of_a_list_one_element_must_fit(text: str, holds: bool) -> None:
    assert Query.parse(text).matches(RECORD) == holds


class Shutter(StrEnum):
    OPEN = "open"


class Filter(IntEnum):
    NONE = 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float32(0.5), "x = 0.5"), (np.uint64(2**64 - 1), "x = 18446744073709551615"), (np.bool_(1), "x = TRUE"),
        (np.str_("a"), "x = 'a'"), (np.array([1, 2]), "x = 2"), (np.array([1, 2]), "x[1] = 2"), (np.array(5), "x = 5"),
        (Shutter.OPEN, "x = 'open'"), (Filter.NONE, "x = 0"), ((1, 2), "x[0] = 1"), ("\ud800", "x REGEXP '^.$'"),
        (MappingProxyType({"y": 1}), "x.y = 1"),
    ],
)  # fmt: skip
def test_values_that_decoders_leave_in_metadata_are_compared_as_what_they_mean(value: Any, text: str) -> None:
    assert Query.parse(text).matches({"x": value})
    assert not Query.parse(f"NOT ({text})").matches({"x": value})
    assert list(Query.parse("ORDER BY x").select([{"x": value}])) == [{"x": value}]


def test_every_type_has_its_place_in_an_order() -> None:
    values: list[Any] = [[1], True, "b", 2, float("nan"), None, {}, False, "a", 1.5, -3]
    given: list[dict[str, Any]] = [{"_id": k, "x": value} for k, value in enumerate(values)]
    up = [record["_id"] for record in Query.parse("ORDER BY x").select([*given, {"_id": 99}])]
    assert up == [5, 99, 4, 10, 9, 3, 8, 2, 7, 1, 0, 6]
    down = [record["_id"] for record in Query.parse("ORDER BY x DESC").select([*given, {"_id": 99}])]
    assert down == [0, 6, 1, 7, 2, 8, 3, 9, 10, 4, 5, 99]  # those that are equal stay as they came


def test_several_fields_order_each_in_its_direction() -> None:
    given = [{"_id": k, "a": k % 2, "b": f"{k % 3}"} for k in range(6)]
    found = Query.parse("ORDER BY a DESC, b, _id DESC").select(given)
    assert [(record["a"], record["b"]) for record in found] == [
        (1, "0"),
        (1, "1"),
        (1, "2"),
        (0, "0"),
        (0, "1"),
        (0, "2"),
    ]


@pytest.mark.parametrize("text", ["_id > 2 LIMIT 2 OFFSET 1", "LIMIT 0", "LIMIT 0 OFFSET 5"])
def test_without_an_order_no_more_is_taken_than_is_needed(text: str) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Mapping[str, Any]]:
        while True:
            taken.append(len(taken))
            yield {"_id": taken[-1]}

    found = [record["_id"] for record in Query.parse(text).select(endless())]
    assert found == ([4, 5] if found else [])
    assert len(taken) <= 6


@pytest.mark.parametrize("order", ["ORDER BY _id DESC", "ORDER BY x, _id DESC"])
def test_with_an_order_and_a_limit_few_records_are_kept(order: str) -> None:
    class Counted(dict[str, Any]):
        alive = 0
        most = 0

        def __init__(self, number: int) -> None:
            super().__init__(_id=number, x=0)
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)

        def __del__(self) -> None:
            Counted.alive -= 1

    found = Query.parse(f"{order} LIMIT 3 OFFSET 2").select(Counted(number) for number in range(1000))
    assert [record["_id"] for record in found] == [997, 996, 995]
    assert Counted.most < 10


def test_numbers_of_any_size_limit() -> None:
    query = Query.parse(f"ORDER BY _id LIMIT {10**50} OFFSET 1")
    assert [record["_id"] for record in query.select([{"_id": 2}, {"_id": 1}])] == [2]
    assert list(Query.parse(f"OFFSET {10**50}").select([{"_id": 1}])) == []
    assert list(Query.parse(f"LIMIT {2**63 - 1} OFFSET {2**63 - 1}").select([{"_id": 1}])) == []


def test_a_pattern_cannot_take_for_ever() -> None:
    """Python's own patterns would need 2**100 000 steps."""
    assert not Query.parse("x REGEXP '^(a+)+$'").matches({"x": "a" * 100_000 + "b"})


def test_the_fields_of_a_query_are_named_once_each() -> None:
    query = Query.parse("meta.roi[0] = 1 AND (NOT _id IN (1) OR meta.roi[0] IS NULL) ORDER BY timestamp, _id")
    assert query.fields == (("meta", "roi", 0), ("_id",), ("timestamp",))
    assert Query.parse("").fields == ()


def test_the_record_of_a_message() -> None:
    message = Message(5, 50, 10**18, {"x": 1}, np.zeros((2, 3), np.uint16), (np.zeros(5, np.uint8),))
    assert message_record(message) == {"_id": 5, "key": 50, "timestamp": 10**18, "size": 17, "meta": {"x": 1}}
    bare = message_record(Message(1))
    assert (bare["key"], bare["size"]) == (None, 0)
    assert Query.parse("meta.x = 1 AND key BETWEEN 50 AND 60 AND size > 0").matches(message_record(message))
    assert Query.parse("key IS NULL AND meta.x IS NULL").matches(bare)


def test_a_query_shows_its_text() -> None:
    assert repr(Query.parse("_id = 1")) == "Query('_id = 1')"
