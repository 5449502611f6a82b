"""The handle of a run, with a run that starts no process: who waits for what, and what becomes of them at its end."""

import gc
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock.core.command import WorkerCount
from penstock.core.event import Event, event_type
from penstock.core.map_part import MapPart
from penstock.core.map_reader import MapDocument
from penstock.core.parameters import Change
from penstock.core.run import Outcome, RunState
from penstock.core.timestamp import Timestamp
from penstock.core.trigger_map import TriggerMap
from penstock.engines.handle import Grown, Run
from penstock.errors import CheckError, ParameterError, PenstockError, SinkError, StateError
from penstock.monitor.notice import notice, use_outlet
from penstock.monitor.report import RunReport, books_of_nothing
from penstock.pipeline import Pipeline, Source, Steps
from penstock.services.control_desk import ControlDesk
from penstock.services.watching import Watching
from tests.system.watching import held, left_open
from tests.unit.services.commanded_cases import PLAN, FakeRun


class Control:
    """A run of nothing: it goes on until it is told to stop, and answers questions when the test says so."""

    def __init__(self, *, answers: bool = True, opening: BaseException | None = None) -> None:
        self.state = RunState("the-run")
        self.desk = ControlDesk()
        plan = Pipeline(sources={"n": Source("numbers")}, stages={"s": Steps("count", source="n")}).plan()
        self.watching = Watching(plan, "the-run")
        self.answers = answers
        self.opening = opening
        self.breaks: BaseException | None = None
        self.pending: list[Callable[[], None]] = []
        self.waits_for_answers = threading.Event()
        self.done: list[str] = []
        self.threads: set[int] = set()
        self.commanded = FakeRun()
        self.is_open = True
        self._poller = select.poll()

    def open(self) -> None:
        self._note("open")
        self.desk.begin(self.commanded, PLAN, "the-run")
        if self.opening is not None:
            raise self.opening

    def step(self) -> bool:
        self.threads.add(threading.get_ident())
        if self.is_open:
            self._poller.poll(20_000)
        if self.breaks is not None:
            error, self.breaks = self.breaks, None
            raise error
        return self.is_open

    def finish(self, *, keep_views: bool = False) -> RunReport:
        self._note(f"finish, {'keeping' if keep_views else 'without'} views")
        self.state.end()
        self.desk.finish(self._report())
        return self._report()

    def forget_views(self) -> None:
        self.done.append("forget views")

    def fail(self, error: PenstockError) -> None:
        self.state.mark(Outcome.FAILED, str(error))
        self.is_open = False

    def wake_on(self, pollable: int) -> None:
        self._poller.register(pollable, select.POLLIN)

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        self._note("set")
        if "nonsense" in values:
            raise ParameterError('no parameter "nonsense"')
        change = Change(revision=1, from_event=7, values=values, who=who, when=Timestamp(0))
        self._later(partial(then, change))

    def scale(self, stage: str, workers: WorkerCount) -> None:
        self._note(f"scale {stage} {workers}")

    def extend(self, join: str, document: MapDocument, then: Callable[[Grown], None], *, is_last: bool = False) -> None:
        self._note(f"extend {join} by {document!r}{', the last' if is_last else ''}")
        self._later(
            partial(then, StateError("too late") if is_last else TriggerMap({"p": MapPart.uniform({"a": 1}, 5)}))
        )

    def ask(self, then: Callable[[RunReport], None]) -> None:
        self._note("ask")
        self._later(lambda: then(self._report()))

    def views(self, stage: str) -> Mapping[str, Any]:
        return {"of": stage}

    def events(self, stage: str = "", last: int | None = None, number: int | None = None) -> list[Event]:
        return [event_type(())(k, ()) for k in range(last or 3) if number in (None, k)]

    def drain(self, reason: str = "") -> None:
        self._end(f"drain: {reason}", reason)

    def abort(self, reason: str) -> None:
        self._end(f"abort: {reason}", reason)

    def _end(self, text: str, reason: str) -> None:
        self._note(text)
        self.state.mark(Outcome.ABORTED, reason)
        self.is_open = False

    def _later(self, answer: Callable[[], None]) -> None:
        if self.answers:
            answer()
        else:
            self.pending.append(answer)
            if len(self.pending) == 2:
                self.waits_for_answers.set()

    def _note(self, text: str) -> None:
        self.threads.add(threading.get_ident())
        self.done.append(text)

    def _report(self) -> RunReport:
        books = books_of_nothing("nothing", self.state.id)
        return RunReport(**{**{f: getattr(books, f) for f in books.__struct_fields__}, "outcome": self.state.outcome})


def test_everything_is_done_in_one_thread_of_its_own() -> None:
    control = Control()
    with Run(control) as run:
        assert (run.id, run.is_running, repr(run)) == ("the-run", True, "<Run the-run: running>")
        with ThreadPoolExecutor(4) as pool:
            changes = list(pool.map(lambda n: run.set({"fit.gain": n}, who="me", roi=2), range(20)))
        assert [change.values for change in changes] == [{"fit.gain": n, "roi": 2} for n in range(20)]
        assert {(change.from_event, change.who) for change in changes} == {(7, "me")}
        run.scale("fit", 3)
        assert run.views("sum") == {"of": "sum"}
        assert [event.number for event in run.events("last", last=2)] == [0, 1]
        assert run.statistics().outcome == "running"
        run.stop("enough")
    assert not run.is_running
    assert len(control.threads) == 1
    assert threading.get_ident() not in control.threads
    assert control.done[-3:] == ["ask", "drain: enough", "finish, keeping views"]


def test_what_is_asked_wrongly_is_raised_where_it_was_asked() -> None:
    with Run(Control()) as run:
        with pytest.raises(ParameterError, match="nonsense"):
            run.set(nonsense=1)
        assert run.set(gain=1).revision == 1
        run.abort()


def test_a_map_has_grown_or_it_is_raised_why_not() -> None:
    control = Control()
    with Run(control) as run:
        assert run.extend("scan", {"a": {"events": 2}}) == 5
        with pytest.raises(StateError, match="too late"):
            run.extend("scan", last=True)
        run.stop()
    told = [text for text in control.done if text.startswith("extend")]
    assert told == ["extend scan by {'a': {'events': 2}}", "extend scan by mappingproxy({}), the last"]


@pytest.mark.parametrize("error", [CheckError([]), ParameterError("no"), SinkError("cannot be written"), OSError("no")])
def test_what_keeps_a_run_from_beginning_is_raised_at_its_start(error: Exception) -> None:
    control = Control(opening=error)
    with pytest.raises(type(error)) as raised:
        Run(control)
    assert raised.value is error
    assert control.done == ["open", "finish, without views"]


def test_whoever_waits_for_an_answer_is_told_when_the_run_ends_first() -> None:
    control = Control(answers=False)
    run = Run(control)
    with ThreadPoolExecutor(2) as pool:
        change, report = pool.submit(run.set, gain=1), pool.submit(run.statistics)
        assert control.waits_for_answers.wait(10)
        run.stop()
        with pytest.raises(StateError, match="the-run ended before it could answer"):
            change.result(10)
        assert report.result(10).outcome == "aborted"  # the last one


def test_answers_may_come_in_any_order() -> None:
    control = Control(answers=False)
    run = Run(control)
    with ThreadPoolExecutor(2) as pool:
        change, report = pool.submit(run.set, gain=1), pool.submit(run.statistics)
        assert control.waits_for_answers.wait(10)
        for answer in reversed(control.pending):
            answer()
        assert change.result(10).values == {"gain": 1}
        assert report.result(10).outcome == "running"
    run.stop()
    assert run.wait(10).outcome == "aborted"


def test_after_the_end_there_is_the_last_report_and_the_last_views() -> None:
    run = Run(Control())
    run.stop()
    report = run.wait(10)
    assert (run.statistics(), run.views("sum"), repr(run)) == (report, {"of": "sum"}, "<Run the-run: aborted>")
    assert [event.number for event in run.events(number=1)] == [1]
    run.stop()
    run.abort()
    for late in (lambda: run.set(gain=1), lambda: run.scale("fit", 2)):
        with pytest.raises(StateError, match="run the-run has ended"):
            late()


def test_waiting_has_a_way_out_that_says_what_to_do() -> None:
    with Run(Control()) as run:
        with pytest.raises(TimeoutError, match=r"the-run has not ended within 0\.01 s; it goes on: stop it, or wait"):
            run.wait(timeout_s=0.01)
        assert run.is_running
        run.abort()


def test_a_block_left_with_an_exception_ends_the_run_at_once() -> None:
    control = Control()
    with pytest.raises(ZeroDivisionError), Run(control):
        raise ZeroDivisionError
    assert control.done[:2] == ["open", "abort: its block was left with ZeroDivisionError"]


def test_a_run_that_fails_says_so_in_its_report() -> None:
    control = Control()
    run = Run(control)
    control.breaks = SinkError("no room left on the device")
    with pytest.raises(StateError):
        run.set(gain=1)
    assert run.wait(10).outcome == "failed"


def test_a_defect_is_raised_to_whoever_waits_and_nothing_stays_open() -> None:
    control = Control()
    run = Run(control)
    control.breaks = AssertionError("a defect")
    with pytest.raises(StateError):
        run.scale("fit", 2)
    with pytest.raises(AssertionError, match="a defect"):
        run.wait(10)
    assert control.done[-1] == "finish, without views"


def test_a_run_whose_handle_is_gone_is_ended() -> None:
    control = Control()
    run = Run(control)
    loop = run._loop
    del run
    gc.collect()
    assert loop.ended.result(10).outcome == "aborted"
    loop._thread.join(10)
    assert control.done[-1] == "forget views"


def test_the_views_of_a_run_go_with_its_handle() -> None:
    control = Control()
    run = Run(control)
    run.stop()
    run.wait(10)
    assert "forget views" not in control.done
    del run
    gc.collect()
    assert control.done[-1] == "forget views"


def test_no_descriptor_stays_open() -> None:
    before = held()
    for _ in range(3):
        with Run(Control()) as run:
            run.stop()
    assert not left_open(before)


PROGRAM = """
from tests.unit.engines.test_handle import Control
from penstock.engines.handle import Run
class Tells(Control):
    def finish(self, **options):
        print(*self.done, flush=True)
        return super().finish(**options)
run = Run(Tells())
"""


def test_a_program_that_forgets_its_run_ends() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, cwd=root, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "open abort: the program that had started the run ended\n"


def test_a_command_is_answered_by_the_run_and_after_its_end() -> None:
    control = Control()
    run = Run(control)
    reply = run.command("stop-data", "camera", who="me", id="1")
    assert (reply.is_done, reply.text) == (True, "camera held")
    assert control.commanded.done == ["hold camera"]
    assert run.command("scale", "fit", workers=3).is_done
    refused = run.command("strat")
    assert (refused.outcome, refused.problem) == ("refused", "unknown")
    assert run.command("stop-data", "camera", who="me", id="1") == reply
    run.abort()
    run.wait(20)
    late = run.command("start")
    assert (late.outcome, late.problem, late.allowed) == ("refused", "state", ["status", "feedback"])
    assert run.command("status").state == "stopped"
    assert run.command("stop-data", "camera", who="me", id="1") == reply, "the same id, the same reply"


def test_whoever_commands_a_run_that_ends_meanwhile_is_answered() -> None:
    control = Control()
    control.commanded.is_mute = True
    run = Run(control)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run.command, "stop")
        while not control.commanded.asked:
            run.statistics()
        run.abort()
        reply = asked.result(20)
    assert (reply.outcome, reply.problem) in (("failed", "ended"), ("refused", "state"))


def test_notices_and_history_can_be_had_while_it_runs_and_after_the_end() -> None:
    control = Control()
    run = Run(control)
    with use_outlet(control.watching.outlet):
        notice("hot", level="alarm")
        notice("warm")
    control.watching.look()
    assert [each.text for each in run.notices("alarm")] == ["hot"]
    assert run.history()["times"] == []
    run.stop()
    run.wait(20)
    assert [each.text for each in run.notices()] == ["hot", "warm"]
    assert run.history(["nothing"])["series"] == {}
    with pytest.raises(ValueError, match="loud"):
        run.notices("loud")
