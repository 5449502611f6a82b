"""States, holding, discarding, restarting and giving up in the local engine: real processes, really killed."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.states import State
from penstock.engines import local as local_engine
from penstock.engines.local import LocalRun
from penstock.errors import PenstockError
from penstock.monitor.report import EdgeReport, RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source, Steps
from penstock.services.interrupt import Interrupt
from tests.system import controlled
from tests.system import deadly_code as code
from tests.system.local_runs import Hits, books, deaths, run
from tests.system.watching import PATIENCE_S

pytestmark = pytest.mark.usefixtures("nothing_left_open")

BOTH = ("map-0", "map-1")
KILLED = "was killed by SIGKILL"


def pipeline(
    workers: int = 2, *, restarts: Any = None, rate: float = 2000, wait_s: float | None = None, **source: Any
) -> Pipeline:
    stage = Map(controlled.scaled, source="scan", workers=workers, restarts=restarts)
    return Pipeline(
        name="states",
        sources={name: Source(controlled.Paced, rate=rate, **source) for name in "ab"},
        events={"scan": Join("a", "b", by="key", wait_s=wait_s)},
        stages={"map": stage, "rows": Reduce(controlled.Rows, source="map")},
    )


class Stepped:
    """A run that the test steps, with what it looks at."""

    def __init__(self, run: LocalRun) -> None:
        self.run = run

    def report(self) -> RunReport:
        """Return a fresh report."""
        brought: list[RunReport] = []
        self.run.ask(brought.append)
        self.until(lambda: bool(brought))
        return brought[0]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Go on until something is so."""
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < end, "it did not come to that"
            self.run.step(0.01)

    def until_states(self, **wanted: str) -> None:
        """Go on until things are in these states; ``map_0`` is ``map-0``."""
        self.until(lambda: self.states(*wanted) == list(wanted.values()))

    def states(self, *names: str) -> list[str]:
        found = {each.name: each.state for each in self.report().states}
        return [found[name.replace("_", "-")] for name in names]

    def why(self, name: str) -> str:
        return next(each.why for each in self.report().states if each.name == name)

    def edge(self, producer: str, consumer: str) -> EdgeReport:
        return self.report().edge(producer, consumer)

    def goes_on(self, events: int = 100) -> None:
        """Go on until so many more events are folded."""
        begun = self.done()
        self.until(lambda: self.done() >= begun + events)

    def done(self) -> int:
        return self.edge("map", "rows").accounts.get("done", 0)

    def kill(self, *names: str) -> None:
        for name in names:
            os.kill(self.run.pids()[name], signal.SIGKILL)

    def discard(self) -> int:
        told: list[int] = []
        self.run.discard(told.append)
        self.until(lambda: bool(told))
        return told[0]

    def end(self, **drain: Any) -> RunReport:
        """Drain it, and return its last report, whose books add up."""
        self.run.drain(**drain)
        return self.finish()

    def finish(self) -> RunReport:
        end = time.monotonic() + PATIENCE_S
        while self.run.step(0.1):
            assert time.monotonic() < end, "it does not end"
        report = self.run.finish(keep_views=True)
        books(report)
        return report

    def numbers(self) -> list[int]:
        """Return the numbers of the events that were folded, in their order."""
        return [int(number) for number in np.asarray(self.run.views("rows")["rows"])[:, 0]]


@contextmanager
def stepped(plan: Pipeline, **options: Any) -> Iterator[Stepped]:
    local = LocalRun(plan.plan(), **options)
    try:
        local.open()
        yield Stepped(local)
    finally:
        if local.is_open:
            local.abort("the test is over")
            while local.step(0.1):
                pass
            local.finish()
        local.forget_views()


# States


def test_every_thing_has_its_state_from_the_beginning_to_the_end() -> None:
    with stepped(pipeline(), is_held=True) as it:
        kinds = [(each.kind, each.name, each.of) for each in it.report().states]
        assert kinds == [
            ("pipeline", "states", ""), ("source", "a", ""), ("source", "b", ""),
            ("stage", "map", ""), ("worker", "map-0", "map"), ("worker", "map-1", "map"),
            ("stage", "rows", ""), ("worker", "rows-0", "rows"),
        ]  # fmt: skip
        everything = [name for _, name, _ in kinds]
        it.until(lambda: set(it.states(*everything)) == {"waiting"})
        assert {it.why(name) for name in ("states", "a", "b", "map", "rows")} == {"held"}
        assert it.edge("instrument", "a").arrived == 0, "data before start"
        assert it.discard() == 0
        for call in (it.run.hold, it.run.release):
            with pytest.raises(PenstockError, match=r"no source or stage is called 'scan'; there are a, b, map, rows"):
                call("scan")
        with pytest.raises(PenstockError, match=r"no worker is called 'a'; there are map-0, map-1, rows-0"):
            it.run.restart("a")
        it.run.release("")
        it.until(lambda: set(it.states(*everything)) == {"processing"})
        report = it.end(outcome=None)
        assert (report.outcome, report.exit_code, report.reasons) == ("finished", 0, [])
        assert {each.state for each in report.states} == {"stopped"}
        assert report.edge("scan", "map").remarks == []
        assert it.numbers() == list(range(len(it.numbers())))


def test_who_has_nothing_to_do_waits() -> None:
    waiting = Pipeline(
        name="quiet",
        sources={name: Source(controlled.Waits) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={"map": Map(controlled.scaled, source="scan"), "rows": Reduce(controlled.Rows, source="map")},
    )
    with stepped(waiting) as it:
        it.until_states(quiet="waiting", a="waiting", map="waiting", map_0="waiting", rows="waiting")
        assert it.why("quiet") == ""


def test_the_dead_show_in_the_very_next_report_and_are_followed() -> None:
    with stepped(pipeline()) as it:
        it.goes_on()
        it.kill("map-0")
        assert it.states("map-0")[0] in ("fault", "initialised")
        it.until_states(map_0="processing", map="processing", states="processing")
        it.kill(*BOTH)
        states = it.states(*BOTH, "map", "states")
        assert states[0] in ("fault", "initialised")
        assert states[1] in ("fault", "initialised")
        assert states[2] != "processing", "a stage without workers says that it works"
        assert states[3] != "processing", "a pipeline without workers says that it works"
        it.until_states(map_0="processing", map_1="processing", map="processing", states="processing")
        report = it.end()
        assert it.numbers() == list(range(report.joins["scan"].formed)), "lost, doubled or out of order"
        assert deaths(report, *BOTH) == 3


def test_while_its_successor_waits_a_dead_worker_says_how_it_died() -> None:
    with stepped(pipeline(restarts={"backoff_s": 0.8})) as it:
        for _ in range(2):  # the first successor comes at once
            it.until_states(map_0="processing")
            it.kill("map-0")
        it.until_states(map_0="fault", map_1="processing", map="degraded", states="degraded")
        it.until(lambda: it.why("map-0").endswith(f"{KILLED}; another one takes its place soon"))
        assert it.why("states").startswith("map: map-0 (process ")
        it.until_states(map_0="processing", states="processing")
        it.end()


# Holding


def test_who_is_held_takes_nothing_in_and_loses_nothing() -> None:
    with stepped(pipeline()) as it:
        for name, into, count in (
            ("a", ("instrument", "a"), "arrived"),
            ("map", ("scan", "map"), "accounts"),
            ("rows", ("map", "rows"), "accounts"),
            ("", ("instrument", "b"), "arrived"),
        ):
            it.goes_on()
            for _ in range(2):  # to ask twice is to ask once
                it.run.hold(name)
            held = [name] if name else ["a", "b", "map", "rows"]
            it.until(lambda held=held: {it.why(each) for each in held} == {"held"})  # type: ignore[misc]
            assert set(it.states(*held)) == {"waiting"}
            before, asked = getattr(it.edge(*into), count), it.report().duration_s
            it.until(lambda asked=asked: it.report().duration_s > asked + 0.3)  # type: ignore[misc]
            assert getattr(it.edge(*into), count) == before
            it.run.release(name)
        it.goes_on()
        report = it.end(outcome=None)
        assert it.numbers() == list(range(report.joins["scan"].formed)), "lost, doubled or out of order"
        assert report.joins["scan"].partial == 0
        assert (report.outcome, report.reasons) == ("finished", [])


def test_a_source_is_held_only_when_its_process_has_heard_it() -> None:
    with stepped(pipeline()) as it:
        it.goes_on()
        pid = it.run.pids()["a"]
        os.kill(pid, signal.SIGSTOP)
        try:
            it.run.hold("a")
            it.until(lambda: it.why("a") == "held when what it reads now has come")
            assert it.states("a") == ["processing"]
        finally:
            os.kill(pid, signal.SIGCONT)
        it.until(lambda: it.why("a") == "held")
        assert it.states("a") == ["waiting"]
        it.run.release("a")
        it.goes_on()
        it.end()


def test_no_part_is_given_up_because_its_stream_was_held() -> None:
    with stepped(pipeline(wait_s=0.2)) as it:
        it.goes_on()
        it.run.hold("a")
        it.until(lambda: it.why("a") == "held")
        asked = it.report().duration_s
        it.until(lambda: it.report().duration_s > asked + 0.6)
        it.run.release("a")
        it.goes_on(500)
        report = it.end(outcome=None)
        assert report.joins["scan"].partial == 0
        assert not report.edge("a", "scan").accounts.get("late")


def test_a_successor_of_who_is_held_is_held() -> None:
    with stepped(pipeline(), is_held=True) as it:
        for name in ("a", *BOTH, "rows-0"):
            it.kill(name)
        it.until_states(a="waiting", map="waiting", rows="waiting", map_0="waiting", map_1="waiting", states="waiting")
        assert it.edge("instrument", "a").arrived == 0
        it.run.release("")
        it.goes_on()
        report = it.end()
        assert it.numbers() == list(range(len(it.numbers())))
        assert deaths(report) == 4


def test_a_run_of_files_does_not_end_while_it_is_held() -> None:
    with stepped(pipeline(n=300)) as it:
        it.run.hold("rows")
        it.until(lambda: it.edge("scan", "map").accounts.get("done") == 300)
        assert it.edge("map", "rows").in_flight > 0
        it.run.release("")
        report = it.finish()
        assert (report.outcome, it.numbers()) == ("finished", list(range(300)))


# Discarding


@pytest.mark.parametrize("name", ["map", "rows"])
def test_what_waits_is_given_up_with_exact_books(name: str) -> None:
    with stepped(pipeline(n=400)) as it:
        edge = ("scan", "map") if name == "map" else ("map", "rows")
        it.run.hold(name)
        it.until(lambda: it.edge(*edge).in_flight > 50)
        number = it.discard()
        assert number >= 50
        assert it.edge(*edge).remarks == ["aborted: discarded on request"]
        it.run.release(name)
        report = it.finish()
        aborted = [report.edge(*each).accounts.get("aborted", 0) for each in (("scan", "map"), ("map", "rows"))]
        assert sum(aborted) == number
        numbers = it.numbers()
        assert numbers == sorted(set(numbers)), "doubled or out of order"
        assert len(numbers) == report.edge("map", "rows").accounts["done"] == 400 - number


# Restarting


def test_whoever_is_restarted_loses_nothing() -> None:
    with stepped(pipeline(restarts={"most": 0})) as it:  # it is no death
        for name in ("map-1", "rows-0", "map-0"):
            it.goes_on()
            before = it.run.pids()[name]
            it.run.restart(name)
            it.until(lambda name=name, before=before: it.run.pids().get(name, before) != before)  # type: ignore[misc]
            it.goes_on()
        it.until_states(map_0="processing", map_1="processing", rows_0="processing", states="processing")
        report = it.end(outcome=None)
        assert it.numbers() == list(range(report.joins["scan"].formed)), "lost, doubled or out of order"
        assert (report.outcome, report.reasons, deaths(report)) == ("finished", [], 0)


def test_steps_are_restarted_if_they_keep_nothing(tmp_path: Path) -> None:
    for last, keeps in ((code.double, False), (code.Counts, True)):
        gate = tmp_path / f"{keeps}"
        plan = Pipeline(
            name="steps",
            sources={"a": Source(code.Stored, n=300, pace_s=0.01, gate=str(gate))},
            stages={"watch": Steps(code.key_of, last, source="a"), "seen": Reduce(code.Numbers, source="watch")},
        )
        with stepped(plan) as it:
            before = it.run.pids()["watch-0"]
            if keeps:
                with pytest.raises(PenstockError, match="watch-0 keeps something that another process would not have"):
                    it.run.restart("watch-0")
            else:
                it.run.restart("watch-0")
                it.until(lambda before=before: it.run.pids().get("watch-0", before) != before)  # type: ignore[misc]
            gate.touch()
            report = it.finish()
            assert (report.outcome, report.reasons) == ("finished", [])
            assert report.edge("watch", "seen").accounts == {"done": 300}


# Giving up


def test_without_a_worker_that_was_given_up_the_stage_goes_on_degraded() -> None:
    with stepped(pipeline(restarts={"most": 1})) as it:
        for _ in range(2):
            it.until_states(map_0="processing")
            it.kill("map-0")
        it.until(lambda: it.why("map-0").endswith("it died 2 times within 60 s"))
        assert it.states("map-0", "map", "states") == ["fault", "degraded", "degraded"]
        it.goes_on(300)
        assert it.edge("scan", "map").remarks[-1].startswith("given up: map-0 (process ")
        it.run.restart("map-0")
        it.until_states(map_0="processing", map="processing", states="processing")
        report = it.end(outcome=None)
        assert it.numbers() == list(range(report.joins["scan"].formed)), "lost, doubled or out of order"
        assert (report.outcome, report.reasons) == ("finished", [])


def test_without_any_worker_the_run_fails() -> None:
    with stepped(pipeline(restarts={"most": 0})) as it:
        it.goes_on()
        it.kill("map-1")
        it.until_states(map_1="fault", map="degraded")
        it.kill("map-0")
        report = it.finish()
        assert (report.outcome, report.exit_code) == ("failed", 1)
        assert report.reasons[0].startswith("stage map has no worker left: map-")
        assert report.reasons[0].endswith(f"{KILLED}; it died once within 60 s")
        states = {each.name: each.state for each in report.states}
        assert [states[name] for name in ("states", "map", *BOTH)] == ["fault"] * 4
        assert states["rows"] == states["a"] == "stopped"


def test_every_worker_killed_at_once_again_and_again_is_followed(tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")
    with stepped(pipeline(4, gate=gate)) as it:
        for _ in range(3):
            it.goes_on()
            it.kill(*(f"map-{k}" for k in range(4)), "rows-0")
            it.until_states(map="processing", rows="processing", states="processing")
        Path(gate).touch()
        report = it.finish()
        assert (report.outcome, report.reasons, deaths(report)) == ("finished", [], 15)
        assert it.numbers() == list(range(report.joins["scan"].formed)), "lost, doubled or out of order"


def live(tmp_path: Path, n: int = 8000, **restarts: Any) -> Pipeline:
    clock = str(tmp_path / "clock")
    return Pipeline(
        name="live",
        sources={name: Source(code.Live, n=n, rate=2000, clock=clock, restarts=restarts or None) for name in "ab"},
        events={"scan": Join("a", "b", by="key")},
        stages={
            "map": Map(code.weigh, source="scan", large_every=0),
            "rows": Reduce(code.Lists, source="map"),
        },
    )


def test_a_stream_whose_source_was_given_up_ends_as_a_gap_that_is_named(tmp_path: Path) -> None:
    with stepped(live(tmp_path, most=0)) as it:
        it.until(lambda: it.edge("map", "rows").accounts.get("done", 0) > 100)
        it.kill("a")
        it.until_states(a="fault", live="degraded", b="processing")
        it.until(lambda: KILLED in it.why("a"))
        assert it.why("a") in it.why("live")
        report = it.finish()
        assert (report.outcome, report.exit_code) == ("incomplete", 3)
        assert f"{KILLED}; it died once within 60 s: what a sends after message " in report.reasons[0]
        assert any(remark.startswith("given up: a (process ") for remark in report.edge("instrument", "a").remarks)
        assert {each.name: each.state for each in report.states}["a"] == "fault"
        assert report.edge("b", "scan").accounts["joined"] == 8002
        rows = it.run.views("rows")["rows"]
        assert [row[1] for row in rows] == list(range(8000)), "the run did not go on"


def test_without_its_last_source_the_run_fails(tmp_path: Path) -> None:
    with stepped(live(tmp_path, most=0)) as it:
        it.until(lambda: it.edge("map", "rows").accounts.get("done", 0) > 100)
        it.kill("a")
        it.until_states(a="fault")
        it.kill("b")
        report = it.finish()
        assert (report.outcome, report.exit_code) == ("failed", 1)
        assert any(reason.startswith("b (process ") for reason in report.reasons)
        assert {each.name: each.state for each in report.states}["live"] == "fault"


def test_a_file_that_nobody_can_read_fails_the_run(tmp_path: Path) -> None:
    stored = {name: Source(code.Stored, n=2000, pace_s=0.01, restarts={"most": 0}) for name in "ab"}
    plan = Pipeline(
        name="files",
        sources=stored,
        events={"scan": Join("a", "b", by="key")},
        stages={"map": Map(code.number_of, source="scan"), "seen": Reduce(code.Numbers, source="map")},
    )
    ended = run(plan, Hits(random.Random(1), ["a"], 1, waits=False), stages=["seen"])
    assert (ended.report.outcome, ended.report.exit_code) == ("failed", 1)
    assert "a (process " in ended.report.reasons[0]
    books(ended.report)


# The end at every state


@pytest.mark.parametrize(
    ("state", "way"),
    [("held", "drain"), ("held", "abort"), ("backing off", "drain"), ("backing off", "abort"), ("given up", "drain")],
)
def test_it_ends_whatever_state_it_is_in(state: str, way: str) -> None:
    restarts = {"held": None, "backing off": {"backoff_s": 30}, "given up": {"most": 0}}[state]
    with stepped(pipeline(restarts=restarts)) as it:
        it.goes_on()
        if state == "held":
            it.run.hold("map")
            it.until(lambda: it.edge("scan", "map").in_flight > 20)
        else:
            for _ in range(2 if state == "backing off" else 1):
                it.until_states(map_0="processing")
                it.kill("map-0")
            it.until_states(map_0="fault")
        it.run.drain() if way == "drain" else it.run.abort("stopped at once on request")
        report = it.finish()
        assert (report.outcome, report.exit_code) == ("aborted", 130)
        assert report.adds_up
        if way == "drain":
            assert it.numbers() == list(range(report.joins["scan"].formed)), "what had come was not brought out"
        assert State(report.states[0].state) is State.STOPPED


@pytest.mark.parametrize(("by", "state"), [(signal.SIGINT, "waiting"), (signal.SIGTERM, "degraded")])
def test_a_signal_ends_a_run_whatever_state_it_is_in(by: signal.Signals, state: str) -> None:
    plan = pipeline(restarts={"most": 0}).plan()
    reports: list[RunReport] = []

    def look(report: RunReport) -> None:
        if report.states[0].state == state and not interrupt.is_asked:
            os.kill(os.getpid(), by)
        elif state == "degraded" and not any("fault" in each.state for each in report.states):
            pid = next(each.pid for each in report.processes if each.name == "map-0")
            if {each.state for each in report.states} == {"processing"}:
                os.kill(pid, signal.SIGKILL)
        reports.append(report)

    with Interrupt() as interrupt:
        ended = local_engine.run(plan, progress=look, interrupt=interrupt, is_held=state == "waiting")
    assert (ended.outcome, ended.exit_code, ended.reasons) == ("aborted", 130, ["stopped on request"])
    books(ended)
    assert (ended.joins["scan"].formed == 0) == (state == "waiting")
    assert state in {report.states[0].state for report in reports}
    assert {each.state for each in ended.states} == ({"stopped", "fault"} if state == "degraded" else {"stopped"})
