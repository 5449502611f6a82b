"""The event builder by key: any interleaving gives the same events, and every message ends in one account."""

from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Account, Counter, Kind
from penstock.core.event_builder import JoinRule
from penstock.core.timestamp import NS_PER_S
from tests.unit.core.builder_cases import PLAIN, SCAN, Case, block, cut, flag, interleaved

BY_KEY = JoinRule(by="key")


@st.composite
def key_sets(draw: st.DrawFn) -> dict[str, list[int]]:
    """Return two to four streams, each with some of the same keys, in order."""
    keys = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=25)))
    names = "abcd"[: draw(st.integers(2, 4))]
    return {name: [key for key in keys if draw(st.integers(0, 9)) > 0] for name in names}


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[dict[str, list[int]], list[Any]]:
    """Return streams, and their blocks cut and interleaved in any way."""
    streams = draw(key_sets())
    return streams, draw(interleaved({name: draw(cut(name, keys)) for name, keys in streams.items()}))


def expected(streams: dict[str, list[int]], *, only_complete: bool = False) -> list[Any]:
    keys = sorted(set().union(*streams.values()))
    if only_complete:
        keys = [key for key in keys if all(key in own for own in streams.values())]
    return [
        ("DATA", n, tuple(own.index(key) + 1 if key in own else None for own in streams.values()))
        for n, key in enumerate(keys)
    ]


@given(arrivals())
def test_any_interleaving_gives_the_same_events(case: tuple[dict[str, list[int]], list[Any]]) -> None:
    streams, blocks = case
    formed = Case(streams, BY_KEY).feed(blocks).close()
    assert formed.events == expected(streams)
    assert [each[0] for each in formed.told][:: len(formed.told) - 1] == ["START", "END"]
    for stream, keys in streams.items():
        assert formed.entry(stream)[Account.JOINED] == len(keys)
        missing = keys[-1] - keys[0] + 1 - len(keys) if keys else 0
        assert formed.entry(stream).counter(Counter.GAPS) == missing


@given(arrivals())
def test_drop_keeps_only_whole_events(case: tuple[dict[str, list[int]], list[Any]]) -> None:
    streams, blocks = case
    formed = Case(streams, JoinRule(by="key", incomplete="drop")).feed(blocks).close()
    whole = expected(streams, only_complete=True)
    assert formed.events == whole
    for stream, keys in streams.items():
        assert formed.entry(stream)[Account.JOINED] == len(whole)
        assert formed.entry(stream)[Account.INCOMPLETE] == len(keys) - len(whole)


@st.composite
def disordered(draw: st.DrawFn) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Return streams, and the same with each message overtaken by at most three others."""
    streams = draw(key_sets())
    mixed = {}
    for name, keys in streams.items():
        places = [k + draw(st.integers(0, 3)) for k in range(len(keys))]
        mixed[name] = [keys[k] for k in sorted(range(len(keys)), key=places.__getitem__)]
    return streams, mixed


@given(disordered(), st.data())
def test_disorder_within_the_tolerance_changes_nothing(
    case: tuple[dict[str, list[int]], dict[str, list[int]]], data: st.DataObject
) -> None:
    streams, mixed = case
    blocks = data.draw(interleaved({name: data.draw(cut(name, keys)) for name, keys in mixed.items()}))
    formed = Case(streams, JoinRule(by="key", reorder=3)).feed(blocks).close()
    by_key = [
        (
            number,
            tuple(None if part is None else mixed[name][part - 1] for name, part in zip(streams, parts, strict=True)),
        )
        for _, number, parts in formed.events
    ]
    keys = sorted(set().union(*streams.values()))
    assert by_key == [(n, tuple(k if k in own else None for own in streams.values())) for n, k in enumerate(keys)]
    for stream, own in mixed.items():
        highest, overtaken = -1, 0
        for key in own:
            overtaken += key < highest
            highest = max(highest, key)
        assert formed.entry(stream).counter(Counter.REORDERED) == overtaken


@given(st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_each_duplicate_and_late_message_ends_in_its_account(keys: list[int]) -> None:
    formed = Case(["a", "b"], BY_KEY).feed([block("a", [key], k + 1) for k, key in enumerate(keys)]).close()
    seen, highest, late, duplicate = set(), -1, 0, 0
    for key in keys:
        duplicate += key in seen
        late += key < highest and key not in seen
        seen.add(key)
        highest = max(highest, key)
    entry = formed.entry("a")
    assert (entry[Account.DUPLICATE], entry[Account.LATE]) == (duplicate, late)
    assert entry[Account.JOINED] == len(keys) - duplicate - late
    rising = [key for k, key in enumerate(keys) if key > max([-1, *keys[:k]])]
    below = sum(rising[0] < key < rising[-1] for key in range(13)) + 2 - (rising[0] == rising[-1])
    never = below - len({key for key in seen if rising[0] <= key <= rising[-1]})
    assert entry.counter(Counter.GAPS) == never


def test_a_silent_stream_is_given_up_after_wait_s() -> None:
    case = Case(["a", "b"], JoinRule(by="key", wait_s=2)).feed([block("a", [0, 1], 1), block("b", [0], 1)], now=0)
    assert case.events == [("DATA", 0, (1, 1))]
    assert case.builder.next_deadline() == 2 * NS_PER_S
    case.tick(2 * NS_PER_S)
    assert case.events[1:] == [("DATA", 1, (2, None))]
    case.feed([block("b", [1], 2)], now=3 * NS_PER_S)
    assert case.entry("b")[Account.LATE] == 1


def test_a_stream_that_lags_and_comes_is_waited_for_however_far_it_is_behind() -> None:
    case = Case(["fast", "slow"], JoinRule(by="order", wait_s=2)).feed([block("fast", range(10), 1)], now=0)
    for k in range(10):  # the last 10 s behind the first of the other stream
        case.feed([block("slow", [k], k + 1)], now=k * NS_PER_S).tick((k + 1) * NS_PER_S)
    assert case.events == [("DATA", k, (k + 1, k + 1)) for k in range(10)]
    assert not case.entry("slow").remarks
    case.feed([block("fast", [10, 11], 11)], now=10 * NS_PER_S)
    assert case.builder.next_deadline() == 12 * NS_PER_S
    assert case.tick(12 * NS_PER_S).events[10:] == [("DATA", 10, (11, None)), ("DATA", 11, (12, None))]
    remark = case.entry("slow").remarks[0]
    assert "nothing of slow came for 2 s while fast waited" in remark.detail


@given(st.lists(st.lists(st.integers(0, 1999), min_size=1, max_size=9), min_size=2, max_size=3))
def test_nothing_is_given_up_of_streams_that_are_never_silent_for_wait_s(pauses_ms: list[list[int]]) -> None:
    n = min(map(len, pauses_ms))
    names = [f"s{k}" for k in range(len(pauses_ms))]
    sent = [
        (at_ms, name, number)
        for name, pauses in zip(names, pauses_ms, strict=True)
        for number, at_ms in enumerate(accumulate(pauses[:n]))
    ]
    case, now_ms = Case(names, JoinRule(by="order", wait_s=2)), 0
    for at_ms, name, number in sorted(sent):
        for between_ms in range(now_ms, at_ms, 500):
            case.tick(between_ms * NS_PER_S // 1000)
        now_ms = at_ms
        case.tick(now_ms * NS_PER_S // 1000).feed([block(name, [number], number + 1)], now=now_ms * NS_PER_S // 1000)
    assert case.events == [("DATA", k, (k + 1,) * len(names)) for k in range(n)]


def test_others_wait_again_for_a_stream_that_was_given_up_and_comes_late() -> None:
    case = Case(["fast", "slow"], JoinRule(by="key", wait_s=2)).feed([block("fast", range(3), 1)], now=0)
    case.tick(2 * NS_PER_S).feed([block("slow", [0], 1), block("fast", range(3, 6), 4)], now=3 * NS_PER_S)
    case.feed([block("slow", [1], 2)], now=4 * NS_PER_S).tick(5 * NS_PER_S)
    case.feed([block("slow", range(2, 6), 3)], now=5 * NS_PER_S)
    assert [parts for _, _, parts in case.events] == [(1, None), (2, None), (3, None), (4, 4), (5, 5), (6, 6)]
    assert case.entry("slow")[Account.LATE] == 3


def test_one_that_only_says_again_what_it_said_is_silent() -> None:
    case = Case(["a", "b"], JoinRule(by="key", wait_s=2)).feed([block("b", [0], 1), block("a", [0, 1], 1)], now=0)
    for k in range(1, 3):
        case.feed([block("b", [0], k + 1)], now=k * NS_PER_S).tick(k * NS_PER_S)
    assert case.events[1:] == [("DATA", 1, (2, None))]


def test_whoever_lags_keeps_nobody_waiting_for_a_third_that_is_silent() -> None:
    case = Case(["a", "b", "c"], JoinRule(by="key", wait_s=2)).feed([block("a", range(9), 1)], now=0)
    case.feed([block("c", [0], 1)], now=0)
    for k in range(4):
        case.feed([block("b", [k], k + 1)], now=k * NS_PER_S).tick(k * NS_PER_S)
    assert case.events == [("DATA", 0, (1, 1, 1)), *[("DATA", k, (k + 1, k + 1, None)) for k in range(1, 4)]]


def test_wait_never_gives_up() -> None:
    rule = JoinRule(by="key", incomplete="wait", wait_s=2)
    case = Case(["a", "b"], rule).feed([block("a", [0], 1)], now=0)
    case.feed([block("b", [0], 1)], now=0)
    case.feed([block("a", [1], 2)], now=0).tick(10**15)
    assert len(case.events) == 1
    assert case.feed([block("b", [1], 2)], now=10**15).events[1] == ("DATA", 1, (2, 2))


def test_start_and_end_are_events_without_number() -> None:
    blocks = [flag("a", Kind.START, 1), flag("b", Kind.START, 1), block("a", [0], 2), block("b", [0], 2)]
    case = Case(["a", "b"], BY_KEY, SCAN).feed([*blocks, flag("a", Kind.END, 3), flag("b", Kind.END, 3)])
    assert case.told == [("START", -1, (1, 1)), ("DATA", 0, (2, 2)), ("END", -1, (3, 3))]
    assert case.builder.is_finished


def test_leftovers_of_an_earlier_scan_are_late() -> None:
    leftovers = [block("a", [7, 8], 1), flag("a", Kind.END, 3)]
    case = Case(["a", "b"], BY_KEY, SCAN).feed([*leftovers, flag("a", Kind.START, 4), flag("b", Kind.START, 1)])
    assert case.entry("a")[Account.LATE] == 3
    case.feed([block("a", [0], 5), block("b", [0], 2)])
    assert case.events == [("DATA", 0, (5, 2))]


def test_what_comes_after_the_end_is_discarded() -> None:
    case = Case(["a"], BY_KEY, SCAN).feed([flag("a", Kind.START), flag("a", Kind.END), block("a", [0], 1)])
    assert case.entry("a")[Account.DISCARDED] == 1


def test_an_end_that_never_comes_is_given_up() -> None:
    blocks = [flag("a", Kind.START), flag("b", Kind.START), block("a", [0], 1), block("b", [0], 1)]
    case = Case(["a", "b"], BY_KEY, SCAN).feed([*blocks, flag("a", Kind.END)], now=0)
    assert case.told[-1][0] == "DATA"
    case.tick(2 * NS_PER_S)
    assert case.told[-1][0] == "END"
    assert "nothing came" in case.entry("b").remarks[-1].detail


def test_a_stream_that_never_starts_does_not_hold_the_others_for_ever() -> None:
    case = Case(["a", "b"], BY_KEY, SCAN).feed([flag("a", Kind.START), block("a", [0], 1)], now=0)
    assert case.told == []
    case.tick(2 * NS_PER_S)
    assert [each[0] for each in case.told] == ["START", "DATA"]
    case.feed([flag("a", Kind.END)], now=3 * NS_PER_S).tick(5 * NS_PER_S)
    assert case.builder.is_finished


def test_abort_accounts_for_everything_that_waits() -> None:
    case = Case(["a", "b"], JoinRule(by="key", reorder=4), PLAIN).feed([block("a", [0, 3, 9], 1)])
    case.builder.abort()
    case.check_books()
    assert case.entry("a").in_flight == 0
    assert case.entry("a")[Account.ABORTED] == 3


def test_ranges_take_all_messages_of_a_number() -> None:
    rule = JoinRule(by="key", ranges=("pulses",))
    blocks = [block("train", [1, 2, 3], 1), block("pulses", [1, 1], 1), block("pulses", [1, 3], 3)]
    case = Case(["train", "pulses"], rule).feed(blocks).close()
    assert case.events == [("DATA", 0, (1, (1, 2, 3))), ("DATA", 1, (2, None)), ("DATA", 2, (3, (4,)))]


def test_remarks_name_the_instruments_own_numbers() -> None:
    blocks = [block("a", [5, 8], 1), block("a", [8], 3), block("a", [6], 4)]
    case = Case(["a"], BY_KEY).feed(blocks)
    assert [remark.detail for remark in case.entry("a").remarks] == [
        "2 numbers missing, the first 6",
        "message 3 with number 8 came before",
        "message 4 with number 6 came after 8",
        "message 4 with number 6 came after 8, when its event had gone",
    ]
