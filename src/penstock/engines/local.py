"""The local engine: a pipeline on the processes and the shared memory of one machine.

This side supervises. It starts everybody, learns of every death, replaces who may be replaced, and writes views. Data
pass from process to process without it; user code other than sinks of views never runs here.
"""

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from penstock.core import Timestamp
from penstock.core.command import WorkerCount
from penstock.core.event import Event
from penstock.core.parameters import Change
from penstock.core.restart_budget import RestartBudget
from penstock.core.run import Outcome, RunState
from penstock.core.trigger_map import TriggerMap
from penstock.elements.sink import RunFacts
from penstock.elements.user_code import validate
from penstock.engines.alarming import Alarming, small_views
from penstock.engines.handle import Grown, Run
from penstock.engines.showing import Showing
from penstock.engines.to_the_end import Progress as Told
from penstock.engines.to_the_end import run_to_the_end
from penstock.errors import (
    CheckError,
    NotBuiltYetError,
    ParameterError,
    PenstockError,
    StateError,
    UserCodeError,
)
from penstock.monitor.report import RunReport, books_of_nothing
from penstock.pipeline.map_check import MapDocument, addition_for, no_such_map
from penstock.pipeline.not_built import words_of_chains
from penstock.pipeline.plan import Plan
from penstock.pipeline.reference import reference_problems
from penstock.services.blob import write_blob
from penstock.services.build import trigger_maps_of
from penstock.services.builder_line import BuilderLine, hangs
from penstock.services.child import Death
from penstock.services.control_desk import ControlDesk
from penstock.services.course import Course
from penstock.services.declared import declared_parameters
from penstock.services.element_orders import plain
from penstock.services.event_files import EventFiles
from penstock.services.hiring import Hiring
from penstock.services.interrupt import Interrupt
from penstock.services.log_file import claim
from penstock.services.members import Member, Members
from penstock.services.notes import failure_of
from penstock.services.plan_orders import builder_order, is_view_sink, sink_order, source_order, stage_order
from penstock.services.process_reports import USAGE_S, ProcessReports
from penstock.services.processes import Processes
from penstock.services.recorded_run import NO_SETTING, RecordedRun
from penstock.services.recording import begin_recording, go_on_recording
from penstock.services.resumed_run import resumable, resumed_plan
from penstock.services.run_names import new_run_id, own_version
from penstock.services.run_states import RunStates
from penstock.services.sink_books import as_ledger, change_told
from penstock.services.sink_facts import facts_for
from penstock.services.succession import Succession
from penstock.services.user_calls import Failure
from penstock.services.users_traceback import users_traceback
from penstock.services.view_sinks import ViewSinks
from penstock.services.watching import Watching
from penstock.services.web_service import WebService
from penstock.streams.opened import opened_store
from penstock.wire import supervision as say
from penstock.wire.values import decode_value, encode_value

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
BOOKS_S = 1.0
LONGEST_WAIT_S = 1.0
HANG_S = 10.0
"""How long the event builder, or a source, may not come round until it is taken for hung."""
MOST_BEAT_S = 1.0
BEATS = 4
"""How often at least who is watched says that it lives: so many times before it would be taken for hung."""
CLOSE_S = 15.0
"""How long it may take until all is closed, should the event builder not say that it took too long."""
LAST_S = 0.5
"""How long those who have closed may take to end."""


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
        if plan.planned:
            raise NotBuiltYetError("this pipeline cannot run yet:\n" + "\n".join(plan.planned))
        if words := words_of_chains(plan):
            raise NotBuiltYetError(f"only the engine chains knows what this asks for: {'; '.join(words)}")
        self.started = Timestamp(time.time_ns())
        values = dict(values or {})
        if resume is not None:
            if event_log is not None:
                raise StateError("the event log of a run that is resumed goes on where it is; leave event_log out")
            replay, run_id = resumable(resume, plan, self.started.ns), resume.run
        if replay is not None:
            if not replay.store_name:
                raise StateError(f"the store of run {replay.run} is in this process alone; replay it inline")
            plan = replay.plan(plan) if resume is None else resumed_plan(replay, plan)
            trigger_maps = {**replay.maps, **(trigger_maps or {})}
            replay, values = replay.with_values(plan, values, self.started)
        self.plan = plan
        self._goes_on = resume is not None
        self._is_held = is_held
        self._replay = replay
        self._began_s = time.monotonic()
        self.state = RunState(run_id or new_run_id(self.started))
        self._trigger_maps = trigger_maps or {}
        self.maps: dict[str, TriggerMap] = {}
        """By join, with all that was appended."""
        self._additions: list[tuple[int, str, bytes]] = []
        """What was appended and is not told yet."""
        self._given = values
        self._contexts = {} if contexts is None else contexts
        self._event_log = "" if event_log is None else str(event_log)
        self._silent_s = silent_s
        self._showing = Showing(plan, web, desk)
        self.desk = self._showing.desk
        """Takes commands, from the thread of this run."""
        self.alarms = Alarming(plan, self.state.id, utc_ns=time.time_ns, last=self._last_views)
        self._hang_s = max(0.5, hang_s)
        self._beat_s = min(MOST_BEAT_S, self._hang_s / BEATS)
        self.parameters, self._values = declared_parameters(plan, self._given, self.started)
        for change in replay.changes if replay is not None and self._goes_on else ():
            self.parameters.follow(change.revision, change.first, change.values)
        self._sinks = ViewSinks(plan)
        self._kept = EventFiles()
        self._failures: list[Failure] = []
        self._processes: Processes | None = None
        self._members: Members | None = None
        self._succession: Succession | None = None
        self._hiring: Hiring | None = None
        self._builder = BuilderLine()
        self._has_lost_builder = False
        self._unburied: list[Death] = []
        self._poller = select.poll()
        self._changes_asked = 0
        """Of parameters, that are not answered yet."""
        self._books: RunReport | None = None
        self._books_s = 0.0
        self._asked_s = 0.0
        self.watching = Watching(plan, self.state.id)
        self.alarms.on_change(self.watching.note_alarm)
        self._course = Course()
        self._used = ProcessReports(self._running)
        self._states = RunStates(plan, self.state, self._course, self._sinks.states)

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
        self.maps = trigger_maps_of(plan, self._trigger_maps)
        order = builder_order(
            plan,
            run=self.state.id,
            started_ns=self.started.ns,
            maps=self.maps,
            silent_s=self._silent_s,
            event_log=self._event_log,
            parameters=self.parameters.history[0].values,
            beat_s=self._beat_s,
            replay=self._replay,
            is_held=self._is_held,
        )
        self.watching.open()
        self.desk.write_to(self.watching.journal, has_files=self.plan.logs is not None)
        members = self._all_members()  # before anything starts: whoever cannot be written down is refused
        shown = self._showing.begin(self, self.state.id, self._sinks.files, self._kept.files)
        if shown is not None:
            self._poller.register(shown, select.POLLIN)
        self._processes = Processes(preload=PRELOAD, on_notice=self.watching.hear)
        self._processes.__enter__()
        self._poller.register(self._processes.fileno(), select.POLLIN)
        if plan.is_recorded:
            with opened_store(plan.store, plan.folder) as store:
                begin = go_on_recording if self._goes_on else begin_recording
                begin(store, plan, self.state.id, self.started, "local")
        log = [claim(Path(self._event_log))] if self._event_log else []
        if self._replay is not None:
            log.append(write_blob("formed", self._replay.log_for(plan)))
        try:
            self._sinks.open(self._facts)
            self.alarms.open(self._facts(""))
            self._poller.register(self._builder.start(self._processes, order, log), select.POLLIN)
        finally:
            for fd in log:
                os.close(fd)
        self._members = Members(self._processes, lambda word, fds: self._builder.say(word, fds=fds))
        self._succession = Succession(
            plan, self._members, self.state, self._course, tell=self._builder.say, fail=self.fail,
            failures=self._failures, make=self._stage_member, is_replay=self._replay is not None,
        )  # fmt: skip
        self._hiring = Hiring(
            plan, self._members, self._succession, tell=self._builder.say, make=self._stage_member,
            notice=self.watching.note,
        )  # fmt: skip
        for member in members:
            self._members.add(member)
        while not self._members.are_ready and self._course.closing_s is None and not self._course.has_finished:
            self.step(LONGEST_WAIT_S)
        if self._course.closing_s is None and not self._course.has_finished:
            self._say(say.Go())
            self._course.is_going = True
            self._say_additions()  # of who was quick

    def step(self, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Do what there is to do, waiting at most so long for something; return whether there will be more.

        Raises
        ------
        PenstockError
            If a sink of views cannot be written.
        """
        self._poller.poll(1000 * min(longest_s, self._until_due_s()))
        self._hear()
        self._showing.poll()
        self.watching.look()
        self._sinks.write_due()
        self._keep_books()
        if self.alarms.is_due:
            self.alarms.look(self.report())
        processes = self._processes
        assert processes is not None
        for death in self._deaths(processes):
            self._bury(death)
        if self._succession is not None and not self._course.is_closing and not self._course.has_finished:
            self._succession.start_due()
        self._look_for_hangs()
        if self._course.closing_s is not None and time.monotonic() - self._course.closing_s > CLOSE_S:
            self._give_up("the processes did not close in time")
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
        if self._replay is not None and not self._goes_on:
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
        members = self._members
        if members is None or self._succession is None or not self._course.is_going:
            raise PenstockError("the run has not begun")
        workers = {member.name: member for member in members if member.role not in ("source", "sink")}
        if worker not in workers:
            raise PenstockError(f"no worker is called {worker!r}; there are {', '.join(workers) or 'none'}")
        member = workers[worker]
        if member.role == "steps" and not member.keeps_state and member.child is not None:
            raise PenstockError(f"{worker} keeps something that another process would not have; it is not restarted")
        self._succession.renew(member)

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
        if self._members is not None and self._processes is not None:
            for member in self._members:  # also one that is in the midst of an event, or of a hook
                if member.role != "source" and member.child is not None:
                    self._processes.stop(member.child)

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
        if self._replay is not None and not self._goes_on:
            raise ParameterError(NO_SETTING)
        found = {self.parameters.find(name): value for name, value in values.items()}
        valid = {parameter.address: validate(parameter, value) for parameter, value in found.items()}
        revision = self.parameters.latest.revision + 1 + self._changes_asked
        when = Timestamp(time.time_ns())

        def set_them(word: say.WasSet) -> None:
            self._changes_asked -= 1
            then(self.parameters.set(valid, from_event=word.from_event, who=who, when=when))

        number = self._builder.number(set_them)
        self._changes_asked += 1
        raw = msgspec.Raw(encode_value(plain({parameter.address: value for parameter, value in found.items()})))
        self._say(say.SetParameters(number, revision, raw))

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Let a map stage have so many workers, or as many as there is work for.

        Raises
        ------
        PenstockError
            If there is no such stage, or it cannot have so many.
        """
        if self._hiring is None or not self._course.is_going:
            raise PenstockError("the run has not begun")
        self._hiring.scale(stage, workers)

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
        if join not in self.maps:
            raise no_such_map(join, self.maps)
        found = self.maps[join]
        addition = addition_for(self.plan, join, found, document, is_last=is_last)
        found.add(addition)
        number = self._builder.number(lambda word: then(StateError(word.problem) if word.problem else found))
        self._additions.append((number, join, encode_value(addition.table())))
        if self._course.is_going:
            self._say_additions()

    def _say_additions(self) -> None:
        waiting, self._additions = self._additions, []
        for number, join, table in waiting:
            fd = write_blob("map", table)
            try:
                self._say(say.Extend(number, join), fds=[fd])
            finally:
                os.close(fd)

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have ``then`` called with a report of how things are."""
        if not self.is_open:
            then(self.report())
            return

        def tell(word: say.Status) -> None:
            self._take_books(word.report)
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
        found = {} if self._members is None else dict(self._members.pids())
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
        books = self._last_books()
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
        books = self._last_books()
        has_ended = self.state.outcome is not Outcome.RUNNING
        failures = [asdict(failure) for failure in self._failures]
        now_s = time.monotonic()
        self._note_usage()
        states = self._states.of_processes(self._members, self._books)
        used = self._used.reports(self._members or (), {name: state for name, (state, _) in states.items()})
        report = msgspec.structs.replace(
            books,
            outcome=str(self.state.outcome),
            exit_code=self.state.exit_code if has_ended else 0,
            reasons=list(self.state.reasons),
            started=self.started.isoformat(),
            duration_s=(self._course.ended_s or now_s) - self._began_s,
            outputs={**books.outputs, **self._sinks.paths},
            failures=[*failures, *books.failures],
            processes=used,
            states=self._states.reports(self._members, self._books, states, now_s),
            alarms=self.alarms.reports(),
        )
        return self.watching.fill(report)

    # Who takes part.

    def _all_members(self) -> list[Member]:
        plan = self.plan
        found = [
            Member(
                name=name,
                of=name,
                role="source",
                order=source_order(plan, source, beat_s=self._beat_s),
                budget=RestartBudget(source.restarts),
            )
            for name, source in plan.sources.items()
        ]
        for name, stage in plan.stages.items():
            own = self._contexts.setdefault(name, [])
            own.extend({} for _ in range(stage.most_workers - len(own)))
            found += [self._stage_member(name, k) for k in range(stage.workers)]
        found += [
            Member(name=name, of=name, role="sink", order=sink_order(plan, sink, self._facts(name)))
            for name, sink in plan.sinks.items()
            if not is_view_sink(plan, sink)
        ]
        return found

    def _stage_member(self, name: str, index: int) -> Member:
        stage = self.plan.stages[name]
        contexts = self._contexts[name]
        order = stage_order(
            self.plan,
            stage,
            index,
            values=self._values,
            context=contexts[index] if index < len(contexts) else {},
            is_logged=bool(self._event_log) or self.plan.is_recorded,
            recorded=self._replay,
        )
        fds: tuple[int, ...] = ()
        if stage.kind == "reduce":
            fds = self._sinks.publish(name)
        elif stage.keeps_events:
            fds = (self._kept.file(name),)
        cpus = stage.cpus[index % len(stage.cpus)] if stage.cpus else ()
        budget = RestartBudget(stage.restarts)
        return Member(name=order.name, of=name, role=stage.kind, order=order, fds=fds, cpus=cpus, budget=budget)

    def _last_views(self, stage: str) -> dict[str, Any] | None:
        return self._sinks.look(stage, small_views)

    # What is said.

    def _say(self, *words: Any, fds: Sequence[int] = ()) -> None:
        self._builder.say(*words, fds=fds)

    def _hear(self) -> None:
        self._builder.hear(self._take, self._poller.unregister)

    def _take(self, word: Any) -> None:
        match word:
            case say.Broke(_, text, note):
                self.state.mark(Outcome.FAILED, text)
                if note is not None:
                    self._failures.append(failure_of(note))
                self._course.close_soon()
            case say.WasSet(number, _) | say.Status(number, _) | say.Extended(number, _) | say.Discarded(number, _):
                self._builder.answer(number, word)
            case say.Changed(stage, _):
                self._sinks.write(stage)
            case say.Finished(report):
                self._take_books(report)
                self._note_usage(0.0)
                self._course.has_finished = True
            case say.Hire() if self._hiring is not None and not self._course.is_closing:
                self._hiring.hire(word)
            case say.Dismiss() if self._hiring is not None:
                self._hiring.dismiss(word)
            case _ if self._members is not None and self._succession is not None:
                self._take_of_member(word, self._members, self._succession)

    def _take_of_member(self, word: Any, members: Members, succession: Succession) -> None:
        match word:
            case say.Entered(name, keeps_state) if name in members.by_name:
                member = members.by_name[name]
                member.is_entered, member.keeps_state, member.last_death = True, keeps_state, ""
            case say.Kill(name, why):
                members.kill(name, why)
            case say.GaveUp(name, why):
                succession.give_up(name, why)
            case say.Left(name, context):
                self._left(name, context)

    def _take_books(self, raw: msgspec.Raw) -> None:
        self._books = msgspec.msgpack.decode(raw, type=RunReport)
        self._books_s = time.monotonic()

    def _note_states(self, raw: msgspec.Raw) -> None:
        """Take books that nobody asked for, and see since when everything is as it is."""
        self._take_books(raw)
        processes = self._states.of_processes(self._members, self._books)
        self._states.reports(self._members, self._books, processes, time.monotonic())

    def _left(self, name: str, context: msgspec.Raw) -> None:
        members = self._members
        member = None if members is None else members.by_name.get(name)
        if member is None:
            return
        member.has_left = True
        if member.child is not None:
            self._used.read_one(name, member.child.pid, member)
        index = int(name.rpartition("-")[2]) if member.role not in ("source", "sink") else -1
        contexts = self._contexts.get(member.of, [])
        if 0 <= index < len(contexts):
            contexts[index].update(decode_value(memoryview(context)))

    def _until_due_s(self) -> float:
        """Return for how long nothing has to be done because of the time, in s."""
        until_s = self._sinks.until_due_s(LONGEST_WAIT_S)
        return until_s if self._succession is None else min(until_s, self._succession.until_due_s(LONGEST_WAIT_S))

    def _keep_books(self) -> None:
        """Ask for the books every second, so that they are known should the event builder die."""
        now_s = time.monotonic()
        if self._course.is_going and self._course.closing_s is None and now_s - self._asked_s >= BOOKS_S:
            self._asked_s = now_s
            number = self._builder.number(self._note_books)
            self._say(say.Asked(number))

    def _note_books(self, word: say.Status) -> None:
        self._note_states(word.report)
        if self.watching.is_due:
            self.report()  # it is looked at, and nobody else wants it

    # Deaths.

    def _deaths(self, processes: Processes) -> list[Death]:
        """Return who has died, the event builder first: others end with it, and may be heard of sooner."""
        deaths, self._unburied = [*self._unburied, *processes.poll()], []
        builder = self._builder.child
        if not deaths or builder is None:
            return deaths
        self._hear()
        if any(death.child.number == builder.number for death in deaths):
            return sorted(deaths, key=lambda death: death.child.number != builder.number)
        if not self._builder.is_open and not self._course.has_finished:
            self._unburied = deaths  # it has gone, and its death is about to be told
            return []
        return deaths

    def _bury(self, death: Death) -> None:
        if self._builder.is_it(death):
            if not self._course.has_finished:
                self._lose_builder(death)
            return
        member = None if self._members is None else self._members.bury(death)
        if member is None or self._succession is None:
            return
        if not self._used.knows(member.name):
            self._used.read_one(member.name, death.child.pid, member)
        if not self._course.has_finished:
            self._succession.bury(member, death)

    def _lose_builder(self, death: Death) -> None:
        """Say that the books are gone with the event builder, and how old the last known ones are."""
        self._hear()
        if self._course.has_finished:
            return
        if self._books is not None:
            age_s = time.monotonic() - self._books_s
            known = f"the books are those of {age_s:.1f} s before"
        else:
            known = "its books are lost"
        self._has_lost_builder = True
        if self.plan.is_recorded and self._course.is_going:
            known = f"{known}; `penstock resume {self.state.id}` goes on with the run"
        why = f"; {self._builder.killed_for}" if self._builder.killed_for else ""
        self.state.mark(Outcome.FAILED, f"{death}{why}: the events under way are lost, and {known}")
        if death.text:
            self._failures.append(Failure(stage="builder", event=None, cause=str(death), traceback=death.text))
        self._course.has_finished = True

    def _look_for_hangs(self) -> None:
        """Kill who does not come round: the event builder, or a source; it looks after everybody else."""
        if self._builder.child is None or self._processes is None:
            return
        if self._builder.hangs(self._hang_s):
            self._builder.killed_for = f"it did not come round for {self._hang_s:g} s"
            self._processes.kill(self._builder.child)
            return  # others may only have waited for it
        for member in self._members or ():
            if member.role == "source" and hangs(member.progress, self._hang_s):
                assert self._members is not None
                self._members.kill(member.name, f"it did not come round for {self._hang_s:g} s")

    def _give_up(self, reason: str) -> None:
        self.state.mark(Outcome.FAILED, reason)
        self._course.has_finished = True

    # The end.

    def _finish_sinks(self) -> None:
        ended_well = self.state.prospect is Outcome.FINISHED and self._course.is_going
        if self._books is not None:
            for reason in self._books.reasons:
                self.state.mark(Outcome(self._books.outcome), reason)
            ended_well = self.state.prospect is Outcome.FINISHED
        for error in self._sinks.finish(
            ended_well, str(self.state.prospect), "; ".join(self.state.reasons), self._told_books
        ):
            self.state.mark(Outcome.FAILED, str(error))

    def _close(self) -> None:
        self._note_usage(0.0)
        if self._processes is not None:
            self._let_sinks_close()
            self._let_all_say_their_last()
            self._processes.close()
        if self._members is not None:
            self._members.close()
        self._builder.close()

    def _let_sinks_close(self) -> None:
        """Give the processes of sinks, which notice by themselves that the event builder has died, time to close."""
        if not self._has_lost_builder or self._members is None or self._processes is None:
            return
        end_s = time.monotonic() + CLOSE_S
        while any(member.role == "sink" and member.child is not None for member in self._members):
            if time.monotonic() > end_s:
                return
            for death in self._processes.poll(0.1):
                self._members.bury(death)

    def _let_all_say_their_last(self) -> None:
        """Give those who have closed time to end: how many notices they had to leave out, nobody else knows."""
        if self._has_lost_builder or self._members is None or self._processes is None:
            return
        end_s = time.monotonic() + LAST_S
        while any(member.child is not None for member in self._members) and time.monotonic() < end_s:
            for death in self._processes.poll(0.02):
                self._members.bury(death)

    def _last_books(self) -> RunReport:
        if self._books is None:
            return books_of_nothing(self.plan.name, self.state.id)
        if self.state.outcome is not Outcome.RUNNING and any(edge.in_flight for edge in self._books.edges):
            return self._books.with_rest_aborted()
        return self._books

    def _running(self) -> dict[str, int]:
        return {} if self._course.ended_s is not None else self.pids()  # their numbers may be others' by then

    def _note_usage(self, longest_s: float = USAGE_S) -> None:
        self._used.read({} if self._members is None else self._members.by_name, longest_s)

    def _told_books(self) -> Mapping[str, Any]:
        changes = [change_told(change) for change in self.parameters.history]
        return {"ledger": as_ledger(self._last_books().edges), "parameters": changes}

    def _facts(self, sink: str) -> RunFacts:
        facts = RunFacts(
            pipeline=self.plan.name,
            run=self.state.id,
            started=self.started,
            version=own_version(),
            folder=self.plan.folder,
            sink=sink,
            goes_on=self._goes_on,
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
