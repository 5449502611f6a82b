"""A trigger map as tables that travel: the map made of them says the same of every event."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.map_addition import MapAddition
from penstock.core.map_part import CellColumn, MapPart
from penstock.core.map_reader import read_map
from penstock.core.routes import ALL, GENERIC, NOWHERE
from penstock.core.trigger_map import TriggerMap
from penstock.errors import MapError
from penstock.wire.values import decode_value, encode_value

STREAMS = ("a", "b", "c")
TAG_SETS = (GENERIC, frozenset({"debug"}), frozenset({"generic", "gpu"}))


@st.composite
def columns(draw: st.DrawFn, n: int, tag_sets: int) -> CellColumn:
    """What a stream does in n events: absent, discarded, for one, for several, for all, with tags."""
    width = draw(st.integers(1, 3))
    destinations = np.array([ALL, NOWHERE, 0, 1, 2, draw(st.integers(0, 10**15))])
    random = np.random.default_rng(draw(st.integers(0, 9999)))
    present = random.random(n) < draw(st.sampled_from([0.3, 0.8, 1.0]))
    constraint = np.where(present, random.choice(destinations, (width, n)), NOWHERE)
    codes = random.integers(0, tag_sets, (width, n), np.int16)
    return CellColumn(present=present, constraint=constraint, tags_code=codes)


@st.composite
def parts(draw: st.DrawFn) -> MapPart:
    """Any table of up to six events."""
    n = draw(st.integers(1, 6))
    tag_sets = draw(st.integers(1, len(TAG_SETS)))
    streams = draw(st.lists(st.sampled_from(STREAMS), min_size=1, unique=True))
    return MapPart({stream: draw(columns(n, tag_sets)) for stream in streams}, TAG_SETS[:tag_sets])


@st.composite
def maps(draw: st.DrawFn) -> TriggerMap:
    """Any map, with parts that come again and parts that do not come at all."""
    found = draw(st.dictionaries(st.text(max_size=3), parts(), min_size=1, max_size=3))
    sequence = draw(st.lists(st.sampled_from(sorted(found)), min_size=1, max_size=5))
    flags = {name: draw(st.booleans()) for name in ("wrap", "is_open", "is_endless")}
    return TriggerMap(found, sequence, **flags)


def travelled(trigger_map: TriggerMap) -> TriggerMap:
    return TriggerMap.of_tables(decode_value(encode_value(trigger_map.tables())))


def said(trigger_map: TriggerMap, numbers: Any) -> list[Any]:
    """Everything a map says of some events."""
    routes = trigger_map.routes(numbers, STREAMS)
    columns = (routes.constraint, routes.tags_code, routes.streams)
    counted = [(trigger_map.count(stream), trigger_map.positions_up_to(stream, 4)) for stream in STREAMS]
    return [
        [None if column is None else column.tolist() for column in columns],
        (routes.tag_sets, routes.width, routes.horizon),
        [trigger_map.expected(stream, numbers).tolist() for stream in STREAMS],
        [trigger_map.kept(stream, numbers).tolist() for stream in STREAMS],
        counted,
        (trigger_map.planned, trigger_map.length, trigger_map.streams, trigger_map.tags),
        (trigger_map.wrap, trigger_map.is_open, trigger_map.is_endless),
        trigger_map.is_full(int(numbers[0]), int(numbers[-1])),
        [str(problem) for problem in trigger_map.problems(("a", "b"), [GENERIC])],
    ]


@given(maps(), st.sets(st.integers(0, 40), min_size=1))
def test_any_map_comes_back(trigger_map: TriggerMap, some: set[int]) -> None:
    last = 40 if trigger_map.length is None else trigger_map.length - 1
    numbers = np.array(sorted({min(number, last) for number in some}), np.int64)
    again = travelled(trigger_map)
    assert said(again, numbers) == said(trigger_map, numbers)
    assert said(travelled(again), numbers) == said(trigger_map, numbers)


@given(maps())
def test_messages_are_of_the_same_events(trigger_map: TriggerMap) -> None:
    again = travelled(trigger_map)
    for stream in trigger_map.streams:
        if trigger_map.count(stream):
            positions = np.arange(trigger_map.count(stream) or 0)
            assert again.numbers(stream, positions).tolist() == trigger_map.numbers(stream, positions).tolist()


def test_an_open_map_can_go_on_and_a_closed_one_cannot() -> None:
    part = MapPart.uniform({"a": 1}, 3)
    again = travelled(TriggerMap({"p": part}, is_open=True))
    again.append(["p", "p"])
    assert again.length == 9
    again.add(MapAddition(is_last=True))
    with pytest.raises(MapError, match="closed"):
        travelled(again).append(["p"])


def test_what_was_appended_travels_too() -> None:
    trigger_map = TriggerMap({"p": MapPart.uniform({"a": 1}, 3)}, is_open=True)
    trigger_map.append(["q", "p"], {"q": MapPart.uniform({"b": 2}, 4)})
    again = travelled(trigger_map)
    assert (again.length, again.streams) == (10, ("a", "b"))
    assert again.expected("b", np.arange(10)).tolist() == [False] * 3 + [True, False, True, False] + [False] * 3


def test_two_names_of_one_part_are_no_trouble() -> None:
    part = MapPart.uniform({"a": 1}, 2)
    again = travelled(TriggerMap({"p": part, "q": part}, ["p", "q", "p"], is_open=True))
    assert again.length == 6
    again.append(["p", "q"])
    assert again.routes(np.arange(10), ("a",)).constraint.tolist() == [list(range(10))]


def test_a_file_of_a_map_is_no_larger_as_tables_than_its_cells() -> None:
    n = 100_000
    trigger_map = read_map({"parts": {"main": {"a": [[{"constraint": k}] for k in range(n)]}}, "sequence": ["main"]})
    assert len(encode_value(trigger_map.tables())) < 12 * n


@given(maps(), st.integers(-1, 40))
def test_which_constraints_are_named_again_is_what_the_routes_say(trigger_map: TriggerMap, number: int) -> None:
    last = 60 if trigger_map.length is None else trigger_map.length - 1
    constraint = trigger_map.routes(np.arange(last + 1), STREAMS).constraint
    there = np.unique(constraint[constraint >= 0])
    later = constraint[:, number + 1 :]
    expected = np.isin(there, later[later >= 0])
    # Of a map without end, those of the last repeat that was looked at may be named behind it.
    is_whole = there < (there[-1] - 20 if trigger_map.is_endless and len(there) else np.inf)
    assert trigger_map.names_later(there, number)[is_whole].tolist() == expected[is_whole].tolist()
