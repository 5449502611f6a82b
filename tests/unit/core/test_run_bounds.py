"""Runs among data: whichever way is quicker, start and end stand where they belong and no data are lost or doubled."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from penstock.core import Kind, Message
from penstock.core.run_bounds import RunBounds

START_NS, STOP_NS = 100, 200
WAYS = ("a", "b", "c")


def data(ns: int) -> Message:
    return Message(timestamp_ns=ns)


START = Message(timestamp_ns=START_NS, kind=Kind.START)
END = Message(timestamp_ns=STOP_NS, kind=Kind.END)

times = st.lists(st.integers(0, 300), max_size=8).map(sorted)


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[str, Message]]:
    """Return what comes on three ways, each in its order, and the news of a run anywhere between, start before end."""
    waiting = {way: [data(ns) for ns in draw(times)] for way in WAYS} | {"runs": [START, END]}
    came = []
    while left := [way for way in sorted(waiting) if waiting[way]]:
        way = draw(st.sampled_from(left))
        came.append((way, waiting[way].pop(0)))
    return came


def put_all(bounds: RunBounds, came: list[tuple[str, Message]], together: int) -> list[Message]:
    got = []
    for at in range(0, len(came), together):
        got += [given for way, message in came[at : at + together] for given in bounds.put(message, way, 0.0)]
        got += bounds.tick(0.0)
    return got + bounds.end(0.0)


@given(arrivals(), st.integers(1, 5))
def test_nothing_is_lost_doubled_or_overtaken_and_the_end_waits_for_its_data(
    came: list[tuple[str, Message]], together: int
) -> None:
    bounds = RunBounds(1.0)
    got = put_all(bounds, came, together)
    assert sorted(map(id, got)) == sorted(id(message) for _, message in came)
    for way in (*WAYS, "runs"):
        own = [message for from_way, message in came if from_way == way]
        assert [message for message in got if any(message is each for each in own)] == own
    way_of = {id(message): way for way, message in came}
    begun, over = got.index(START), got.index(END)
    in_time = {way_of[id(message)] for message in got[begun + 1 : over]}
    late = [message for message in got[over + 1 :] if message.timestamp_ns < STOP_NS]
    assert not any(way_of[id(message)] in in_time for message in late)
    assert not bounds.holds_back


@given(arrivals(), st.integers(0, 30))
def test_only_what_happened_in_the_run_is_kept(came: list[tuple[str, Message]], behind: int) -> None:
    """Though the news of a run come late, as long as they come together, or while data of it still come."""
    ordered = [each for each in came if each[1].kind is Kind.DATA]
    ordered[behind:behind] = [("runs", START), ("runs", END)]
    bounds = RunBounds(1.0, keep_outside=False)
    got = put_all(bounds, ordered, len(ordered))
    in_run = [m for _, m in ordered if m.kind is Kind.DATA and START_NS <= m.timestamp_ns < STOP_NS]
    assert got[0] is START
    assert got[-1] is END
    assert sorted(map(id, got[1:-1])) == sorted(map(id, in_run))
    assert bounds.outside == len(ordered) - 2 - len(in_run)


def test_an_end_waits_no_longer_than_it_should() -> None:
    bounds = RunBounds(1.0)
    assert put(bounds, START, 0.0) == [START]
    one = data(150)
    assert put(bounds, one, 0.0) == [one]
    assert bounds.wait_s(0.0) is None
    assert put(bounds, END, 5.0) == []
    assert bounds.wait_s(5.5) == 0.5
    assert bounds.tick(5.9) == []
    assert bounds.tick(6.0) == [END]
    assert bounds.wait_s(6.0) is None


def test_data_that_were_quicker_than_the_start_wait_for_it_and_no_longer() -> None:
    bounds = RunBounds(1.0, keep_outside=False)
    early, quick = data(150), data(160)
    assert put(bounds, early, 0.0) == []
    assert put(bounds, quick, 0.5) == []
    assert bounds.tick(1.2) == []
    assert bounds.outside == 1
    assert put(bounds, START, 1.3) == [START]
    assert bounds.tick(1.3) == [quick]


def test_a_run_that_follows_at_once_has_what_was_held() -> None:
    bounds = RunBounds(1.0, keep_outside=False)
    last, first = data(199), data(260)
    again = Message(timestamp_ns=250, kind=Kind.START)
    assert [put(bounds, each, 0.0) for each in (START, last)] == [[START], [last]]
    assert put(bounds, END, 0.0, "runs") == []
    assert put(bounds, first, 0.1) == []
    assert bounds.tick(0.1) == [END]
    assert put(bounds, again, 0.2) == [again]
    assert bounds.tick(0.2) == [first]


def test_what_comes_together_ends_a_run_only_behind_all_of_it() -> None:
    bounds = RunBounds(1.0)
    first, behind, last = data(150), data(250), data(199)
    got = [given for each, way in ((START, "runs"), (END, "runs"), (first, "a"), (behind, "a"), (last, "b"))
           for given in put(bounds, each, 0.0, way)]  # fmt: skip
    assert got == [START, first, last]
    assert bounds.tick(0.0) == []
    assert bounds.tick(1.0) == [END, behind]


def test_an_end_waits_for_ways_that_have_brought_nothing_yet() -> None:
    bounds = RunBounds(1.0)
    bounds.expected = {"a", "b"}
    late = data(150)
    got = [
        given
        for each, way in ((START, "runs"), (END, "runs"), (data(250), "a"))
        for given in put(bounds, each, 0.0, way)
    ]
    assert got + bounds.tick(0.0) == [START]
    assert put(bounds, late, 0.5, "b") == [late]
    assert put(bounds, data(260), 0.6, "b") == []
    assert [message.timestamp_ns for message in bounds.tick(0.6)] == [STOP_NS, 250, 260]


def put(bounds: RunBounds, message: Message, now_s: float, way: Any = "a") -> list[Message]:
    return bounds.put(message, way, now_s)
