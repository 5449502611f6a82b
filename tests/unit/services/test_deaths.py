"""Deaths in a run of processes, played: in which order they are understood, who is killed, who is waited for."""

import os
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from penstock.core.run import Outcome, RunState
from penstock.monitor.report import books_of_nothing
from penstock.pipeline import Join, Map, Pipeline, Reduce, Source
from penstock.services.builder_line import BuilderLine
from penstock.services.child import Child, Death
from penstock.services.course import Course
from penstock.services.event_files import EventFiles
from penstock.services.last_books import LastBooks
from penstock.services.process_reports import ProcessReports
from penstock.services.progress import Progress
from penstock.services.roster import Roster
from penstock.services.staff import Staff
from penstock.services.user_calls import Failure
from penstock.services.view_sinks import ViewSinks
from penstock.testing import engine_cases as cases
from penstock.transport.seqpacket import Link
from penstock.wire import supervision as say
from tests.unit.services.builder_cases import order
from tests.unit.services.test_members import Nobody


class Mortals(Nobody):
    """Processes that are none, and die when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.died: list[Death] = []
        self.stopped: list[Child] = []

    def poll(self, timeout_s: float = 0.0) -> list[Death]:
        died, self.died = self.died, []
        return died

    def stop(self, child: Child) -> None:
        self.stopped.append(child)

    def die(self, name: str, **how: Any) -> None:
        """Let the last process of a name die."""
        number = max(k + 1 for k, each in enumerate(self.started) if each.name == name)
        self.died.append(Death(child=Child(number=number, name=name, pid=1000 + number), **(how or {"signal": 9})))

    def of(self, name: str) -> list[int]:
        """Return the descriptors of the first process of a name."""
        return next(each.fds for each in self.started if each.name == name)

    def close(self) -> None:
        """Close what the processes had."""
        for started in self.started:
            for fd in started.fds:
                os.close(fd)
            started.fds.clear()


def mortals() -> Any:
    return Mortals()


class Case:
    """A run of two sources, a worker and a reducer, as its supervisor has it."""

    def __init__(self, hang_s: float = 60.0) -> None:
        plan = Pipeline(
            name="run",
            sources={name: Source(cases.Frames, n=1) for name in "ab"},
            events={"scan": Join("a", "b", by="order")},
            stages={"map": Map(cases.number, source="scan"), "sum": Reduce(cases.Sum, source="map")},
        ).plan()
        self.processes = mortals()
        self.state, self.course, self.builder = RunState("r1"), Course(is_going=True), BuilderLine()
        self.books = LastBooks("run", "r1")
        self.failures: list[Failure] = []
        self.changed: list[str] = []
        self.contexts: dict[str, list[dict[str, Any]]] = {}
        self.sinks, self.kept = ViewSinks(plan), EventFiles()
        roster = Roster(
            plan, self.sinks, self.kept, lambda sink: pytest.fail("there is no sink"), values={}, beat_s=1.0,
            contexts=self.contexts,
        )  # fmt: skip
        self.staff = Staff(
            self.processes, plan, self.state, self.course, builder=self.builder, roster=roster, books=self.books,
            used=ProcessReports(dict), failures=self.failures, fail=lambda error: pytest.fail(str(error)),
            notice=lambda text, stage: None, changed=self.changed.append, forget=lambda fd: None, hang_s=hang_s,
            is_replay=False,
        )  # fmt: skip
        self.builder.start(self.processes, order(), [])
        for member in roster.everybody():
            self.staff.members.add(member)
        link, page = self.processes.of("builder")
        self.far, self.page = Link(os.dup(link)), Progress(os.dup(page))

    def tell(self, *words: Any) -> None:
        """Say something as the event builder."""
        self.far.send(say.seal_orders(words))

    def told(self) -> list[Any]:
        """Return what the event builder was told."""
        found: list[Any] = []
        while (received := self.far.try_receive()) is not None:
            for fd in received.fds:
                os.close(fd)
            found += say.open_orders(received.data)
        return found

    def leave(self) -> None:
        """Let the event builder's ends be closed, as its death does."""
        self.far.close()
        for fd in self.processes.of("builder"):
            os.close(fd)
        self.processes.of("builder").clear()

    def close(self) -> None:
        self.staff.members.close()
        self.builder.close()
        self.sinks.forget()
        self.kept.forget()
        self.far.close()
        self.page.close()
        self.processes.close()


@pytest.fixture
def case() -> Iterator[Case]:
    found = Case()
    yield found
    found.close()


def test_who_dies_is_followed_and_the_event_builder_is_told(case: Case) -> None:
    case.tell(say.Entered("map-0"))
    case.staff.hear()
    case.told()
    case.processes.die("map-0")
    case.staff.look()
    gone, enter = case.told()
    assert (gone.name, gone.is_replaced, enter.name) == ("map-0", True, "map-0")
    assert "SIGKILL" in gone.text
    assert [each.name for each in case.processes.started].count("map-0") == 2


def test_behind_the_death_of_the_event_builder_nothing_goes_on_whoever_died_first(case: Case) -> None:
    case.books.take(msgspec.Raw(msgspec.msgpack.encode(books_of_nothing("run", "r1"))), 0.0)
    case.processes.die("a", code=0)
    case.processes.die("builder")
    case.staff.look()
    (reason,) = case.state.reasons
    assert reason.startswith(
        "builder (process 1001) was killed by SIGKILL: the events under way are lost, and the books"
    )
    assert case.course.has_finished
    assert [each.name for each in case.processes.started].count("a") == 1, "somebody followed it"


def test_others_wait_for_the_event_builder_whose_end_is_heard_before_its_death_is_told(case: Case) -> None:
    case.leave()
    case.processes.die("a", code=0)
    case.staff.look()
    assert case.state.prospect is Outcome.FINISHED
    case.processes.die("builder", code=1, text="Traceback: it broke")
    case.staff.look()
    (reason,) = case.state.reasons
    assert reason.startswith("builder")
    assert "its books are lost" in reason
    assert [(failure.stage, failure.traceback) for failure in case.failures] == [("builder", "Traceback: it broke")]


def test_what_the_event_builder_said_before_it_died_counts(case: Case) -> None:
    case.tell(say.Finished(msgspec.Raw(msgspec.msgpack.encode(books_of_nothing("run", "r1")))))
    case.processes.die("builder", code=0)
    case.staff.look()
    assert case.course.has_finished
    assert case.state.prospect is Outcome.FINISHED


def test_who_does_not_come_round_is_killed_the_event_builder_before_sources() -> None:
    case = Case(hang_s=0.0)
    try:
        case.page.beat()
        case.staff.look()
        assert [child.name for child in case.processes.killed] == ["builder"]
        case.processes.die("builder")
        case.staff.look()
        assert "it did not come round for 0 s" in case.state.reasons[0]
    finally:
        case.close()


def test_a_source_that_hangs_is_killed_while_the_event_builder_lives() -> None:
    case = Case(hang_s=0.0)
    try:
        source = Progress(os.dup(case.processes.of("a")[1]))
        source.beat()
        case.staff.look()
        assert [child.name for child in case.processes.killed] == ["a"]
        source.close()
    finally:
        case.close()


def test_who_has_closed_is_waited_for(case: Case) -> None:
    case.course.has_finished = True
    for name in ("a", "b", "map-0", "sum-0"):
        case.processes.die(name, code=0)
    case.staff.close()
    assert case.staff.members.pids() == {}


def test_words_of_the_event_builder_come_where_they_belong(case: Case) -> None:
    answers: list[Any] = []
    number = case.builder.number(answers.append)
    case.tell(
        say.Entered("map-0", False), say.Changed("sum", 3), say.Discarded(number, 5),
        say.Left("map-0", msgspec.Raw(msgspec.msgpack.encode({"seen": 4}))), say.Kill("a", "it hangs"),
    )  # fmt: skip
    case.staff.hear()
    member = case.staff.members.by_name["map-0"]
    assert (member.is_entered, member.keeps_state, member.has_left) == (True, False, True)
    assert case.changed == ["sum"]
    assert answers == [say.Discarded(number, 5)]
    assert case.contexts["map"] == [{"seen": 4}]
    assert [child.name for child in case.processes.killed] == ["a"]
    case.tell(say.Broke("map-0", "no module"))
    case.staff.hear()
    assert case.state.reasons == ("no module",)
    assert case.course.is_closing


def test_everybody_but_sources_is_interrupted(case: Case) -> None:
    case.staff.members.interrupt()
    assert [child.name for child in case.processes.stopped] == ["map-0", "sum-0"]


@pytest.mark.parametrize(("worker", "text"), [("a", "no worker is called 'a'; there are map-0, sum-0"), ("map-0", "")])
def test_workers_are_restarted_and_nobody_else(case: Case, worker: str, text: str) -> None:
    case.tell(say.Entered("map-0"))
    case.staff.hear()
    case.told()
    if text:
        with pytest.raises(Exception, match=text):
            case.staff.succession.restart(worker)
    else:
        case.staff.succession.restart(worker)
        assert case.told() == [say.Leave("map-0")]
