"""What states are said, given what the event builder said last and who is there."""

from collections.abc import Iterator
from typing import Any

import pytest

from penstock.core.run import Outcome, RunState
from penstock.core.states import State
from penstock.monitor.report import ProcessReport, RunReport, StateReport, books_of_nothing
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
from penstock.services.child import Child
from penstock.services.course import Course
from penstock.services.members import Member
from penstock.services.run_states import RunStates
from penstock.testing import engine_cases as cases

PROCESSES = {"a": "source", "b": "source", "map-0": "map", "map-1": "map", "sum-0": "reduce"}


class Everybody:
    """Members without processes, of which some have died and nobody was told."""

    def __init__(self) -> None:
        self.by_name = {
            name: Member(
                name=name, of=name.partition("-")[0], role=role, order=None, is_entered=True,  # type: ignore[arg-type]
                child=Child(number=k, name=name, pid=1000 + k),
            )
            for k, (name, role) in enumerate(PROCESSES.items())
        }  # fmt: skip
        self.dead: set[str] = set()

    def __iter__(self) -> Iterator[Member]:
        return iter(self.by_name.values())

    def is_alive(self, member: Member) -> bool:
        return member.name not in self.dead


class Case:
    """A run of two sources, two workers and a reducer, all of which are at work."""

    def __init__(self) -> None:
        plan = Pipeline(
            name="run",
            sources={name: Source(cases.Frames, n=1) for name in "ab"},
            events={"scan": Join("a", "b", by="order")},
            stages={"map": Map(cases.number, source="scan", workers=2), "sum": Reduce(cases.Sum, source="map")},
        ).plan()
        self.state, self.course = RunState("r"), Course(is_going=True)
        self.states = RunStates(plan, self.state, self.course, dict)
        self.everybody = Everybody()
        self.said = dict.fromkeys(PROCESSES, "processing")
        self.told = [StateReport(name=name, kind="source", state="processing") for name in "ab"]

    def __getitem__(self, name: str) -> Member:
        return self.everybody.by_name[name]

    def found(self) -> dict[str, tuple[str, str]]:
        """Return state and why of everything."""
        members: Any = self.everybody
        processes = [ProcessReport(name=n, role="", pid=0, state=state) for n, state in self.said.items()]
        books: RunReport = books_of_nothing("run", "r")
        books.processes.extend(processes)
        books.states.extend(self.told)
        of = self.states.of_processes(members, books)
        return {each.name: (each.state, each.why) for each in self.states.reports(members, books, of, 0.0)}

    def state_of(self, *names: str) -> list[str]:
        found = self.found()
        return [found[name][0] for name in names]


@pytest.fixture
def case() -> Case:
    return Case()


def test_all_at_work(case: Case) -> None:
    assert set(case.found().values()) == {("processing", "")}


def test_one_dead_worker_degrades_and_all_break(case: Case) -> None:
    case.everybody.dead.add("map-1")
    assert case.state_of("map-1", "map", "run") == ["fault", "degraded", "degraded"]
    assert case.found()["run"][1] == "map: process 1003 has ended"
    case.everybody.dead.add("map-0")
    assert case.state_of("map-0", "map-1", "map", "run") == ["fault"] * 4


def test_who_leaves_is_at_work_no_more_and_has_not_died(case: Case) -> None:
    case["map-1"].is_leaving = True
    assert case.state_of("map-1", "map", "run") == ["finishing", "processing", "processing"]
    case["map-1"].has_left = True
    del case.said["map-1"]
    case.everybody.dead.add("map-1")
    assert case.state_of("map-1", "map", "run") == ["stopped", "processing", "processing"]


def test_what_is_made_anew_degrades_the_whole(case: Case) -> None:
    case["sum-0"].is_entered, case["sum-0"].last_death = False, "sum-0 was killed"
    assert case.found()["sum"] == ("initialised", "sum-0 was killed")
    assert case.found()["run"] == ("degraded", "sum: sum-0 was killed")
    case["sum-0"].child, case["sum-0"].due_s = None, 1.0
    assert case.found()["sum-0"] == ("fault", "sum-0 was killed; another one takes its place soon")
    assert case.state_of("sum", "run") == ["fault", "fault"]


def test_without_a_source_that_was_given_up_the_whole_is_degraded(case: Case) -> None:
    case.told[0] = StateReport(name="a", kind="source", state="fault", why="it died")
    case["a"].child, case["a"].given_up = None, "it died"
    assert case.found()["a"] == ("fault", "it died")
    assert case.found()["run"] == ("degraded", "a: it died")


def test_a_run_is_what_it_ended_as(case: Case) -> None:
    case.course.is_going = False
    assert case.state_of("run") == ["initialised"]
    case.course.is_going = True
    case.course.close_soon()
    assert case.state_of("run") == ["finishing"]
    case.course.ended_s = 1.0
    case.state.end()
    assert case.found()["run"] == ("stopped", "finished")
    assert set(case.state_of(*PROCESSES, "map", "sum")) == {"stopped"}


def test_a_run_that_failed_is_in_fault_with_whoever_was_given_up(case: Case) -> None:
    case["sum-0"].given_up = "it died 21 times within 60 s"
    case.state.mark(Outcome.FAILED, "sum-0 is gone")
    case.course.ended_s = 1.0
    case.state.end()
    assert case.found()["run"] == ("fault", "sum-0 is gone")
    assert case.state_of("sum-0", "sum", "map", "a") == ["fault", "fault", "stopped", "stopped"]
    assert {state for state, _ in case.found().values()} <= {str(state) for state in State}
