"""The local engine: a pipeline on the processes and the shared memory of one machine.

This side supervises. It starts everybody, learns of every death, replaces who may be replaced, and writes views. Data
pass from process to process without it; user code other than sinks of views never runs here.
"""

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.core import Timestamp
from penstock.core.command import WorkerCount
from penstock.core.event import Event
from penstock.core.parameters import Change
from penstock.core.run import Outcome, RunState
from penstock.core.trigger_map import TriggerMap
from penstock.elements.sink import RunFacts
from penstock.engines.alarming import Alarming, small_views
from penstock.engines.handle import Grown, Run
from penstock.engines.showing import Showing
from penstock.engines.to_the_end import Progress as Told
from penstock.engines.to_the_end import run_to_the_end
from penstock.errors import CheckError, ParameterError, PenstockError, UserCodeError
from penstock.monitor.report import RunReport
from penstock.pipeline.map_check import MapDocument
from penstock.pipeline.plan import Plan
from penstock.pipeline.reference import reference_problems
from penstock.services.asked_changes import AskedChanges
from penstock.services.blob import write_blob
from penstock.services.builder_line import BuilderLine
from penstock.services.control_desk import ControlDesk
from penstock.services.course import Course
from penstock.services.declared import declared_parameters
from penstock.services.event_files import EventFiles
from penstock.services.interrupt import Interrupt
from penstock.services.last_books import LastBooks
from penstock.services.log_file import claim
from penstock.services.map_growth import MapGrowth
from penstock.services.members import Members
from penstock.services.plan_orders import builder_order
from penstock.services.process_reports import ProcessReports
from penstock.services.processes import Processes
from penstock.services.recorded_run import NO_SETTING, RecordedRun
from penstock.services.recording import begin_recording, go_on_recording
from penstock.services.roster import Roster
from penstock.services.run_basis import run_basis
from penstock.services.run_names import new_run_id, own_version
from penstock.services.run_reports import RunReports
from penstock.services.run_states import RunStates
from penstock.services.sink_facts import facts_for
from penstock.services.staff import Staff
from penstock.services.user_calls import Failure
from penstock.services.users_traceback import users_traceback
from penstock.services.view_sinks import ViewSinks
from penstock.services.watching import Watching
from penstock.services.web_service import WebService
from penstock.streams.opened import opened_store
from penstock.wire import supervision as say

__all__ = ["LocalRun", "run", "start"]

PRELOAD = (
    "numpy",
    "msgspec",
    "penstock.monitor.notice",
    "penstock.elements.cadence",  # of nearly every source; it brings asyncio
    "penstock.elements.decoders",
    "penstock.services.source_process",
    "penstock.services.steps_process",
    "penstock.services.worker_process",
    "penstock.services.reduce_process",
    "penstock.services.sink_process",
    "penstock.services.builder_process",
)
LONGEST_WAIT_S = 1.0
HANG_S = 10.0
"""How long the event builder, or a source, may not come round until it is taken for hung."""
MOST_BEAT_S = 1.0
BEATS = 4
"""How often at least who is watched says that it lives: so many times before it would be taken for hung."""


class LocalRun:
    """One run of a plan on this machine's processes.

    ``open``, then ``step`` until it returns false, then ``finish``; all from one thread.

    Parameters
    ----------
    plan
        Must not ask for anything that is not built yet.
    run_id
        By default made of the time.
    trigger_maps
        By join, for those whose map comes with the scan.
    values
        Start values of parameters, by address or any shorter form that is clear; they go before the pipeline's.
    contexts
        What user code keeps between runs, by stage; what of it can travel is given again for the next run.
    event_log
        A new file for the event log; none by default.
    silent_s
        End the run when nothing has arrived for so long after the first message; 0 waits for ever.
    replay
        A recorded run, of a store that other processes can open: its events are formed again out of its streams, with
        its start values, changes of parameters and trigger maps. Values given here stay as they are.
    resume
        A recorded run that was cut off, likewise: it goes on, under its name, behind what was recorded of it.
    hang_s
        How long the event builder, or a source, may not come round until it is killed, in s; 0.5 at least.
    web
        Where the run is to be seen meanwhile, and its views afterwards; it stays the caller's. By default where the
        pipeline's ``serve`` says, as long as the run lasts.
    desk
        Where commands come to; it stays the caller's, as are its doors. By default one of its own, with the door that
        the pipeline's ``control`` says.
    is_held
        Begin with every source and stage held; everybody is there, and every instrument is open, before one is
        released.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_id: str = "",
        trigger_maps: Mapping[str, TriggerMap] | None = None,
        values: Mapping[str, Any] | None = None,
        contexts: dict[str, list[dict[str, Any]]] | None = None,
        event_log: Path | str | None = None,
        silent_s: float = 0.0,
        replay: RecordedRun | None = None,
        resume: RecordedRun | None = None,
        hang_s: float = HANG_S,
        web: WebService | None = None,
        desk: ControlDesk | None = None,
        is_held: bool = False,
    ) -> None:
        self.started = Timestamp(time.time_ns())
        basis = run_basis(
            plan, self.started, run_id=run_id, trigger_maps=trigger_maps, values=values, event_log=event_log,
            replay=replay, resume=resume, in_processes=True,
        )  # fmt: skip
        self._basis = basis
        self.plan = plan = basis.plan
        self._is_held = is_held
        began_s = time.monotonic()
        self.state = RunState(basis.run_id or new_run_id(self.started))
        self._builder = BuilderLine()
        self._growth = MapGrowth(plan, basis.trigger_maps, self._builder)
        self.maps = self._growth.maps
        """By join, with all that was appended."""
        self._event_log = "" if event_log is None else str(event_log)
        self._silent_s = silent_s
        self._showing = Showing(plan, web, desk)
        self.desk = self._showing.desk
        """Takes commands, from the thread of this run."""
        self.alarms = Alarming(plan, self.state.id, utc_ns=time.time_ns, last=self._last_views)
        self._hang_s = max(0.5, hang_s)
        self._beat_s = min(MOST_BEAT_S, self._hang_s / BEATS)
        self.parameters, given = declared_parameters(plan, basis.values, self.started)
        for change in basis.replay.changes if basis.replay is not None and basis.goes_on else ():
            self.parameters.follow(change.revision, change.first, change.values)
        self._changes = AskedChanges(self.parameters, self._builder)
        self._sinks = ViewSinks(plan)
        self._kept = EventFiles()
        self._roster = Roster(
            plan, self._sinks, self._kept, self._facts, values=given, contexts={} if contexts is None else contexts,
            beat_s=self._beat_s, is_logged=bool(event_log) or plan.is_recorded, replay=basis.replay,
        )  # fmt: skip
        self._failures: list[Failure] = []
        self._staff: Staff | None = None
        self._poller = select.poll()
        self._books = LastBooks(plan.name, self.state.id)
        self.watching = Watching(plan, self.state.id)
        self.alarms.on_change(self.watching.note_alarm)
        self._course = Course()
        self._used = ProcessReports(self._running)
        self._reports = RunReports(
            state=self.state, course=self._course, books=self._books, used=self._used, sinks=self._sinks,
            states=RunStates(plan, self.state, self._course, self._sinks.states), failures=self._failures,
            started=self.started.isoformat(), began_s=began_s,
        )  # fmt: skip

    def open(self) -> None:
        """Start everybody, and begin when everything is made; outputs first, then instruments.

        Raises
        ------
        CheckError
            If a join has no trigger map, or something cannot be had in another process.
        PenstockError
            If an output cannot be opened, a constructor raised, or a process cannot be started.
        """
        plan = self.plan
        if problems := reference_problems(plan):
            raise CheckError(problems)
        self._growth.open()
        order = builder_order(
            plan,
            run=self.state.id,
            started_ns=self.started.ns,
            maps=self.maps,
            silent_s=self._silent_s,
            event_log=self._event_log,
            parameters=self.parameters.history[0].values,
            beat_s=self._beat_s,
            replay=self._basis.replay,
            is_held=self._is_held,
        )
        self.watching.open()
        self.desk.write_to(self.watching.journal, has_files=self.plan.logs is not None)
        everybody = self._roster.everybody()  # before anything starts: whoever cannot be written down is refused
        shown = self._showing.begin(self, self.state.id, self._sinks.files, self._kept.files)
        if shown is not None:
            self._poller.register(shown, select.POLLIN)
        staff = self._staff = self._new_staff()
        if plan.is_recorded:
            with opened_store(plan.store, plan.folder) as store:
                begin = go_on_recording if self._basis.goes_on else begin_recording
                begin(store, plan, self.state.id, self.started, "local")
        log = [claim(Path(self._event_log))] if self._event_log else []
        if self._basis.replay is not None:
            log.append(write_blob("formed", self._basis.replay.log_for(plan)))
        try:
            self._sinks.open(self._facts)
            self.alarms.open(self._facts(""))
            self._poller.register(self._builder.start(staff.processes, order, log), select.POLLIN)
        finally:
            for fd in log:
                os.close(fd)
        for member in everybody:
            staff.members.add(member)
        while not staff.members.are_ready and self._course.closing_s is None and not self._course.has_finished:
            self.step(LONGEST_WAIT_S)
        if self._course.closing_s is None and not self._course.has_finished:
            self._say(say.Go())
            self._course.is_going = True
            self._growth.tell()  # of who was quick

    def _new_staff(self) -> Staff:
        processes = Processes(preload=PRELOAD, on_notice=self.watching.hear)
        processes.__enter__()
        self._poller.register(processes.fileno(), select.POLLIN)
        return Staff(
            processes, self.plan, self.state, self._course, builder=self._builder, roster=self._roster,
            books=self._books, used=self._used, failures=self._failures, fail=self.fail, notice=self.watching.note,
            changed=self._sinks.write, forget=self._poller.unregister, hang_s=self._hang_s,
            is_replay=self._basis.replay is not None,
        )  # fmt: skip

    def step(self, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Do what there is to do, waiting at most so long for something; return whether there will be more.

        Raises
        ------
        PenstockError
            If a sink of views cannot be written.
        """
        self._poller.poll(1000 * min(longest_s, self._until_due_s()))
        if self._staff is not None:
            self._staff.hear()
        self._showing.poll()
        self.watching.look()
        self._sinks.write_due()
        self._keep_books()
        if self.alarms.is_due:
            self.alarms.look(self.report())
        if self._staff is not None:
            self._staff.look()
        return not self._course.has_finished

    def drain(self, reason: str = "stopped on request", *, outcome: Outcome | None = Outcome.ABORTED) -> None:
        """Read nothing more, and bring out what has arrived; what is held is released for that.

        Parameters
        ----------
        outcome
            What the run can end as at best; ``None``: this is the end that was wanted, and it ends as one that its
            sources ended.
        """
        if outcome is not None:
            self.state.mark(outcome, reason)
        self._say(say.Drain(reason, "" if outcome is None else str(outcome)))

    def hold(self, name: str) -> None:
        """Let a source or a stage take nothing more in until it is released; with an empty name, all of them.

        What it has is worked on to its end; what waits is kept, and is in flight in the books. A source leaves its
        instrument alone: what becomes of what that sends meanwhile is up to the instrument and its network.

        Raises
        ------
        PenstockError
            If there is no such source or stage.
        """
        self._hold(name, is_held=True)

    def release(self, name: str) -> None:
        """Let a source or a stage that is held go on; with an empty name, all of them.

        Raises
        ------
        PenstockError
            If there is no such source or stage.
        """
        self._hold(name, is_held=False)

    def discard(self, then: Callable[[int], None]) -> None:
        """Give up what waits before stages and sinks; ``then`` is called with how many items that were.

        They are in the books as aborted. What a process has stays its own, what waits in a join for its other parts
        stays there, and what is to be recorded is recorded.

        Raises
        ------
        PenstockError
            In a replay, which repeats what was.
        """
        if self._basis.is_replay:
            raise PenstockError("a replay repeats what was recorded; nothing of it is discarded")
        if not self.is_open:
            then(0)
            return
        self._say(say.Discard(self._builder.number(lambda word: then(word.number))))

    def restart(self, worker: str) -> None:
        """Let another process take the place of a worker's, a reducer's or a stage of steps'; nothing is lost by it.

        A worker of a map stage does what it has first. What was given up because it had died too often is tried again.

        Raises
        ------
        PenstockError
            If there is no such worker, or it keeps something that another one would not have.
        """
        self._working.succession.restart(worker)

    def _hold(self, name: str, *, is_held: bool) -> None:
        there = [*self.plan.sources, *self.plan.stages]
        if name and name not in there:
            raise PenstockError(f"no source or stage is called {name!r}; there are {', '.join(there)}")
        self._say(say.Hold(name, is_held))

    def abort(self, reason: str, outcome: Outcome = Outcome.ABORTED) -> None:
        """Give everything up that is under way, and close."""
        self.state.mark(outcome, reason)
        self._say(say.Abort(reason, str(outcome)))
        self._course.closing_s = time.monotonic()
        if self._staff is not None:
            self._staff.members.interrupt()  # also one that is in the midst of an event, or of a hook

    def fail(self, error: PenstockError) -> None:
        """Say that the run has failed, and keep the traceback of whatever is behind it."""
        self.state.mark(Outcome.FAILED, str(error))
        if isinstance(error, UserCodeError) and error.event is None and error.__cause__ is not None:
            cause = error.__cause__
            failure = Failure(stage=error.stage, event=None, cause=repr(cause), traceback=users_traceback(cause))
            self._failures.append(failure)
        if self.is_open:
            self._say(say.Abort(str(error), str(Outcome.FAILED)))
            self._course.close_soon()

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters, from the next event on; ``then`` is called when that is known.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        """
        if self._basis.is_replay:
            raise ParameterError(NO_SETTING)
        self._changes.ask(values, then, who)

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Let a map stage have so many workers, or as many as there is work for.

        Raises
        ------
        PenstockError
            If there is no such stage, or it cannot have so many.
        """
        self._working.hiring.scale(stage, workers)

    def extend(
        self,
        join: str,
        document: MapDocument,
        then: Callable[[Grown], None],
        *,
        is_last: bool = False,
    ) -> None:
        """Append to an open trigger map; ``then`` is called with the map when it has grown, or with why it could not.

        Raises
        ------
        MapError
            If it is wrong, or the map is closed; then nothing has changed.
        ServiceError
            If no such join is by trigger map.
        """
        self._growth.extend(join, document, then, is_last=is_last)
        if self._course.is_going:
            self._growth.tell()

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have ``then`` called with a report of how things are."""
        if not self.is_open:
            then(self.report())
            return

        def tell(word: say.Status) -> None:
            self._books.take(word.report, time.monotonic())
            then(self.report())

        self._say(say.Asked(self._builder.number(tell)))

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return what a reduce stage has published.

        Raises
        ------
        KeyError
            If no reduce stage has this name.
        """
        return self._sinks.views(stage)

    def events(self, stage: str = "", last: int | None = None, number: int | None = None) -> list[Event]:
        """Return what a stage with ``keep-events`` has kept, the oldest first.

        Raises
        ------
        SelectionError
            If no such stage keeps events, or it is not clear which.
        """
        return self._kept.read(stage, last, number)

    def pids(self) -> dict[str, int]:
        """Return who runs now: process numbers by name."""
        found = {} if self._staff is None else dict(self._staff.members.pids())
        return found if self._builder.child is None else {**found, "builder": self._builder.child.pid}

    def wake_on(self, pollable: int) -> None:
        """Stop waiting when this file descriptor can be read."""
        self._poller.register(pollable, select.POLLIN)

    def sleep_on(self, pollable: int) -> None:
        """Look at this file descriptor no more."""
        self._poller.unregister(pollable)

    @property
    def is_open(self) -> bool:
        """Whether there is anybody to wait for."""
        return self._builder.is_open and not self._course.has_finished

    def finish(self, *, keep_views: bool = False) -> RunReport:
        """Close everything, and say how the run ended.

        Parameters
        ----------
        keep_views
            Leave ``views`` something to read, until ``forget_views`` is called.
        """
        try:
            self._finish_sinks()
        finally:
            self._close()
            if not keep_views:
                self.forget_views()
        for trouble in self.alarms.close():
            self.state.mark(Outcome.INCOMPLETE, trouble)
        self._course.ended_s = time.monotonic()
        books = self._books.as_report(has_ended=False)
        self.state.dead_letters = sum(edge.accounts.get("dead-lettered", 0) for edge in books.edges)
        self.state.end()
        report = self.report()
        self.watching.close(report)
        self._showing.finish(report)
        return report

    def forget_views(self) -> None:
        """Let go of what reduce stages have published, and of kept events."""
        self._sinks.forget()
        self._kept.forget()

    def report(self) -> RunReport:
        """Say how the run is, or how it ended; of one under way what is known since the last answer to ``ask``."""
        report = self._reports.write(self._members)
        return self.watching.fill(msgspec.structs.replace(report, alarms=self.alarms.reports()))

    @property
    def _members(self) -> Members | None:
        return None if self._staff is None else self._staff.members

    @property
    def _working(self) -> Staff:
        """Everybody, once they work."""
        if self._staff is None or not self._course.is_going:
            raise PenstockError("the run has not begun")
        return self._staff

    def _last_views(self, stage: str) -> dict[str, Any] | None:
        return self._sinks.look(stage, small_views)

    def _say(self, *words: Any, fds: Sequence[int] = ()) -> None:
        self._builder.say(*words, fds=fds)

    def _until_due_s(self) -> float:
        """Return for how long nothing has to be done because of the time, in s."""
        until_s = self._sinks.until_due_s(LONGEST_WAIT_S)
        if self._staff is None:
            return until_s
        return min(until_s, self._staff.succession.until_due_s(LONGEST_WAIT_S))

    def _keep_books(self) -> None:
        """Ask for the books every second, so that they are known should the event builder die."""
        if self._course.is_going and not self._course.is_closing and self._books.is_due(time.monotonic()):
            self._say(say.Asked(self._builder.number(self._note_books)))

    def _note_books(self, word: say.Status) -> None:
        self._reports.note_books(word.report, self._members)
        if self.watching.is_due:
            self.report()  # it is looked at, and nobody else wants it

    def _finish_sinks(self) -> None:
        ended_well = self.state.prospect is Outcome.FINISHED and self._course.is_going
        if self._books.said is not None:
            for reason in self._books.said.reasons:
                self.state.mark(Outcome(self._books.said.outcome), reason)
            ended_well = self.state.prospect is Outcome.FINISHED
        why = "; ".join(self.state.reasons)
        for error in self._sinks.finish(ended_well, str(self.state.prospect), why, self._told_books):
            self.state.mark(Outcome.FAILED, str(error))

    def _told_books(self) -> Mapping[str, Any]:
        return self._reports.told(self.parameters)

    def _close(self) -> None:
        self._used.read({} if self._staff is None else self._staff.members.by_name, 0.0)
        if self._staff is not None:
            self._staff.close()
        self._builder.close()

    def _running(self) -> dict[str, int]:
        return {} if self._course.ended_s is not None else self.pids()  # their numbers may be others' by then

    def _facts(self, sink: str) -> RunFacts:
        facts = RunFacts(
            pipeline=self.plan.name,
            run=self.state.id,
            started=self.started,
            version=own_version(),
            folder=self.plan.folder,
            sink=sink,
            goes_on=self._basis.goes_on,
        )
        return facts_for(self.plan, self.plan.sinks.get(sink), facts, "local", self.parameters.history[0].values)


def run(
    plan: Plan,
    *,
    progress: Told | None = None,
    interrupt: Interrupt | None = None,
    **options: Any,
) -> RunReport:
    """Run a plan to its end.

    Parameters
    ----------
    progress
        Called with the report so far, four times a second at most.
    interrupt
        Says when somebody wants the run to end; the first time it is drained, the second time it stops at once.
    **options
        Those of ``LocalRun``.

    Returns
    -------
    RunReport
        Also of a run that failed; ``reasons`` says why.

    Raises
    ------
    CheckError, NotBuiltYetError, ParameterError
        If it cannot begin as it is written, or with the start values given.
    """
    return run_to_the_end(LocalRun(plan, **options), progress, interrupt)


def start(plan: Plan, **options: Any) -> Run:
    """Start a plan beside the caller, and return the handle of the run when everybody is there.

    Parameters
    ----------
    **options
        Those of ``LocalRun``.

    Raises
    ------
    CheckError, NotBuiltYetError, ParameterError
        If it cannot begin as it is written, or with the start values given.
    PenstockError
        If an output cannot be opened, or a process cannot be started.
    """
    return Run(LocalRun(plan, **options))
