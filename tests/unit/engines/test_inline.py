"""What only the inline engine does: step by step, under a clock that a test moves."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.core import Block, Event, Kind, Message
from penstock.core.decoder import Traits
from penstock.elements.source import Reading, Source
from penstock.engines.inline import InlineRun
from penstock.errors import ParameterError
from penstock.pipeline import Join, Map, Pipeline, Reduce, Steps
from penstock.pipeline import Source as SourceEntry
from penstock.testing.engine_cases import Frames, Sum, number, scaled
from penstock.testing.manual_clock import ManualClock


class Quiet(Source):
    """Says one thing, and then nothing more, not even that it has ended."""

    traits = Traits(number="frame", first=0)

    def __init__(self) -> None:
        self._left = [Message(kind=Kind.START), Message(key=0)]

    def read(self, now_ns: int) -> Reading:
        del now_ns
        return Reading(blocks=[Block.of(self.stream, [self._left.pop(0)], 1)] if self._left else [])


def scan(source: type[Source], target: Callable[..., Any] = number, **arguments: Any) -> Pipeline:
    return Pipeline(
        sources={"a": SourceEntry(source, **arguments)},
        events={"scan": Join("a", by="order")},
        stages={"map": Map(target, source="scan"), "sum": Reduce(Sum, source="map")},
    )


def test_a_run_goes_step_by_step() -> None:
    inline = InlineRun(scan(Frames, n=20, block=4).plan())
    inline.open()
    seen = []
    while inline.step(longest_s=0):
        seen.append(inline.report().joins["scan"].formed)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert inline.views("sum")["sum"].array == sum(range(20))
    assert inline.finish().outcome == "finished"


def test_silence_ends_a_run_only_where_that_is_asked() -> None:
    for silent_s, outcome in ((0.0, "running"), (60.0, "incomplete")):
        clock = ManualClock()
        inline = InlineRun(scan(Quiet).plan(), silent_s=silent_s, clock=clock)
        inline.open()
        for _ in range(4):
            assert inline.step(longest_s=0)
        clock.advance(s=59.9)
        assert inline.step(longest_s=0)
        clock.advance(s=0.2)
        goes_on = inline.step(longest_s=0)
        assert goes_on is (outcome == "running")
        if not goes_on:
            report = inline.finish()
            assert report.outcome == outcome
            assert "nothing has arrived for 60 s" in report.reasons
            assert report.joins["scan"].formed == 1
            assert report.adds_up
        else:
            inline.drain()
            inline.finish()


def test_parameters_change_from_the_next_event_on() -> None:
    inline = InlineRun(scan(Frames, scaled, n=8, block=4).plan())
    inline.open()
    while inline.report().joins["scan"].formed < 4:
        inline.step(longest_s=0)
    assert inline.set({"gain": 10.0}, who="me").from_event == 4
    with pytest.raises(ParameterError, match="expected float"):
        inline.set({"gain": "much"})
    while inline.step(longest_s=0):
        pass
    assert inline.views("sum")["sum"].array == 0 + 1 + 2 + 3 + 10 * (4 + 5 + 6 + 7)
    inline.finish()


def thirds(upstream: Iterator[int]) -> Iterator[int]:
    yield from (item for count, item in enumerate(upstream) if count % 3 == 2)


def times(item: int, *, gain: float = 1.0) -> float:
    return gain * item


def test_parameters_change_at_once_behind_steps_that_number_anew() -> None:
    pipeline = Pipeline(
        sources={"a": SourceEntry(Frames, n=24, block=4)},
        events={"scan": Join("a", by="order")},
        stages={
            "map": Map(scaled, source="scan"),
            "thirds": Steps(thirds, source="map"),
            "times": Steps(times, source="thirds"),
            "sum": Reduce(Sum, source="times"),
        },
    )
    inline = InlineRun(pipeline.plan())
    inline.open()
    while inline.report().joins["scan"].formed < 12:
        inline.step(longest_s=0)
    inline.set({"map.gain": 10.0, "times.gain": 2.0})
    while inline.step(longest_s=0):
        pass
    report = inline.finish()
    assert report.adds_up
    assert inline.views("sum")["sum"].array == (2 + 5 + 8 + 11) + 20 * (14 + 17 + 20 + 23)
    assert inline.views("sum")["order"]["numbers"].array.tolist() == list(range(8))


def test_a_stage_that_publishes_nothing_is_named() -> None:
    inline = InlineRun(scan(Frames, n=1).plan())
    inline.open()
    with pytest.raises(KeyError, match="no reduce stage is called 'map'; there are sum"):
        inline.views("map")
    inline.finish()


def test_the_event_log_repeats_what_was_formed(tmp_path: Path) -> None:
    from penstock.core.log_records import EventsEnded, EventsFormed, RunEnded
    from penstock.formats.event_log import EventLogReader

    log = tmp_path / "log"
    report = scan(Frames, n=9, missing=[3], block=2).run("inline", event_log=log)
    records = list(EventLogReader(log.read_bytes()))
    formed = [r for r in records if isinstance(r, EventsFormed) and r.kind == int(Kind.DATA)]
    assert [int(n) for r in formed for n in r.numbers] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert sum(len(r.numbers) for r in records if isinstance(r, EventsEnded)) == report.joins["scan"].formed
    assert isinstance(records[-1], RunEnded)
    assert records[-1].outcome == report.outcome


def unused(event: Event) -> None:
    """Return nothing, so that everything is filtered."""
    del event


def test_a_stage_without_results_filters_everything() -> None:
    report = scan(Frames, unused, n=6).run("inline")
    assert report.edge("scan", "map").accounts == {"filtered": 6}
    assert report.edge("map", "sum").arrived == 0


class Ticks(Quiet):
    """Says so many things on its own clock, one every millisecond."""

    def __init__(self, n: int) -> None:
        self._left = [Message(kind=Kind.START), *[Message(key=key) for key in range(n)], Message(kind=Kind.END)]
        self._due_ns = 0
        self.asked = self.readings = 0

    def wait_s(self, now_ns: int) -> float | None:
        self.asked += 1
        return (self._due_ns - now_ns) / 1e9

    def read(self, now_ns: int) -> Reading:
        self.readings += 1
        self._due_ns = max(self._due_ns, now_ns) + 1_000_000
        ended = len(self._left) == 1
        return self.reading([self._left.pop(0)], now_ns, ended=ended)


def test_a_source_on_its_own_clock_is_read_when_it_is_due() -> None:
    clock = ManualClock()
    inline = InlineRun(scan(Ticks, n=3).plan(), clock=clock, utc=clock)
    inline.open()
    for _ in range(4):
        assert inline.step(longest_s=0)
        assert inline.step(longest_s=0)
        clock.advance(s=0.0009)
        assert inline.step(longest_s=0)
        clock.advance(s=0.0001)
    assert inline.report().joins["scan"].formed == 3
    assert not inline.step(longest_s=0)
    assert inline.finish().outcome == "finished"


def test_between_the_ticks_of_a_clock_nobody_works_and_nobody_oversleeps() -> None:
    inline = InlineRun(scan(Ticks, n=100).plan())
    inline.open()
    source = inline._rooms.intakes["a"].source
    assert isinstance(source, Ticks)
    began = time.monotonic()
    steps = 0
    while inline.step(longest_s=0.1):
        steps += 1
    took_s = time.monotonic() - began
    assert inline.finish().outcome == "finished"
    assert 0.1 < took_s < 5, "each of 102 readings a tenth of a second late would be 10 s"
    assert source.readings == 102
    assert source.asked < 1000, "it was asked again and again instead of waiting"
