"""The event builder by order and by trigger map, against a plain reading of the map cell by cell."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Counter, Kind
from penstock.core.decoder import Traits
from penstock.core.event_builder import JoinRule
from penstock.core.map_addition import MapAddition
from penstock.core.map_part import MapPart
from penstock.core.map_reader import read_addition, read_map, rule_map
from penstock.core.routes import Routes
from penstock.core.timestamp import NS_PER_S
from penstock.errors import MapError
from penstock.wire.values import decode_value, encode_value
from tests.unit.core.builder_cases import PLAIN, SCAN, Case, block, cut, flag, interleaved

BY_MAP = JoinRule(by="trigger-map")
BY_ORDER = JoinRule(by="order")
SCAN_WITHOUT_FLAGS = Traits(number="n", first=0, has_start=False, has_end=False)
Cells = dict[str, list[Any]]


@st.composite
def cells(draw: st.DrawFn, n: int | None = None) -> Cells:
    """Return a part: null, discard, one destination, or several."""
    length = draw(st.integers(1, 8)) if n is None else n
    destination = st.one_of(
        st.builds(lambda k: {"constraint": k}, st.integers(0, 3)),
        st.just({"tags": ["generic"]}),
        st.just({"constraint": None, "tags": ["debug"]}),
    )
    cell = st.one_of(st.none(), st.just([]), st.lists(destination, min_size=1, max_size=2))
    return {stream: draw(st.lists(cell, min_size=length, max_size=length)) for stream in ("a", "b")}


@st.composite
def maps(draw: st.DrawFn) -> tuple[dict[str, Any], Cells]:
    """Return a map in JSON's form, and its table written out."""
    parts = {name: draw(cells()) for name in ("p", "q")}
    sequence = draw(st.lists(st.sampled_from(["p", "q"]), min_size=1, max_size=5))
    table = {stream: [cell for name in sequence for cell in parts[name][stream]] for stream in ("a", "b")}
    return {"parts": parts, "sequence": sequence}, table


@st.composite
def scans(draw: st.DrawFn) -> tuple[dict[str, Any], Cells, list[Any], dict[str, list[int]]]:
    """Return a map, its table, blocks in any interleaving, and which of each stream's messages arrive."""
    document, table = draw(maps())
    sent, blocks = {}, {}
    for stream, column in table.items():
        messages = sum(cell is not None for cell in column)
        sent[stream] = [k for k in range(messages) if draw(st.integers(0, 9)) > 0]
        blocks[stream] = draw(cut(stream, sent[stream]))
    return document, table, draw(interleaved(blocks)), sent


def expected(table: Cells, sent: dict[str, list[int]]) -> list[Any]:
    """Read the map cell by cell."""
    events = []
    counts = dict.fromkeys(table, 0)
    for number in range(len(table["a"])):
        parts, has_arrived = [], False
        for stream, column in table.items():
            arrived = None
            if column[number] is not None:
                if counts[stream] in sent[stream]:
                    arrived = sent[stream].index(counts[stream]) + 1
                counts[stream] += 1
            has_arrived |= arrived is not None
            parts.append(arrived if column[number] else None)
        if has_arrived:
            events.append(("DATA", number, tuple(parts)))
    return events


@given(scans())
def test_events_are_what_the_map_says(case: tuple[dict[str, Any], Cells, list[Any], dict[str, list[int]]]) -> None:
    document, table, blocks, sent = case
    trigger_map = read_map(document)
    formed = Case(table, BY_MAP, SCAN_WITHOUT_FLAGS, trigger_map).feed(blocks).close()
    whole = expected(table, sent)
    assert [each for each in formed.events if any(each[2])] == [each for each in whole if any(each[2])]
    assert formed.builder.formed == len(whole)
    planned = sum(any(column[n] is not None for column in table.values()) for n in range(len(table["a"])))
    assert formed.builder.unformed == planned - len(whole)
    for stream, column in table.items():
        present = [cell for cell in column if cell is not None]
        discarded = sum(not present[k] for k in sent[stream])
        assert formed.entry(stream)[Account.DISCARDED] == discarded
        assert formed.entry(stream)[Account.JOINED] == len(sent[stream]) - discarded


def wanted_at(part: Cells, row: int, first_tags: dict[int, frozenset[str]]) -> dict[Any, set[str]]:
    """Read one row of a part: streams by destination; a constraint keeps the tags of its first use."""
    wanted: dict[Any, set[str]] = {}
    for stream in ("a", "b"):
        for entry in part[stream][row] or []:
            k, tags = entry.get("constraint"), frozenset(entry.get("tags", ["generic"]))
            tags = tags if k is None else first_tags.setdefault(k, tags)
            wanted.setdefault((-1 if k is None else k, tags), set()).add(stream)
    return wanted


def found_at(routes: Routes, at: int, kept: set[str]) -> dict[Any, set[str]]:
    """Read one column of routes in the same form, without the streams that are absent anyway."""
    found: dict[Any, set[str]] = {}
    for row, k in enumerate(routes.constraint[:, at].tolist()):
        if k != -2:
            code = 0 if routes.tags_code is None else int(routes.tags_code[row, at])
            mask = 3 if routes.streams is None else int(routes.streams[row, at])
            found[k, routes.tag_sets[code]] = {s for bit, s in enumerate("ab") if mask >> bit & 1} & kept
    return found


@given(maps())
def test_routes_are_what_the_map_says(case: tuple[dict[str, Any], Cells]) -> None:
    document, table = case
    routes = read_map(document).routes(np.arange(len(table["a"])), ["a", "b"])
    meaning: dict[tuple[int, int], int] = {}
    at = 0
    for repeat, name in enumerate(document["sequence"]):
        part = document["parts"][name]
        first_tags: dict[int, frozenset[str]] = {}
        for row in range(len(part["a"])):
            wanted = wanted_at(part, row, first_tags)
            found = found_at(routes, at, {s for s in "ab" if part[s][row]})
            # Constraints are renumbered, in the same order; the same one of the same repeat is always the same.
            own = sorted(key for key in wanted if key[0] >= 0)
            numbered = sorted(key for key in found if key[0] >= 0)
            assert [tags for _, tags in own] == [tags for _, tags in numbered]
            for (k, _), (number, _) in zip(own, numbered, strict=True):
                assert meaning.setdefault((repeat, k), number) == number
            renamed = {(k if k < 0 else meaning[repeat, k], tags): streams for (k, tags), streams in wanted.items()}
            assert renamed == found
            at += 1
    assert len(set(meaning.values())) == len(meaning)


@given(st.integers(0, 10**6), st.integers(1, 500), st.integers(1, 7), st.integers(1, 9))
def test_a_rule_is_a_map_without_end(start: int, n: int, every: int, group: int) -> None:
    endless = rule_map({"every": {"slow": every}, "group": group}, ["fast", "slow"])
    numbers = np.arange(start, start + n)
    assert endless.expected("fast", numbers).all()
    slow = numbers[endless.expected("slow", numbers)]
    assert slow.tolist() == [k for k in numbers.tolist() if k % every == 0]
    places = np.arange(endless.positions_up_to("slow", start - 1), endless.positions_up_to("slow", start + n - 1))
    assert np.array_equal(endless.numbers("slow", places), slow)
    constraint = endless.routes(numbers, ["fast", "slow"]).constraint[0]
    assert np.array_equal(constraint, numbers // group)


def test_a_lost_message_does_not_shift_those_that_follow() -> None:
    case = Case(["a", "b"], BY_ORDER, SCAN).feed([flag("a", Kind.START), flag("b", Kind.START)])
    case.feed([block("a", [0, 1, 3], 1), block("b", [0, 1, 2, 3], 1)])
    assert case.events == [("DATA", 0, (1, 1)), ("DATA", 1, (2, 2)), ("DATA", 2, (None, 3)), ("DATA", 3, (3, 4))]
    assert case.entry("a").counter(Counter.GAPS) == 1
    assert case.builder.partial == 1


def test_numbers_that_begin_again_go_on_behind_the_last_place() -> None:
    case = Case(["a"], BY_ORDER, SCAN).feed([flag("a", Kind.START), block("a", [0, 1, 2, 0, 1, 2], 1)])
    assert [number for _, number, _ in case.events] == [0, 1, 2, 3, 4, 5]
    assert case.entry("a").counter(Counter.RESTARTS) == 1


def test_too_many_messages_are_discarded_and_too_few_end_the_run() -> None:
    trigger_map = read_map({"a": {"events": 2}, "b": {"events": 2}})
    case = Case(["a", "b"], BY_MAP, SCAN, trigger_map).feed([flag("a", Kind.START), flag("b", Kind.START)])
    case.feed([block("a", [0, 1, 2], 1), block("b", [0], 1), flag("a", Kind.END), flag("b", Kind.END)])
    assert case.builder.is_finished
    assert case.entry("a")[Account.DISCARDED] == 1
    assert (case.builder.formed, case.builder.unformed, case.builder.partial) == (2, 0, 1)
    assert "the map has 2 messages of a" in case.entry("a").remarks[-1].detail


def test_an_open_map_waits_for_what_is_appended() -> None:
    trigger_map = read_map({"parts": {"line": {"a": {"events": 2}}}, "sequence": ["line"]}, is_open=True)
    case = Case(["a"], BY_MAP, SCAN, trigger_map).feed([flag("a", Kind.START), block("a", [0, 1, 2], 1)])
    assert len(case.events) == 2
    case.check_books()
    case.grow(MapAddition(sequence=["line"]))
    assert [number for _, number, _ in case.events] == [0, 1, 2]
    case.feed([block("a", [3], 4), flag("a", Kind.END)])
    assert not case.builder.is_finished or case.builder.unformed == 0
    case.grow(MapAddition(is_last=True))
    assert case.builder.is_finished
    assert case.builder.formed == 4


@given(scans(), st.data())
def test_a_map_that_grows_forms_the_events_of_the_whole_one(
    case: tuple[dict[str, Any], Cells, list[Any], dict[str, list[int]]], data: st.DataObject
) -> None:
    document, table, blocks, _ = case
    whole = Case(table, BY_MAP, SCAN_WITHOUT_FLAGS, read_map(document)).feed(blocks).close()
    n = len(document["sequence"])
    moments = sorted(data.draw(st.lists(st.integers(0, len(blocks) + 1), min_size=n, max_size=n)))
    trigger_map = read_map({"parts": {}}, is_open=True)
    grown = Case(table, BY_MAP, SCAN_WITHOUT_FLAGS, trigger_map)
    left = list(zip(moments, document["sequence"], strict=True))
    for k in range(len(blocks) + 2):
        while left and left[0][0] == k and not grown.builder.is_finished:
            name = left.pop(0)[1]
            is_new = name not in trigger_map.part_names
            parts = {name: document["parts"][name]} if is_new else {}
            table_of_it = read_addition({"parts": parts, "sequence": [name]}, is_last=not left).table()
            grown.grow(MapAddition.of_table(decode_value(encode_value(table_of_it))))
        if k == len(blocks):  # some additions come when all streams have ended
            grown.close()
        grown.feed(blocks[k : k + 1])
    assert [each for each in grown.events if any(each[2])] == [each for each in whole.events if any(each[2])]
    if not left:  # else nothing was waiting for the rest
        assert grown.builder.formed == whole.builder.formed
        assert grown.builder.unformed == whole.builder.unformed
    assert grown.builder.is_finished
    for stream in table:
        accounts = (Account.JOINED, Account.DISCARDED)
        assert [grown.entry(stream)[a] for a in accounts] == [whole.entry(stream)[a] for a in accounts]


def test_a_stop_ends_the_waiting_for_an_open_map() -> None:
    trigger_map = read_map({"a": {"events": 2}}, is_open=True)
    case = Case(["a"], BY_MAP, SCAN, trigger_map).feed([flag("a", Kind.START), block("a", [0, 1, 2], 1)])
    case.feed([flag("a", Kind.END)]).tick(10 * NS_PER_S)
    assert case.builder.next_deadline() is None  # so that nobody looks again and again
    was_finished = [case.builder.is_finished, case.stop().builder.is_finished]
    assert was_finished == [False, True]
    assert case.entry("a")[Account.DISCARDED] == 1


def test_streams_that_end_while_the_map_is_open_and_behind_them_end_the_join() -> None:
    trigger_map = read_map({"a": {"events": 2}}, is_open=True)
    case = Case(["a"], BY_MAP, SCAN, trigger_map).feed([flag("a", Kind.START), block("a", [0, 1], 1)])
    assert case.feed([flag("a", Kind.END)]).builder.is_finished


def test_what_does_not_fit_changes_nothing() -> None:
    trigger_map = read_map({"a": {"events": 2}}, is_open=True)
    same = MapPart.uniform({"a": 1}, 5)
    for addition, said in (
        (MapAddition(sequence=["main", "other"]), "no part is called 'other'"),
        (MapAddition(sequence=["main"], parts={"main": same}), "parts.main: is there already"),
    ):
        with pytest.raises(MapError, match=said):
            trigger_map.add(addition)
        assert (trigger_map.length, trigger_map.part_names) == (2, ("main",))
    trigger_map.add(MapAddition(is_last=True))
    with pytest.raises(MapError, match="closed"):
        trigger_map.add(MapAddition(sequence=["main"]))


def test_an_addition_is_written_like_a_map() -> None:
    nameless = read_addition({"a": {"events": 3}}, taken=["main"])
    assert (list(nameless.sequence), {name: len(part) for name, part in nameless.parts.items()}) == (
        ["part-1"], {"part-1": 3},
    )  # fmt: skip
    again = read_addition('{"sequence": ["main", "main"]}', taken=["main"], is_last=True)
    assert (list(again.sequence), dict(again.parts), again.is_last) == (["main", "main"], {}, True)
    assert not read_addition({}).sequence
    assert list(read_addition({"a": {"events": 1}}, taken=["part-1", "x"]).sequence) == ["part-2"]
    with pytest.raises(MapError, match=r"parts\.part-0\.a\[0\]"):
        read_addition({"a": [3]})
    with pytest.raises(MapError, match="must be a list of names"):
        read_addition({"sequence": [["main"]]})


def test_a_stream_that_the_map_leaves_out_is_discarded() -> None:
    case = Case(["a", "b"], BY_MAP, PLAIN, read_map({"a": {"events": 1}})).feed([block("b", [0], 1)])
    assert case.entry("b")[Account.DISCARDED] == 1
    assert case.feed([block("a", [0], 1)]).events == [("DATA", 0, (1, None))]


def test_without_wrap_headers_are_counted_like_data() -> None:
    trigger_map = read_map({"a": {"events": 3}}, wrap=False)
    case = Case(["a"], BY_MAP, SCAN, trigger_map)
    header, end = flag("a", Kind.START, 1), flag("a", Kind.END, 3)
    case.feed([header, block("a", [1], 2), end])
    assert [each[1] for each in case.events][:1] == [0]


def test_a_stream_lagging_behind_the_map_is_given_up() -> None:
    trigger_map = read_map({"a": {"events": 3}, "b": {"events": 3}})
    case = Case(["a", "b"], BY_MAP, PLAIN, trigger_map).feed([block("a", [0], 1), block("b", [0], 1)], now=0)
    case.feed([block("a", [1], 2)], now=0).tick(2 * NS_PER_S)
    assert case.events[1] == ("DATA", 1, (2, None))
    assert case.feed([block("b", [1], 2)], now=3 * NS_PER_S).entry("b")[Account.LATE] == 1


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "no JSON"),
        ("[]", "must be an object"),
        ('{"a": [[{"constraint": 0}]], "b": []}', "a has 1, b has 0"),
        ('{"parts": {"p": {"a": [null]}}, "sequence": ["q"]}', "no part is called 'q'"),
        ('{"a": [3]}', "parts.main.a[0]"),
        ('{"a": [[{"tag": ["x"]}]]}', "unknown field `tag`"),
        ('{"a": [[{"constraint": -4}]]}', "below 0"),
        ('{"a": {"events": 0}}', "must be 1 or more"),
        ('{"parts": {}, "sequnce": []}', "is no key"),
    ],
)
def test_a_wrong_map_says_where(document: str, said: str) -> None:
    with pytest.raises(MapError) as error:
        read_map(document)
    assert said in str(error.value)


GENERIC = frozenset({"generic"})


@pytest.mark.parametrize(
    ("document", "workers", "said"),
    [
        ({"z": [None]}, [GENERIC], "no stream is called 'z'; there are a, b"),
        ({"a": []}, [GENERIC], "has no events"),
        ({"a": [[{"tags": ["gpu"]}]]}, [GENERIC], "a worker with the tag gpu, which no worker has"),
        ({"a": [[{"constraint": 1}, {"constraint": 2}]]}, [GENERIC], "must go to 2 different workers"),
        (
            {"a": [[{"constraint": 1, "tags": ["x"]}, {"constraint": 2}]]},
            [frozenset({"x", "generic"})],
            "must go to 2 different workers",
        ),
    ],
)
def test_a_map_is_held_against_streams_and_workers(
    document: dict[str, Any], workers: list[frozenset[str]], said: str
) -> None:
    problems = read_map(document).problems(["a", "b"], workers)
    assert any(said in str(problem) for problem in problems), problems
