"""The chains engine: pipelines of plain sources, steps and sinks, fused in one process.

A chain is one compiled loop; a queue lies only where several read what one gives, where several are merged, and where a
coroutine meets a generator. Nothing is copied, encoded or joined, and items may be any Python value.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, cast

from penstock.core import NS_PER_S, Account, Ledger, Timestamp
from penstock.core.command import WorkerCount
from penstock.core.event import Event
from penstock.core.parameters import Change, Parameters
from penstock.core.run import Outcome, RunState
from penstock.core.states import State
from penstock.core.trigger_map import TriggerMap
from penstock.elements.attendant import Attended
from penstock.elements.clock import use
from penstock.elements.sink import RunFacts
from penstock.elements.user_code import validate
from penstock.engines.alarming import Alarming
from penstock.engines.handle import Grown, Run
from penstock.engines.showing import Showing
from penstock.engines.to_the_end import AT_ONCE, Progress, run_to_the_end
from penstock.errors import NotBuiltYetError, PenstockError, SelectionError, StateError
from penstock.monitor.notice import use_outlet
from penstock.monitor.report import RunReport, StateReport
from penstock.pipeline.chains import chains_trouble, has_lanes
from penstock.pipeline.map_check import MapDocument, no_such_map
from penstock.pipeline.plan import Plan
from penstock.services.attendants import Attendants
from penstock.services.control_desk import ControlDesk
from penstock.services.event_files import chosen_stage
from penstock.services.interrupt import Interrupt
from penstock.services.judge import settle
from penstock.services.run_names import new_run_id, own_version
from penstock.services.sink_books import ledger_told
from penstock.services.sink_facts import facts_for
from penstock.services.strands.bringing_out import BringingOut
from penstock.services.strands.children import children_reports
from penstock.services.strands.cut import Cut, cut
from penstock.services.strands.discard import Discard
from penstock.services.strands.holds import Holds
from penstock.services.strands.host import Host, LoopFactory, Machine
from penstock.services.strands.lives import Lives
from penstock.services.strands.net import Net
from penstock.services.strands.nursery import Nursery
from penstock.services.strands.run_books import RunBooks
from penstock.services.strands.run_sinks import RunSinks
from penstock.services.strands.settling import Settling
from penstock.services.strands.silence import Silence
from penstock.services.strands.step_parameters import step_parameters
from penstock.services.strands.switching import switching
from penstock.services.strands.workforce import Workforce
from penstock.services.waiter import Waiter
from penstock.services.watching import Watching
from penstock.services.web_service import WebService

__all__ = ["ChainsRun", "run", "start"]

BEAT_S: Final = 0.1
"""The books are about as old at most, however slow the items are."""
QUIET_S: Final = 1.0
"""How often it is looked for what may have been forgotten while everybody waits."""


class ChainsRun:
    """One run of a plan of chains.

    ``open``, then ``step`` until it returns false, then ``finish``, all from one thread; or just ``run``, or ``start``.

    Parameters
    ----------
    plan
        Without joins, workers, reducers and recorded streams.
    run_id
        By default made of the time.
    values
        Start values of parameters, by address or any shorter form that is clear; they go before the pipeline's.
    silent_s
        End the run when nothing has arrived for so long after the first item; 0 waits for ever.
    web
        Where the run is to be seen meanwhile; it stays the caller's. By default where the pipeline's ``serve`` says, as
        long as the run lasts.
    desk
        Where commands come to; it stays the caller's, as are its doors. By default one of its own, with the door that
        the pipeline's ``control`` says.
    loop_factory
        Makes the event loop of what is async.
    is_held
        Whether to begin with everything held: nothing is read before ``release``.
    clock
        What its strands live on, and what time it is for them: by default the machine's; a
        `penstock.testing.VirtualTime` lets an hour pass in milliseconds.
    **others
        Options of other engines, which must be empty.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_id: str = "",
        values: Mapping[str, Any] | None = None,
        silent_s: float = 0.0,
        web: WebService | None = None,
        desk: ControlDesk | None = None,
        is_held: bool = False,
        loop_factory: LoopFactory = asyncio.new_event_loop,
        clock: Host | None = None,
        **others: Any,
    ) -> None:
        if plan.planned:
            raise NotBuiltYetError("this pipeline cannot run yet:\n" + "\n".join(plan.planned))
        if trouble := chains_trouble(plan) or _of_other_engines(others):
            raise NotBuiltYetError(f"the engine chains cannot run this pipeline: {trouble}; use --engine local")
        self.plan = plan
        self._host = Machine(loop_factory) if clock is None else clock
        if self._host.is_virtual and silent_s:
            raise ValueError("silent_s is a time of the machine's; in virtual time a run ends when nothing can come")
        self._values = dict(values or {})
        self._started = Timestamp(self._host.utc_ns())
        self._started_ns, self._ended_ns = self._host.monotonic_ns(), 0
        self.state = RunState(run_id or new_run_id(Timestamp(time.time_ns())))
        self._end = BringingOut(self.state, round(plan.stop_s * NS_PER_S))
        self.ledger = Ledger()
        self.parameters = Parameters([], validate=validate)
        self.maps: dict[str, TriggerMap] = {}
        """None, as nothing is joined."""
        self._showing = Showing(plan, web, desk)
        self.desk = self._showing.desk
        """Takes commands, from the thread of this run."""
        self._last: dict[str, Any] = {}
        """By stage, its last result, where an alarm asks for it."""
        self.alarms = Alarming(plan, self.state.id, utc_ns=self._host.utc_ns, last=self._last.get)
        self.watching = Watching(plan, self.state.id, utc=self._host.utc_ns)
        self.alarms.on_change(self.watching.note_alarm)
        self._listened: int | None = None
        """What of the nursery is waited for."""
        self._cut = Cut()
        self._books = RunBooks(self.ledger, self._cut)
        self._net = Net((), self._host)
        self._begins_held = is_held
        self._holds = Holds(())
        self._lives = Lives(plan.name, self._cut, self._holds, self._started_ns)
        self._workforce = Workforce(self._cut, self.watching.note)
        self._discards: list[Discard] = []
        self._settling = Settling((), {})
        self._nursery = Nursery()
        self._sinks = RunSinks({})
        self._attendants = Attendants()
        self._waiter = Waiter()
        self._beaten_ns = 0
        self._silence = Silence(round(silent_s * NS_PER_S), time.monotonic_ns())
        self._is_switching = False

    def open(self) -> None:
        """Make everything, open the sinks, and begin.

        Raises
        ------
        PenstockError
            If something cannot be made or opened.
        """
        self.watching.open()
        self.desk.write_to(self.watching.journal, has_files=self.plan.logs is not None)
        if any(stage.run_in == "process" for stage in self.plan.stages.values()):
            self._nursery.open()  # it gets warm while everything else is made
        with use(self._host), use_outlet(self.watching.outlet):
            self._cut = cut(self.plan, self.ledger, self._nursery, dict.fromkeys(self.alarms.reads_last, self._last))
            self._books = RunBooks(self.ledger, self._cut)
            self.parameters = step_parameters(self._cut.steps, self._values, self._started)
            self._settling = Settling(self._cut.strands, self._cut.sinks)
            for name, thing in self._settling.things:
                thing.run = self._facts(name)
            self._sinks = RunSinks(self._cut.sinks)
            self._sinks.open(self._facts)
        self.alarms.open(self._facts(""))
        self._waiter.add(self._showing.begin(self, self.state.id))
        self._net.close()
        self._net = Net(self._cut.strands, self._host)
        self.watching.outlet.on_feedback = self._net.tell  # a scan waits for it
        self._holds = Holds(self._cut.strands)
        self._lives = Lives(self.plan.name, self._cut, self._holds, self._started_ns)
        self._workforce = Workforce(self._cut, self.watching.note)
        if self._begins_held:
            self._holds.hold("")
        self._waiter.add(self._net.pollable)
        self._attendants = Attendants(feed.source.thing for feed in self._cut.sources.values())
        for pollable in self._attendants.attend(cast(Attended, self)):
            self._waiter.add(pollable)
        if any(map(has_lanes, self.plan.stages.values())):
            switching.begin()
            self._is_switching = True
        with use(self._host), use_outlet(self.watching.outlet):
            self._net.start()

    def step(self, longest_s: float = QUIET_S) -> bool:
        """Wait for something to happen, at most so long; return whether there will be more.

        Raises
        ------
        PenstockError
            If user code raised and ``on_error`` is ``fail``, or a sink could not be written.
        """
        self._net.hear()
        self._showing.poll()
        self._hear_notices()
        self._attendants.poll()
        now = time.monotonic_ns()
        for trouble in self._take_troubles():
            self.fail(trouble)
        if self._host.is_virtual:
            self._look_at_time()
        self._discards = [each for each in self._discards if not each.is_done()]
        if self._net.is_over:
            return False
        if self._end.is_late(now):
            self._end.give_up(self._net)
            return False
        if now - self._beaten_ns >= self._between_beats_s * NS_PER_S:
            self._beaten_ns = now
            self._look(self._host.monotonic_ns())
            if not self._host.is_virtual:  # which would let strands take their turns otherwise each time
                self._net.beat()
                self._tell_settled(self._settling.look)
                if self._end.until_ns is None:
                    self._workforce.look(now)
        self._hasten(now)
        if self.alarms.is_due:
            self.alarms.look(self.report())
        if self._is_silent(now):
            self.state.mark(Outcome.INCOMPLETE, f"nothing has arrived for {self._silence.longest_ns / NS_PER_S:g} s")
            self._bring_out()
        self._waiter.wait(min(longest_s, self._until_due_s(now)))
        return True

    def set(self, values: Mapping[str, Any], then: Callable[[Change], None], who: str = "") -> None:
        """Change parameters, from whatever comes next on; ``then`` is called at once.

        Items have no numbers here, so the change names the number 0.

        Raises
        ------
        ParameterError
            If one is unknown or refused; then none is changed.
        """
        change = self.parameters.set(values, from_event=0, who=who, when=Timestamp(self._host.utc_ns()))
        for part in self._cut.steps:
            part.step.apply(self.parameters.latest)
        self._net.beat()  # what is called may be another now
        then(change)

    def hold(self, name: str) -> None:
        """Let a source or a stage take nothing more in until it is released; nothing if it is held.

        What it has waits, and so does what comes meanwhile from an instrument that is waited for: one item at most. Who
        is fused with others into one loop holds all of that. A parallel stage gives nothing more to its workers; what
        they have comes out.

        Parameters
        ----------
        name
            Of a source or a stage; none: all of them.

        Raises
        ------
        PenstockError
            If there is none of this name.
        StateError
            If the run is ending: what has come is brought out then.
        """
        if self._end.until_ns is not None or not self.is_open:
            raise StateError(
                f"run {self.state.id} is ending, and brings out what has come; nothing can be held any more"
            )
        self._holds.hold(name)

    def release(self, name: str) -> None:
        """Let a source or a stage go on, or all of them if no name is given; nothing if it is not held.

        Raises
        ------
        PenstockError
            If there is none of this name.
        """
        self._holds.release(name)

    def discard(self, then: Callable[[int], None]) -> None:
        """Give up all that waits before stages and sinks, and what workers were given and have not begun.

        ``then`` is told how many items that was, when those who are held have come back from what they are at.
        """
        discard = Discard(self._cut, then, self._net.tell)
        if not discard.is_done():
            self._discards.append(discard)

    def scale(self, stage: str, workers: WorkerCount) -> None:
        """Let a parallel stage have so many workers from now on; those that leave first finish what they have begun.

        One that goes by the load is kept at the number, until ``auto`` takes that back. In threads and tasks, the steps
        of new ones are made here.

        Raises
        ------
        PenstockError
            If there is no such stage, it has no workers, or it cannot have so many.
        """
        self._workforce.scale(stage, workers)

    def restart(self, worker: str) -> None:
        """Let another worker take the place of one of a parallel stage, when that has finished what it has begun.

        What it has not begun goes to others. One that has been given up comes again.

        Raises
        ------
        PenstockError
            If there is none of this name.
        """
        self._workforce.restart(worker)

    def extend(
        self,
        join: str,
        document: MapDocument,  # noqa: ARG002
        then: Callable[[Grown], None],  # noqa: ARG002
        *,
        is_last: bool = False,  # noqa: ARG002
    ) -> None:
        """Refuse: there are no trigger maps where nothing is joined.

        Raises
        ------
        ServiceError
            Always.
        """
        raise no_such_map(join, self.maps)

    def begun(self) -> Mapping[str, int]:
        """Return how many items each worker of a parallel stage has begun; one that was replaced counts from 0."""
        with self._net.standing_still():
            return self._workforce.begun()

    def views(self, stage: str) -> Mapping[str, Any]:
        """Refuse: only reduce stages publish views.

        Raises
        ------
        KeyError
            Always.
        """
        raise KeyError(f"no reduce stage is called {stage!r}; the engine chains has none")

    def events(self, stage: str = "", last: int | None = None, number: int | None = None) -> list[Event]:
        """Refuse: only map stages keep events.

        Raises
        ------
        SelectionError
            Always.
        """
        del last, number
        raise SelectionError(chosen_stage(stage, []))

    def forget_views(self) -> None:
        """Let go of nothing."""

    def ask(self, then: Callable[[RunReport], None]) -> None:
        """Have ``then`` called with a report of how things are."""
        then(self.report())

    @property
    def is_open(self) -> bool:
        """Whether there is anybody to wait for."""
        return not (self._net.is_over or self._end.is_given_up)

    def drain(self, reason: str = "stopped on request", *, outcome: Outcome | None = Outcome.ABORTED) -> None:
        """Read nothing more, and bring out what has come, also what was held.

        Parameters
        ----------
        outcome
            What is said of the run therefore, with the reason; ``None``: nothing, as its end was wanted.
        """
        if outcome is not None:
            self.state.mark(outcome, reason)
        self._bring_out()

    def abort(self, reason: str = AT_ONCE) -> None:
        """Give everything up."""
        self.state.mark(Outcome.ABORTED, reason)
        self._end.give_up(self._net)

    def fail(self, error: PenstockError) -> None:
        """Say that the run has failed, and bring out what has come."""
        self.state.mark(Outcome.FAILED, str(error))
        self._bring_out()

    def finish(self, *, keep_views: bool = False) -> RunReport:  # noqa: ARG002 - there are none
        """Close everything, and say how the run ended."""
        if not self._net.is_over:
            self._end.give_up(self._net)
        for trouble in self._take_troubles():
            self.fail(trouble)
        self._nursery.close()
        self._hear_notices()
        self._close_books()
        with use(self._host), use_outlet(self.watching.outlet):
            self._sinks.close(self.state, lambda: {"ledger": ledger_told(self.ledger.rows())}, self.fail)
        for failures in self._settling.failures():
            self.state.mark(Outcome.INCOMPLETE, failures)
        if not (self._end.is_given_up or self._net.troubles or self.state.prospect is Outcome.FAILED):
            self._tell_settled(self._settling.end_well)
        self._settling.leave()
        for untold in self.alarms.close():
            self.state.mark(Outcome.INCOMPLETE, untold)
        if self._is_switching:
            self._is_switching = False
            switching.end()
        self._waiter.close()
        for discard in self._discards:
            discard.end()
        self._net.close()
        self._ended_ns = self._host.monotonic_ns()
        self.state.end()
        report = self.report()
        self.watching.close(report)
        self._attendants.leave(report)
        self._showing.finish(report)
        return report

    def _close_books(self) -> None:
        for strand, edge, count in self._net.left():
            self._books.count_left(edge, count)
            self.state.mark(Outcome.ABORTED, f"{count} items before {strand.name} were given up")
        self._books.count_in_hand()
        for text in self._books.count_dropped():
            self.state.note(text)
        settle(self.ledger, self.state)
        self.state.dead_letters = self.ledger.total(Account.DEAD_LETTERED)
        if self._net.strands:  # they were read
            self._books.remark_silent()

    def report(self) -> RunReport:
        """Say how the run is, or how it ended."""
        with self._net.standing_still():
            found = self._report()
        return self.watching.fill(found)

    def _report(self) -> RunReport:
        now = self._ended_ns or self._host.monotonic_ns()
        duration_s = (now - self._started_ns) / NS_PER_S
        self._look(now)
        has_ended = self.state.outcome is not Outcome.RUNNING
        stages = self._cut.stages.values()
        return RunReport(
            pipeline=self.plan.name,
            run=self.state.id,
            outcome=str(self.state.outcome),
            exit_code=self.state.exit_code if has_ended else 0,
            reasons=[*self.state.reasons, *(() if has_ended else self._books.shed_by_lanes())],
            started=self._started.isoformat(),
            duration_s=duration_s,
            edges=self._books.edges(duration_s, now, has_ended=bool(self._ended_ns)),
            joins={},
            latencies={},
            outputs=self._sinks.paths(),
            dead_letters=[asdict(failure) for stage in stages for failure in list(stage.dead_letters)],
            failures=[asdict(failure) for stage in stages for failure in list(stage.failures)],
            steps=self._books.steps(duration_s, now, has_ended=bool(self._ended_ns)),
            processes=children_reports(self._cut.parallel),
            alarms=self.alarms.reports(),
            states=self._states(now),
            staffs=self._workforce.reports(),
            files=self._settling.files(),
        )

    def wake_on(self, pollable: int) -> None:
        """Stop waiting when this file descriptor can be read."""
        self._waiter.add(pollable)

    def sleep_on(self, pollable: int) -> None:
        """Do not stop waiting for this file descriptor any more."""
        self._waiter.drop(pollable)

    # Inside

    def _tell_settled(self, tell: Callable[[], None]) -> None:
        """Tell who wants to know what has ended; who cannot note it ends the run."""
        try:
            tell()
        except PenstockError as error:
            self.fail(error)

    def _hear_notices(self) -> None:
        """Take what workers have said, and look at everything once a second."""
        if self._nursery.pollable != self._listened:
            self._waiter.drop(self._listened)
            self._listened = self._nursery.pollable
            self._waiter.add(self._listened)
        for said in self._nursery.notices():
            self.watching.hear(said)
        self.watching.look()
        if self.watching.is_due and not self._host.is_virtual:
            self.report()

    def _hasten(self, now: int) -> None:
        """Let sinks wait for others no longer when nothing else is to be done and they get on with nothing."""
        working = self._net.working()
        done = sum(strand.came for strand in working)
        self._sinks.hasten({strand.name for strand in working}, done=done, now=now, until=self._end.until_ns)

    def _look_at_time(self) -> None:
        """End a run whose time is over, or in which nothing can happen any more."""
        if self._host.is_over and self._end.until_ns is None:
            self.state.mark(Outcome.ABORTED, "the time of the run is over")
            self._bring_out()
        if not self._host.is_stuck or self._holds.names:
            return
        if self._end.until_ns is None:
            self.state.mark(Outcome.INCOMPLETE, "everybody waits, and nothing is due any more")
            self._bring_out()
        else:
            self._end.give_up(self._net)

    def _bring_out(self) -> None:
        self._end.begin(self._net, self._holds)

    def _take_troubles(self) -> list[PenstockError]:
        troubles = self._net.troubles[:]
        del self._net.troubles[: len(troubles)]
        return troubles

    def _is_silent(self, now: int) -> bool:
        arrived = sum(feed.entry.arrived for feed in self._cut.sources.values())
        return self._silence.is_too_long(arrived, now, is_held=bool(self._holds.names))

    @property
    def _between_beats_s(self) -> float:
        return QUIET_S if self._net.is_quiet or self._host.is_virtual else BEAT_S

    def _until_due_s(self, now: int) -> float:
        """Return for how long nothing has to be done because of the time, in s."""
        due = [self._beaten_ns + round(self._between_beats_s * NS_PER_S)]
        due += [at_ns for at_ns in (self._end.until_ns, self._silence.due_ns) if at_ns is not None]
        return max(0.0, min((min(due) - now) / NS_PER_S, self._attendants.until_due_s()))

    def _look(self, now: int) -> None:
        self._books.look(now)
        self._states(now)

    def _states(self, now: int) -> list[StateReport]:
        return self._lives.look(
            now, is_begun=bool(self._net.strands), is_ending=self._end.is_begun,
            end=self._how_it_ended() if self._ended_ns else None,
        )  # fmt: skip

    def _how_it_ended(self) -> tuple[State, str]:
        """Return what the pipeline is at when all is over, and why."""
        has_failed = self.state.prospect is Outcome.FAILED
        return (State.FAULT if has_failed else State.STOPPED), next(iter(self.state.reasons), "")

    def _facts(self, sink: str) -> RunFacts:
        facts = RunFacts(
            pipeline=self.plan.name,
            run=self.state.id,
            started=self._started,
            version=own_version(),
            folder=self.plan.folder,
            sink=sink,
        )
        return facts_for(self.plan, self.plan.sinks.get(sink), facts, "chains")


def run(
    plan: Plan, *, progress: Progress | None = None, interrupt: Interrupt | None = None, **options: Any
) -> RunReport:
    """Run a plan to its end.

    Parameters
    ----------
    progress
        Called with the report so far, four times a second at most.
    interrupt
        Says when somebody wants the run to end; the first time it is drained, the second time it stops at once.
    **options
        Those of ``ChainsRun``.

    Returns
    -------
    RunReport
        Also of a run that failed; ``reasons`` says why.

    Raises
    ------
    CheckError, NotBuiltYetError, ParameterError
        If it cannot begin as it is written, or with the start values given.
    """
    return run_to_the_end(ChainsRun(plan, **options), progress, interrupt)


def start(plan: Plan, **options: Any) -> Run:
    """Start a plan beside the caller, and return the handle of the run when everybody works.

    Parameters
    ----------
    **options
        Those of ``ChainsRun``.

    Raises
    ------
    CheckError, NotBuiltYetError, ParameterError
        If it cannot begin as it is written, or with the start values given.
    PenstockError
        If something cannot be made or opened.
    """
    return Run(ChainsRun(plan, **options))


def _of_other_engines(others: Mapping[str, Any]) -> str:
    given = [name for name, value in others.items() if value]
    return f"{', '.join(given)} belongs to other engines" if given else ""
