"""The inline engine: a whole pipeline in one thread, for the debugger, for tests and for small work.

The same input gives the same result every time. User code is called from here directly, so a breakpoint in it stops
everything, and nothing runs in the background.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from penstock.core import NS_PER_S, Ledger, Timestamp
from penstock.core.log_records import MapSet
from penstock.core.map_reader import MapDocument
from penstock.core.parameters import Change, Parameters
from penstock.core.run import Outcome, RunState
from penstock.core.trigger_map import TriggerMap
from penstock.elements.sink import RunFacts
from penstock.elements.user_code import validate
from penstock.engines.alarming import Alarming, small_views
from penstock.errors import CheckError, ParameterError, PenstockError, UserCodeError
from penstock.monitor.edge_watch import Watches
from penstock.monitor.report import RunReport, edges_of
from penstock.pipeline.map_check import addition_for, no_such_map
from penstock.pipeline.plan import Plan
from penstock.services.balance import Balance
from penstock.services.build import Rooms, build
from penstock.services.interrupt import Interrupt
from penstock.services.judge import judge, settle, write_report
from penstock.services.last_results import LastResults
from penstock.services.reading import Reading
from penstock.services.recorded_run import NO_SETTING, RecordedRun
from penstock.services.recording import with_store
from penstock.services.reduce_room import ReduceRoom
from penstock.services.resumed_run import missed_text, missed_until
from penstock.services.roots import roots_of
from penstock.services.run_basis import run_basis
from penstock.services.run_names import new_run_id, own_version
from penstock.services.sink_books import change_told, ledger_told
from penstock.services.sink_facts import facts_for
from penstock.services.thread_log import ThreadLog
from penstock.services.thread_states import ThreadStates
from penstock.services.user_calls import Failure
from penstock.services.users_traceback import users_traceback
from penstock.services.waiter import Waiter
from penstock.services.watching import Watching
from penstock.streams.store import Store
from penstock.wire.values import encode_value

__all__ = ["InlineRun", "run"]

LONGEST_WAIT_S = 0.1
"""Sources that wait for their instrument must be read that often."""
PROGRESS_S = 0.25
LINGER_S = 0.05
"""How long it must be silent after the end until a run is over; nothing of a network on one site takes longer."""
MOST_LINGERING = 20
"""Readings after the end at most: an instrument may go on for ever."""

STOPPED_AT_ONCE = "stopped at once on request"
NO_COMMANDS = "the inline engine has one thread and takes no commands; use chains or local"

Progress = Callable[[RunReport], None]


class InlineRun:
    """One run of a plan in this thread.

    ``open``, then ``step`` until it returns false, then ``finish``; or just ``run``.

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
        What user code keeps between runs, by stage; given again for the next run.
    event_log
        A new file for the event log; none by default.
    silent_s
        End the run when nothing has arrived for so long after the first message; 0 waits for ever, because a paused
        scan and a dead one look the same.
    store
        Where recorded sources are kept; by default the pipeline's. It stays the caller's.
    replay
        A recorded run: its events are formed again out of its streams, with its start values, changes of parameters
        and trigger maps. Values given here stay as they are.
    resume
        A recorded run that was cut off: it goes on, under its name, behind what was recorded of it.
    clock, utc
        Nanoseconds: monotonic, and since 1970 UTC.
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
        store: Store | None = None,
        replay: RecordedRun | None = None,
        resume: RecordedRun | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock, self._utc = clock, utc
        self._started = Timestamp(utc())
        basis = run_basis(
            plan, self._started, run_id=run_id, trigger_maps=trigger_maps, values=values, event_log=event_log,
            replay=replay, resume=resume,
        )  # fmt: skip
        store = store if resume is None else resume.store
        self.plan = basis.plan if store is None else with_store(basis.plan, store)
        self._is_replay = basis.is_replay
        self._resumed = basis.replay if basis.goes_on else None
        self._started_ns = clock()
        self.state = RunState(basis.run_id or new_run_id(self._started))
        self.ledger = Ledger()
        self._watches = Watches(self.ledger)
        self._build = partial(
            build,
            self.plan,
            self.ledger,
            clock,
            trigger_maps=basis.trigger_maps,
            values=basis.values,
            contexts={} if contexts is None else contexts,
            started=self._started,
            recorded=basis.replay,
        )
        self._log = ThreadLog(
            self.plan, self.state.id, self._started, event_log=event_log, store=store, resumed=self._resumed
        )  # fmt: skip
        self._silent_ns = round(silent_s * NS_PER_S)
        self._heard_ns: int | None = None
        self._rooms = Rooms(parameters=Parameters([], validate=validate))
        self._balance = Balance(self.plan, self._rooms)
        self._failures: list[Failure] = []
        self._ended_ns: int | None = None
        self._states = ThreadStates(self.plan, self.state, self.ledger, self._started_ns)
        self._waiter = Waiter()
        self._reading = Reading(self._waiter, clock, utc)
        self.watching = Watching(self.plan, self.state.id)
        self._last = LastResults()
        self.alarms = Alarming(self.plan, self.state.id, utc_ns=utc, last=self._last_of)
        self.alarms.on_change(self.watching.note_alarm)

    def open(self) -> None:
        """Build all rooms, and with them the user's code; then open outputs, then instruments.

        Raises
        ------
        CheckError
            If a join has no trigger map, or an argument is refused.
        PenstockError
            If a constructor raised, or something cannot be opened; ``finish`` closes what was.
        """
        self.watching.open()
        self._log.open()
        self._rooms = self._build(log=self._log.log)
        self._balance = Balance(self.plan, self._rooms)
        self._log.note_start(self._rooms)
        for name, sink in self._rooms.sinks.items():
            sink.open(self._facts(name))
        self.alarms.open(self._facts(""))
        for name in self.alarms.reads_last:
            if not isinstance(self._rooms.stages[name], ReduceRoom):
                self._rooms.outlets[name].rooms.append(self._last)
        self._log.note_traits(self._rooms)
        for room in self._rooms.stages.values():
            self._waiter.add(room.pollable)
        for intake in self._rooms.intakes.values():
            self._reading.open(intake)
        self._note_missed()

    def _note_missed(self) -> None:
        """Say of a run that goes on what nobody read of instruments that do not repeat it."""
        for name, last_id in ({} if self._resumed is None else missed_until(self._resumed)).items():
            intake = self._rooms.intakes[name]
            if not intake.source.is_repeatable:
                intake.entry.remark("resumed", missed_text(name, last_id))
                self.state.mark(Outcome.INCOMPLETE, missed_text(name, last_id))

    def fail(self, error: PenstockError) -> None:
        """Say that the run has failed, and keep the traceback of whatever is behind it."""
        self.state.mark(Outcome.FAILED, str(error))
        if isinstance(error, UserCodeError) and error.event is None and error.__cause__ is not None:
            cause = error.__cause__
            failure = Failure(stage=error.stage, event=None, cause=repr(cause), traceback=users_traceback(cause))
            self._failures.append(failure)

    def step(self, longest_s: float = LONGEST_WAIT_S) -> bool:
        """Do what there is to do, waiting at most so long for something; return whether there will be more.

        Raises
        ------
        PenstockError
            If user code raised and ``on_error`` is ``fail``, or an output cannot be written.
        """
        was_busy = self._reading.read(self._balance)
        self._bring()
        self._tick()
        self._settle()
        now = self._clock()
        self._watches.look(now)
        self._states.look(self._rooms, now)
        self.watching.look()
        if self.alarms.is_due:
            self.alarms.look(self.report())
        elif self.watching.is_due:
            self.report()
        self._log.flush()
        if self.is_over:
            self._linger()
            self._bring_out()
            return False
        if was_busy:
            self._heard_ns = self._clock()
        elif self._is_silent():
            self.state.mark(Outcome.INCOMPLETE, f"nothing has arrived for {self._silent_ns / NS_PER_S:g} s")
            self._stop_reading()
            self._bring_out()
            return False
        else:
            self._waiter.wait(self._until_due(longest_s), without=self._reading.not_to_read(self._balance))
        return True

    @property
    def is_over(self) -> bool:
        """Whether nothing more can happen: every join has had its end event, every other source has ended."""
        if self._is_replay:  # what was read when the run was recorded is read to its end
            return not any(intake.is_open for intake in self._rooms.intakes.values())
        sources = [intake for intake in self._rooms.intakes.values() if not self._balance.is_joined(intake)]
        finished = all(join.builder.is_finished for join in self._rooms.joins.values())
        return finished and all(intake.has_ended for intake in sources)

    def set(self, values: Mapping[str, Any], who: str = "") -> Change:
        """Change parameters, from the next event on.

        Parameters
        ----------
        values
            By address, ``stage.step.name``, or by any shorter form that is clear.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        """
        if self._is_replay:
            raise ParameterError(NO_SETTING)
        following = max((join.builder.next_number for join in self._rooms.joins.values()), default=0)
        change = self._rooms.parameters.set(values, from_event=following, who=who, when=Timestamp(self._utc()))
        firsts = self._firsts(change)
        # Each stage has a history of its own where not all have the same numbers.
        if self._resumed is not None or self._rooms.renumbering:
            for name, first in firsts.items():
                self._rooms.stages[name].crew.follow(change.revision, first, change.values)
        self._log.set(change, firsts)
        return change

    def extend(self, join: str, document: MapDocument, *, is_last: bool = False) -> None:
        """Append to an open trigger map.

        Raises
        ------
        MapError
            If it is wrong, or the map is closed; then nothing has changed.
        StateError
            If the last event has been formed.
        ServiceError
            If no such join is by trigger map.
        """
        room = self._rooms.joins.get(join)
        if room is None or room.builder.trigger_map is None:
            raise no_such_map(join, [name for name, each in self.plan.joins.items() if each.by == "trigger-map"])
        addition = addition_for(self.plan, join, room.builder.trigger_map, document, is_last=is_last)
        self._log.append(MapSet(join=join, table=encode_value(addition.table()), is_addition=True))
        room.extend(addition, self._clock())

    def _firsts(self, change: Change) -> dict[str, int]:
        """Return from where on each stage has a change: behind everything that it was given, whoever numbers that."""
        resumed = None if self._resumed is None else self._resumed.resumed
        kept = {} if resumed is None else resumed.last_ids
        following = {name: max(intake.last_id, kept.get(name, 0)) + 1 for name, intake in self._rooms.intakes.items()}
        following |= {name: room.next_number for name, room in self._rooms.merges.items()}
        following |= {name: room.builder.next_number for name, room in self._rooms.joins.items()}
        own = {name: room.next_number for name, room in self._rooms.renumbering.items()}
        following |= own
        found: dict[str, int] = {}
        for name, roots in roots_of(self.plan, own).items():
            first = max(following[root] for root in roots)
            found[name] = first if roots <= own.keys() else max(change.from_event, first)
        return found

    def hold(self, name: str) -> None:  # noqa: ARG002 - as in the other engines
        """Refuse: there is one thread, which is at work.

        Raises
        ------
        PenstockError
            Always.
        """
        raise PenstockError(NO_COMMANDS)

    def release(self, name: str) -> None:  # noqa: ARG002 - as in the other engines
        """Refuse, as ``hold``.

        Raises
        ------
        PenstockError
            Always.
        """
        raise PenstockError(NO_COMMANDS)

    def discard(self, then: Callable[[int], None]) -> None:  # noqa: ARG002 - as in the other engines
        """Refuse, as ``hold``.

        Raises
        ------
        PenstockError
            Always.
        """
        raise PenstockError(NO_COMMANDS)

    def restart(self, worker: str) -> None:  # noqa: ARG002 - as in the other engines
        """Refuse, as ``hold``.

        Raises
        ------
        PenstockError
            Always.
        """
        raise PenstockError(NO_COMMANDS)

    def drain(self, reason: str = "stopped on request", *, outcome: Outcome | None = Outcome.ABORTED) -> None:
        """Read nothing more, and bring out what has arrived.

        Parameters
        ----------
        outcome
            What is said of the run therefore, with the reason; ``None``: nothing, as its end was wanted.
        """
        if outcome is not None:
            self.state.mark(outcome, reason)
        self._stop_reading()
        self._bring_out()
        self._settle()

    def _settle(self) -> None:
        """Tell sources what is accounted for; never behind something that failed, which may have let go of anything."""
        for intake in self._rooms.intakes.values():
            intake.settle()

    def finish(self) -> RunReport:
        """Close everything, and say how the run ended."""
        if self.state.prospect in (Outcome.FINISHED, Outcome.INCOMPLETE):
            self._guard(self._settle)
        for intake in self._rooms.intakes.values():
            intake.close()
            if intake.trouble:
                self.state.mark(Outcome.INCOMPLETE, intake.trouble)
            intake.remark_silence()
        for join in self._rooms.joins.values():
            if not join.builder.is_finished:
                join.builder.abort()
        settle(self.ledger, self.state)
        judge(self.ledger, self.state, {name: room.builder for name, room in self._rooms.joins.items()})
        for intake in self._rooms.intakes.values():
            self._guard(intake.leave)
        for room in self._rooms.stages.values():
            self._waiter.drop(room.pollable)
            self._guard(room.finish)
        ended_well = self.state.prospect is Outcome.FINISHED
        for sink in self._rooms.sinks.values():
            why = "; ".join(self.state.reasons)
            self._guard(partial(sink.finish, ended_well, str(self.state.prospect), why, self._told_books))
        self._guard(partial(self._log.end, self.state, self._utc()))
        for trouble in self._log.troubles:
            self.state.mark(Outcome.FAILED, trouble)
        self._log.close_store()
        self._close_alarms()
        self._waiter.close()
        self._ended_ns = self._clock()
        self.state.end()
        report = self.report()
        self.watching.close(report)
        return report

    def _close_alarms(self) -> None:
        for untold in self.alarms.close():
            self.state.mark(Outcome.INCOMPLETE, untold)

    def report(self) -> RunReport:
        """Say how the run is, or how it ended."""
        now = self._ended_ns or self._clock()
        self._watches.look(now)
        edges = edges_of(self.ledger, (now - self._started_ns) / NS_PER_S, self._watches, now)
        # Only a join lets anything wait here: what a stage is given has ended before this thread looks again.
        edges = [e if e.consumer in self._rooms.joins else replace(e, latency=None) for e in edges]
        report = write_report(
            self.plan.name, self.state, self._started, now - self._started_ns, edges, self._rooms, self._failures
        )
        states = self._states.reports(self._rooms, now, has_ended=self._ended_ns is not None)
        return self.watching.fill(replace(report, states=states, alarms=self.alarms.reports()))

    def wake_on(self, pollable: int) -> None:
        """Stop waiting when this file descriptor can be read."""
        self._waiter.add(pollable)

    def _last_of(self, stage: str) -> Any:  # a result, or views
        if isinstance(self._rooms.stages[stage], ReduceRoom):
            return small_views(self._rooms.views(stage)) or None
        return self._last.get(stage)

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return what a reduce stage publishes, as it is now.

        Raises
        ------
        KeyError
            If no reduce stage has this name.
        """
        return self._rooms.views(stage)

    def _bring(self) -> None:
        """Hand on what steps have come up with by themselves."""
        now = self._clock()
        for room in self._rooms.stages.values():
            room.bring(now)

    def _bring_out(self) -> None:
        """Let steps that hold something see the end of what comes before them, as nothing more will come."""
        if any(room.holds for room in self._rooms.stages.values()):
            now = self._clock()
            for intake in self._rooms.intakes.values():
                intake.end(now)

    def _is_silent(self) -> bool:
        """Whether the instruments have been silent for longer than is allowed, once they have spoken."""
        heard_ns = self._heard_ns
        return bool(self._silent_ns) and heard_ns is not None and self._clock() - heard_ns >= self._silent_ns

    def _stop_reading(self) -> None:
        """Read nothing more, and form what can be formed."""
        now = self._clock()
        for intake in self._rooms.intakes.values():
            intake.close()
        for join in self._rooms.joins.values():
            join.stop(now)

    def _linger(self) -> None:
        """Count what was sent before the end and arrives behind it, because it comes from elsewhere."""
        for _ in range(MOST_LINGERING):
            if not any(intake.is_open and not intake.is_always_ready for intake in self._rooms.intakes.values()):
                return
            self._waiter.wait(LINGER_S)
            if not self._reading.read(self._balance):
                return

    def _tick(self) -> None:
        now, utc = self._clock(), self._utc()
        for join in self._balance.live_joins():
            join.tick(now)
        for room in self._rooms.stages.values():
            room.crew.tick(now, utc)
        for sink in self._rooms.sinks.values():
            due = sink.next_due_ns()
            if due is not None and due <= now:
                sink.tick(now)

    def _until_due(self, longest_s: float) -> float:
        """Return for how long nothing is due, in seconds."""
        now = self._clock()
        due = [join.builder.next_deadline() for join in self._balance.live_joins()]
        due += [room.crew.next_tick_ns(now) for room in self._rooms.stages.values()]
        due += [sink.next_due_ns() for sink in self._rooms.sinks.values()]
        due += [intake.due_ns for intake in self._balance.readable()]
        soonest = min((moment for moment in due if moment is not None), default=None)
        return longest_s if soonest is None else min(longest_s, max(0.0, (soonest - now) / NS_PER_S))

    def _guard(self, close: Callable[[], None]) -> None:
        """Close one thing; what goes wrong there fails the run, but does not keep others from being closed."""
        try:
            close()
        except PenstockError as error:
            self.fail(error)
        except KeyboardInterrupt:
            self.state.mark(Outcome.ABORTED, STOPPED_AT_ONCE)

    def _told_books(self) -> Mapping[str, Any]:
        changes = [change_told(change) for change in self._rooms.parameters.history]
        return {"ledger": ledger_told(self.ledger.rows()), "parameters": changes}

    def _facts(self, sink: str) -> RunFacts:
        facts = RunFacts(
            pipeline=self.plan.name,
            run=self.state.id,
            started=self._started,
            version=own_version(),
            folder=self.plan.folder,
            sink=sink,
            goes_on=self._resumed is not None,
        )
        return facts_for(
            self.plan, self.plan.sinks.get(sink), facts, "inline", self._rooms.parameters.history[0].values
        )


def run(
    plan: Plan,
    *,
    progress: Progress | None = None,
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
        Those of ``InlineRun``.

    Returns
    -------
    RunReport
        Also of a run that failed; ``reasons`` says why.

    Raises
    ------
    CheckError, NotBuiltYetError, ParameterError
        If it cannot begin as it is written, or with the start values given.
    """
    inline = InlineRun(plan, **options)
    try:
        inline.open()
        _work(inline, progress, interrupt)
    except (CheckError, ParameterError):
        inline.finish()
        raise
    except PenstockError as error:
        inline.fail(error)
    except KeyboardInterrupt:
        inline.state.mark(Outcome.ABORTED, STOPPED_AT_ONCE)
    return inline.finish()


def _work(inline: InlineRun, progress: Progress | None, interrupt: Interrupt | None) -> None:
    if interrupt is not None:
        inline.wake_on(interrupt.pollable)
    shown_s = -PROGRESS_S
    while inline.step():
        if progress is not None and time.monotonic() - shown_s >= PROGRESS_S:
            shown_s = time.monotonic()
            progress(inline.report())
        if interrupt is not None and interrupt.is_asked:
            inline.drain()
            return
