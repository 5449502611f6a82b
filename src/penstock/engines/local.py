"""The local engine: a pipeline on the processes and the shared memory of one machine.

This side supervises. It starts everybody, learns of every death, replaces who may be replaced, and writes views. Data
pass from process to process without it; user code other than sinks of views never runs here.
"""

import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from penstock.core import NS_PER_S, Ledger, Timestamp
from penstock.core.parameters import Change
from penstock.core.run import Outcome, RunState
from penstock.core.states import State
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
    ProcessError,
    StateError,
    UserCodeError,
)
from penstock.monitor.report import ProcessReport, RunReport, books_of_nothing
from penstock.pipeline.map_check import MapDocument, addition_for, no_such_map
from penstock.pipeline.not_built import words_of_chains
from penstock.pipeline.plan import Plan
from penstock.pipeline.reference import reference_problems
from penstock.services.blob import write_blob
from penstock.services.build import trigger_maps_of
from penstock.services.child import Death
from penstock.services.control_desk import ControlDesk
from penstock.services.declared import declared_parameters
from penstock.services.element_orders import plain
from penstock.services.interrupt import Interrupt
from penstock.services.log_file import claim
from penstock.services.made import sink_of
from penstock.services.members import Member, Members
from penstock.services.notes import failure_of
from penstock.services.orders import BuilderOrder
from penstock.services.plan_orders import builder_order, is_view_sink, sink_order, source_order, stage_order
from penstock.services.processes import Processes
from penstock.services.progress import Progress
from penstock.services.recorded_run import NO_SETTING, RecordedRun
from penstock.services.recording import begin_recording, go_on_recording
from penstock.services.resumed_run import resumable, resumed_plan
from penstock.services.run_names import new_run_id, own_version
from penstock.services.sink_room import SinkRoom
from penstock.services.usage import Gauge, Usage
from penstock.services.user_calls import Failure
from penstock.services.users_traceback import users_traceback
from penstock.services.watching import Watching
from penstock.services.web_service import WebService
from penstock.streams.opened import opened_store
from penstock.transport.seqpacket import Link
from penstock.views.shared_tree import TreeReader, make_files
from penstock.wire import supervision as say
from penstock.wire.values import decode_value, encode_value

__all__ = ["LocalRun", "run", "start"]

PRELOAD = (
    "numpy",
    "msgspec",
    "penstock.monitor.notice",
    "penstock.services.source_process",
    "penstock.services.steps_process",
    "penstock.services.worker_process",
    "penstock.services.reduce_process",
    "penstock.services.sink_process",
    "penstock.services.builder_process",
)
BOOKS_S = 1.0
USAGE_S = 1.0
LONGEST_WAIT_S = 1.0
HANG_S = 10.0
"""How long the event builder, or a source, may not come round until it is taken for hung."""
MOST_BEAT_S = 1.0
BEATS = 4
"""How often at least who is watched says that it lives: so many times before it would be taken for hung."""
CLOSE_S = 15.0
"""How long it may take until all is closed, should the event builder not say that it took too long."""
MOST_QUICK_DEATHS = 5
"""In a row: who dies so often before it is ready will do so again."""


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
        self._sinks: dict[str, SinkRoom] = {}
        self._files: dict[str, tuple[int, ...]] = {}
        self._readers: dict[str, TreeReader] = {}
        self._failures: list[Failure] = []
        self._processes: Processes | None = None
        self._members: Members | None = None
        self._builder: Link | None = None
        self._builder_child: Any = None
        self._builder_progress: Progress | None = None
        self._has_lost_builder = False
        self._killed_for = ""
        """Why the supervisor killed the event builder itself."""
        self._poller = select.poll()
        self._numbers = count(1)
        self._asked: dict[int, Callable[[Any], None]] = {}
        self._books: RunReport | None = None
        self._books_s = 0.0
        self._asked_s = 0.0
        self._is_going = False
        self._has_finished = False
        self._closing_s: float | None = None
        self._ended_s: float | None = None
        self._usage: dict[str, ProcessReport] = {}
        self._usage_s = 0.0
        self._gauge = Gauge()
        self.watching = Watching(plan, self.state.id)
        self.alarms.on_change(self.watching.note_alarm)
        self._lost: list[tuple[str, float]] = []

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
        )
        self.watching.open()
        members = self._all_members()  # before anything starts: whoever cannot be written down is refused
        shown = self._showing.begin(self, self.state.id, self._files)
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
            self._open_sinks()
            self.alarms.open(self._facts(""))
            self._start_builder(order, log)
        finally:
            for fd in log:
                os.close(fd)
        self._members = Members(self._processes, lambda word, fds: self._say(word, fds=fds))
        for member in members:
            self._members.add(member)
        while not self._members.are_ready and self._closing_s is None and not self._has_finished:
            self.step(LONGEST_WAIT_S)
        if self._closing_s is None and not self._has_finished:
            self._say(say.Go())
            self._is_going = True
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
        self._write_due_views()
        self._keep_books()
        if self.alarms.is_due:
            self.alarms.look(self.report())
        processes = self._processes
        assert processes is not None
        for death in processes.poll():
            self._bury(death)
        self._look_for_hangs()
        if self._closing_s is not None and time.monotonic() - self._closing_s > CLOSE_S:
            self._give_up("the processes did not close in time")
        return not self._has_finished

    def drain(self, reason: str = "stopped on request") -> None:
        """Read nothing more, and bring out what has arrived."""
        self.state.mark(Outcome.ABORTED, reason)
        self._say(say.Drain(reason))

    def abort(self, reason: str, outcome: Outcome = Outcome.ABORTED) -> None:
        """Give everything up that is under way, and close."""
        self.state.mark(outcome, reason)
        self._say(say.Abort(reason, str(outcome)))
        self._closing_s = time.monotonic()
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
        if self._builder is not None and not self._has_finished:
            self._say(say.Abort(str(error), str(Outcome.FAILED)))
            self._closing_s = self._closing_s or time.monotonic()

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
        number = next(self._numbers)
        revision = self.parameters.latest.revision + 1 + sum(1 for _ in self._asked_sets())
        when = Timestamp(time.time_ns())

        def set_them(word: say.WasSet) -> None:
            then(self.parameters.set(valid, from_event=word.from_event, who=who, when=when))

        self._asked[-number] = set_them
        raw = msgspec.Raw(encode_value(plain({parameter.address: value for parameter, value in found.items()})))
        self._say(say.SetParameters(number, revision, raw))

    def scale(self, stage: str, workers: int) -> None:
        """Let a map stage have so many workers.

        Raises
        ------
        PenstockError
            If there is no such stage, or it cannot have so many.
        """
        plan = self.plan.stages.get(stage)
        if plan is None or plan.kind != "map":
            there_are = ", ".join(name for name, each in self.plan.stages.items() if each.kind == "map")
            raise PenstockError(f"no map stage is called {stage!r}; there are {there_are or 'none'}")
        if workers < 1:
            raise PenstockError(f"{workers} workers for {stage}; a stage needs 1 or more")
        members = self._members
        if members is None or not self._is_going:
            raise PenstockError("the run has not begun")
        there = sorted(members.of(stage), key=lambda member: int(member.name.rpartition("-")[2]))
        leaving = there[workers:]
        for member in leaving:
            member.is_leaving = True
        # Said together: what one leaves behind must not be given to another who is about to leave.
        self._say(*(say.Leave(member.name) for member in leaving))
        used = {int(m.name.rpartition("-")[2]) for m in members if m.of == stage}
        free = (k for k in count() if k not in used)
        for _ in range(workers - len(there)):
            members.add(self._stage_member(stage, next(free)))

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
        number = next(self._numbers)
        self._asked[number] = lambda word: then(StateError(word.problem) if word.problem else found)
        self._additions.append((number, join, encode_value(addition.table())))
        if self._is_going:
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
        if self._builder is None or self._has_finished:
            then(self.report())
            return
        number = next(self._numbers)

        def tell(word: say.Status) -> None:
            self._take_books(word.report)
            then(self.report())

        self._asked[number] = tell
        self._say(say.Asked(number))

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return what a reduce stage has published.

        Raises
        ------
        KeyError
            If no reduce stage has this name.
        """
        reader = self._readers.get(stage)
        if reader is None:
            raise KeyError(f"no reduce stage is called {stage!r}; there are {', '.join(self._readers) or 'none'}")
        published = reader.read()
        return {} if published is None else published.tree

    def pids(self) -> dict[str, int]:
        """Return who runs now: process numbers by name."""
        found = {} if self._members is None else dict(self._members.pids())
        return found if self._builder_child is None else {**found, "builder": self._builder_child.pid}

    def wake_on(self, pollable: int) -> None:
        """Stop waiting when this file descriptor can be read."""
        self._poller.register(pollable, select.POLLIN)

    def sleep_on(self, pollable: int) -> None:
        """Look at this file descriptor no more."""
        self._poller.unregister(pollable)

    @property
    def is_open(self) -> bool:
        """Whether there is anybody to wait for."""
        return self._builder is not None and not self._has_finished

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
        self._ended_s = time.monotonic()
        books = self._last_books()
        self.state.dead_letters = sum(edge.accounts.get("dead-lettered", 0) for edge in books.edges)
        self.state.end()
        report = self.report()
        self.watching.close(report)
        self._showing.finish(report)
        return report

    def forget_views(self) -> None:
        """Let go of what reduce stages have published."""
        self._readers.clear()
        for fds in self._files.values():
            for fd in fds:
                with suppress(OSError):
                    os.close(fd)
        self._files.clear()

    def report(self) -> RunReport:
        """Say how the run is, or how it ended; of one under way what is known since the last answer to ``ask``."""
        books = self._last_books()
        has_ended = self.state.outcome is not Outcome.RUNNING
        failures = [asdict(failure) for failure in self._failures]
        report = msgspec.structs.replace(
            books,
            outcome=str(self.state.outcome),
            exit_code=self.state.exit_code if has_ended else 0,
            reasons=list(self.state.reasons),
            started=self.started.isoformat(),
            duration_s=(self._ended_s or time.monotonic()) - self._began_s,
            outputs={**books.outputs, **{name: room.path for name, room in self._sinks.items() if room.path}},
            failures=[*failures, *books.failures],
            processes=self._process_reports(),
            alarms=self.alarms.reports(),
        )
        return self.watching.fill(report)

    # Who takes part.

    def _all_members(self) -> list[Member]:
        plan = self.plan
        found = [
            Member(name=name, of=name, role="source", order=source_order(plan, source, beat_s=self._beat_s))
            for name, source in plan.sources.items()
        ]
        for name, stage in plan.stages.items():
            own = self._contexts.setdefault(name, [])
            own.extend({} for _ in range(stage.workers - len(own)))
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
            fds = self._files[name] = make_files(name)
            self._readers[name] = TreeReader(fds)
        cpus = stage.cpus[index % len(stage.cpus)] if stage.cpus else ()
        return Member(name=order.name, of=name, role=stage.kind, order=order, fds=fds, cpus=cpus)

    def _open_sinks(self) -> None:
        for name, sink in self.plan.sinks.items():
            if is_view_sink(self.plan, sink):
                room = SinkRoom(sink, sink_of(sink.element, name), Ledger(), partial(self._published, sink.input))
                self._sinks[name] = room
                room.open(self._facts(name))

    def _published(self, stage: str) -> tuple[Mapping[str, Any], int]:
        published = self._readers[stage].read()
        return ({}, -1) if published is None else (published.tree, published.version)

    def _last_views(self, stage: str) -> dict[str, Any] | None:
        reader = self._readers.get(stage)
        return None if reader is None else reader.look(lambda published: small_views(published.tree))

    def _start_builder(self, order: BuilderOrder, log: Sequence[int]) -> None:
        assert self._processes is not None
        mine, its = Link.pair()
        self._builder_progress = Progress.make("builder")
        try:
            fds = [its.fileno(), self._builder_progress.fd, *log]
            self._builder_child = self._processes.start("builder", "penstock.services.builder_process:run", order, fds)
        except BaseException:
            mine.close()
            raise
        finally:
            its.close()
        self._builder = mine
        self._poller.register(mine.fileno(), select.POLLIN)

    # What is said.

    def _say(self, *words: Any, fds: Any = ()) -> None:
        if words and self._builder is not None:
            with suppress(BrokenPipeError):  # its death is told, with its cause
                self._builder.send(say.seal_orders(words), fds)

    def _hear(self) -> None:
        while self._builder is not None:
            received = self._builder.try_receive()
            if received is None:
                if self._builder.is_ended:
                    self._poller.unregister(self._builder.fileno())
                    self._builder.close()
                    self._builder = None
                return
            for word in say.open_orders(received.data):
                self._take(word)

    def _take(self, word: Any) -> None:
        members = self._members
        match word:
            case say.Entered(name, keeps_state):
                if members is not None and name in members.by_name:
                    members.by_name[name].is_entered = True
                    members.by_name[name].keeps_state = keeps_state
            case say.Broke(_, text, note):
                self.state.mark(Outcome.FAILED, text)
                if note is not None:
                    self._failures.append(failure_of(note))
                self._closing_s = self._closing_s or time.monotonic()
            case say.Kill(name, why):
                if members is not None:
                    members.kill(name, why)
            case say.Left(name, context):
                self._left(name, context)
            case say.WasSet(number, _):
                self._asked.pop(-number)(word)
            case say.Status(number, _) | say.Extended(number, _):
                self._asked.pop(number)(word)
            case say.Changed(stage, _):
                self._write_views(stage)
            case say.Finished(report):
                self._take_books(report)
                self._note_usage(0.0)
                self._has_finished = True

    def _take_books(self, raw: msgspec.Raw) -> None:
        self._books = msgspec.msgpack.decode(raw, type=RunReport)
        self._books_s = time.monotonic()

    def _left(self, name: str, context: msgspec.Raw) -> None:
        members = self._members
        member = None if members is None else members.by_name.get(name)
        if member is None:
            return
        member.has_left = True
        if member.child is not None:
            self._note_usage_of(name, member.child.pid)
        index = int(name.rpartition("-")[2]) if member.role not in ("source", "sink") else -1
        contexts = self._contexts.get(member.of, [])
        if 0 <= index < len(contexts):
            contexts[index].update(decode_value(memoryview(context)))

    def _until_due_s(self) -> float:
        """Return for how long no sink has to write views because of the time, in s."""
        due = [moment for room in self._sinks.values() if (moment := room.next_due_ns()) is not None]
        return max(0.0, (min(due) - time.monotonic_ns()) / NS_PER_S) if due else LONGEST_WAIT_S

    def _write_due_views(self) -> None:
        now = time.monotonic_ns()
        for room in self._sinks.values():
            due = room.next_due_ns()
            if due is not None and due <= now:
                room.tick(now)

    def _keep_books(self) -> None:
        """Ask for the books every second, so that they are known should the event builder die."""
        now_s = time.monotonic()
        if self._is_going and self._closing_s is None and now_s - self._asked_s >= BOOKS_S:
            self._asked_s = now_s
            number = next(self._numbers)
            self._asked[number] = self._note_books
            self._say(say.Asked(number))

    def _note_books(self, word: say.Status) -> None:
        self._take_books(word.report)
        if self.watching.is_due:
            self.report()  # it is looked at, and nobody else wants it

    def _write_views(self, stage: str) -> None:
        now = time.monotonic_ns()
        for room in self._sinks.values():
            if room.reads(stage):
                room.tick(now)

    # Deaths.

    def _bury(self, death: Death) -> None:
        if self._builder_child is not None and death.child.number == self._builder_child.number:
            self._builder_child = None
            if not self._has_finished:
                self._lose_builder(death)
            return
        member = None if self._members is None else self._members.bury(death)
        if member is not None and member.name not in self._usage:
            self._note_usage_of(member.name, death.child.pid)
        if member is None or self._has_finished:
            return
        if member.has_left:
            if member.is_leaving:
                del self._members.by_name[member.name]  # type: ignore[union-attr]
            return
        self._replace(member, death)

    def _replace(self, member: Member, death: Death) -> None:
        """Tell the event builder of a death, and start a successor where there can be one."""
        member.deaths += 1
        text = f"{death}; {member.killed_for}" if member.killed_for else str(death)
        is_quick = not member.is_entered  # who dies again and again later on is known to the event builder
        member.quick_deaths = member.quick_deaths + 1 if is_quick else 0
        can = self._can_be_replaced(member) and member.quick_deaths < MOST_QUICK_DEATHS
        can = can and self._closing_s is None and not member.is_leaving
        self._say(say.Gone(member.name, text, can or member.is_leaving))
        assert self._members is not None
        if not can:
            if member.is_leaving:
                del self._members.by_name[member.name]
            elif self._closing_s is None and not self._is_recorder(member):
                self._cannot_go_on(member, text, death)
            return
        try:
            self._members.start(member)
        except ProcessError as error:
            self.fail(error)

    def _can_be_replaced(self, member: Member) -> bool:
        if member.role == "steps":
            return member.keeps_state or not member.is_entered
        return member.role != "sink" or self._is_recorder(member) or self.plan.sinks[member.of].is_repeatable

    def _is_recorder(self, member: Member) -> bool:
        """Whether the run goes on without a process, if it has begun: what could not be recorded is in the books."""
        return member.role == "sink" and self.plan.sinks[member.of].is_recorder and self._is_going

    def _cannot_go_on(self, member: Member, text: str, death: Death) -> None:
        why = "" if member.quick_deaths < MOST_QUICK_DEATHS else f", {member.quick_deaths} times in a row"
        if member.role == "steps" and not why:
            why = f"; the steps of {member.of} are not all functions, and what the others kept is lost"
        self.state.mark(Outcome.FAILED, f"{text}{why}")
        if death.text:
            self._failures.append(Failure(stage=member.of, event=None, cause=str(death), traceback=death.text))
        self._say(say.Abort(text, str(Outcome.FAILED)))
        self._closing_s = self._closing_s or time.monotonic()

    def _lose_builder(self, death: Death) -> None:
        """Say that the books are gone with the event builder, and how old the last known ones are."""
        self._hear()
        if self._has_finished:
            return
        if self._books is not None:
            age_s = time.monotonic() - self._books_s
            known = f"the books are those of {age_s:.1f} s before"
        else:
            known = "its books are lost"
        self._has_lost_builder = True
        if self.plan.is_recorded and self._is_going:
            known = f"{known}; `penstock resume {self.state.id}` goes on with the run"
        why = f"; {self._killed_for}" if self._killed_for else ""
        self.state.mark(Outcome.FAILED, f"{death}{why}: the events under way are lost, and {known}")
        if death.text:
            self._failures.append(Failure(stage="builder", event=None, cause=str(death), traceback=death.text))
        self._has_finished = True

    def _look_for_hangs(self) -> None:
        """Kill who does not come round: the event builder, or a source; it looks after everybody else."""
        if self._builder_child is None or self._processes is None:
            return
        if self._hangs(self._builder_progress):
            self._killed_for = f"it did not come round for {self._hang_s:g} s"
            self._processes.kill(self._builder_child)
            return  # others may only have waited for it
        for member in self._members or ():
            if member.role == "source" and self._hangs(member.progress):
                assert self._members is not None
                self._members.kill(member.name, f"it did not come round for {self._hang_s:g} s")

    def _hangs(self, progress: Progress | None) -> bool:
        if progress is None or not progress.beat_ns:
            return False
        return time.monotonic_ns() - progress.beat_ns > self._hang_s * NS_PER_S

    def _give_up(self, reason: str) -> None:
        self.state.mark(Outcome.FAILED, reason)
        self._has_finished = True

    # The end.

    def _finish_sinks(self) -> None:
        ended_well = self.state.prospect is Outcome.FINISHED and self._is_going
        if self._books is not None:
            for reason in self._books.reasons:
                self.state.mark(Outcome(self._books.outcome), reason)
            ended_well = self.state.prospect is Outcome.FINISHED
        for room in self._sinks.values():
            try:
                room.finish(ended_well, str(self.state.prospect), "; ".join(self.state.reasons))
            except PenstockError as error:
                self.state.mark(Outcome.FAILED, str(error))

    def _close(self) -> None:
        self._note_usage(0.0)
        if self._processes is not None:
            self._let_sinks_close()
            self._processes.close()
        if self._members is not None:
            self._members.close()
        if self._builder is not None:
            self._builder.close()
            self._builder = None
        if self._builder_progress is not None:
            self._builder_progress.close()
            self._builder_progress = None

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

    def _last_books(self) -> RunReport:
        if self._books is None:
            return books_of_nothing(self.plan.name, self.state.id)
        if self.state.outcome is not Outcome.RUNNING and any(edge.in_flight for edge in self._books.edges):
            return self._books.with_rest_aborted()
        return self._books

    def _process_reports(self) -> list[ProcessReport]:
        """Return what is known of everybody who took part."""
        self._note_usage()
        running = self._running()
        states = {} if self._books is None else {each.name: each.state for each in self._books.processes}
        states["builder"] = str(State.PROCESSING)
        for member in self._members or ():
            if not member.is_entered:  # what the books say is of its predecessor
                states[member.name] = str(State.INITIALISED)
        deaths = {member.name: member.deaths for member in self._members or ()}
        return [
            msgspec.structs.replace(
                each,
                state=states.get(name, str(State.INITIALISED)) if name in running else str(State.STOPPED),
                deaths=deaths.get(name, each.deaths),
            )
            for name, each in self._usage.items()
        ]

    def _running(self) -> dict[str, int]:
        if self._ended_s is not None:  # their numbers may be others' by now
            return {}
        found = {} if self._members is None else dict(self._members.pids())
        if self._builder_child is not None:
            found["builder"] = self._builder_child.pid
        return found

    def _note_usage(self, longest_s: float = USAGE_S) -> None:
        """Read what processes use, unless that was done not so long ago: the kernel takes 2 ms for each to count."""
        now = time.monotonic()
        is_due = now - self._usage_s >= longest_s
        self._usage_s = now if is_due else self._usage_s
        for name, pid in self._running().items():
            known = self._usage.get(name)
            if not is_due and known is not None and known.pid == pid:
                continue
            self._note_usage_of(name, pid)

    def _note_usage_of(self, name: str, pid: int) -> None:
        member = None if self._members is None else self._members.by_name.get(name)
        role, deaths = ("builder", 0) if member is None else (member.role, member.deaths)
        usage: Usage = self._gauge.of(pid)
        if usage.cpu_s or usage.private_bytes or name not in self._usage:
            self._usage[name] = ProcessReport(
                name=name, role=role, pid=pid, deaths=deaths, **msgspec.structs.asdict(usage)
            )

    def _facts(self, sink: str) -> RunFacts:
        return RunFacts(
            pipeline=self.plan.name,
            run=self.state.id,
            started=self.started,
            version=own_version(),
            folder=self.plan.folder,
            sink=sink,
            goes_on=self._goes_on,
        )

    def _asked_sets(self) -> list[int]:
        return [number for number in self._asked if number < 0]


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
