"""What is noticed of one run, by its supervisor: notices, feedback, states, deaths, and how its numbers were over time.

It looks at the reports that are made anyway and waits for nobody: whether somebody listens makes no difference to the
run.
"""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.core.alarm import AlarmChange
from penstock.core.event_builder import WENT_ON
from penstock.core.feedback import Feedback, FeedbackBook, Said
from penstock.core.notice import Level, Notice, cut
from penstock.core.timestamp import NS_PER_S
from penstock.errors import RemoteProtocolError
from penstock.monitor.history import History
from penstock.monitor.notice import Outlet, close_outlet, open_outlet
from penstock.monitor.progress import load_of, progress_of
from penstock.monitor.report import NoticeReport, ProcessReport, RunReport
from penstock.pipeline.plan import Plan
from penstock.services.journal import Journal
from penstock.services.usage import OURS, Gauge, descendants, name_of
from penstock.wire.notices import Unkept, decode_notice

__all__ = ["Watching"]

EVERY_NS: Final = NS_PER_S
"""A point of the history each second."""
MOST_NOTICES: Final = 1_000
IN_REPORT: Final = 20
"""Notices, and pieces of feedback, that a report carries."""
GRAVE: Final[Mapping[str, Level]] = {"fault": Level.ALARM}
UNKEPT: Final = "unkept"
MOST_POINTS: Final = 300


class Watching:
    """What is noticed of one run.

    ``open``, then ``fill`` for every report and at least once a second, then ``close``; from one thread. Notices may be
    raised from any.

    Parameters
    ----------
    plan
        Says where its journal is kept.
    run
        Name of the run.
    utc, monotonic
        Nanoseconds.

    Attributes
    ----------
    journal
        What happened; until it is open, in memory only.
    outlet
        Where notices and feedback of this process leave.
    feedback
        What user code has said back to the scan.
    apart
        Children of this process that are pipelines of their own, such as replays: they use nothing in its name.
    """

    def __init__(
        self,
        plan: Plan,
        run: str,
        *,
        utc: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._plan = plan
        self._run = run
        self._tags = {name: stage.tags for name, stage in plan.stages.items() if stage.kind == "map"}
        self._utc, self._monotonic = utc, monotonic
        self.journal = Journal(utc=utc)
        self.outlet = Outlet(utc=utc)
        self.history = History()
        self.feedback = FeedbackBook(run)
        self.apart: Collection[int] = ()
        self.on_feedback: Callable[[Feedback], None] = lambda _: None
        """Told of each, in the thread of the run."""
        self._notices: deque[Notice] = deque(maxlen=MOST_NOTICES)
        self._counts: Counter[str] = Counter()
        self._states: dict[tuple[str, str], str] = {}
        self._deaths: dict[str, int] = {}
        self._missing: set[tuple[str, str]] = set()
        """Streams and joins of which it was said that events went on without them."""
        self._taken_ns: int | None = None
        self._gauge = Gauge()
        self._shares = _Shares()
        self._machinery: list[ProcessReport] = []
        self._is_open = False

    def open(self) -> None:
        """Begin to take notices and to keep the journal.

        Raises
        ------
        PenstockError
            If the journal cannot be written.
        """
        logs = self._plan.logs
        if logs is not None:
            folder = Path(self._plan.folder) / Path(logs.folder).expanduser()
            self.journal = Journal(folder, name=self._plan.name, level=Level(logs.level), keep=logs.keep, utc=self._utc)
        open_outlet(self.outlet)
        self._is_open = True
        self.journal.tell("run", source=self._plan.name, run=self._run, what="begins")

    def hear(self, data: bytes) -> None:
        """Take a notice or feedback as it comes from another process."""
        try:
            said = decode_notice(data)
        except RemoteProtocolError as error:  # never ours: user code that wrote into a descriptor which is not its own
            self._note_unkept("", 1, str(error))
            return
        if isinstance(said, Unkept):
            self._note_unkept(said.source, said.count)
        elif isinstance(said, Said):
            self._note_feedback(said)
        else:
            self._note(said)

    def look(self) -> None:
        """Take what was raised in this process."""
        for back in self.outlet.take_feedback():
            self._note_feedback(back)
        said, lost = self.outlet.take()
        for each in said:
            self._note(each)
        for source, count in lost.items():
            self._note_unkept(source, count)

    @property
    def is_due(self) -> bool:
        """Whether a report is wanted, for the history and the journal."""
        return self._is_open and (self._taken_ns is None or self._monotonic() - self._taken_ns >= EVERY_NS)

    @property
    def until_due_s(self) -> float:
        """How long until then, in s."""
        if self._taken_ns is None:
            return 0.0
        return max(0.0, (self._taken_ns + EVERY_NS - self._monotonic()) / NS_PER_S)

    def fill(self, report: RunReport) -> RunReport:
        """Look at a report, and return it with notices and what the processes use now."""
        self._note_missing(report)
        has_ended = report.outcome != "running"
        if has_ended:
            self.outlet.flush(all_of_it=True)
        self.look()
        self._note_states(report)
        self._note_deaths(report)
        now = self._monotonic()
        is_due = self.is_due
        if is_due:
            self._machinery = list(self._around(report))
        filled = msgspec.structs.replace(
            report,
            notices=[_reported(said) for said in list(self._notices)[-IN_REPORT:]],
            notice_counts=dict(self._counts),
            feedback=self.feedback.since(self.feedback.count - IN_REPORT),
            feedback_count=self.feedback.count,
            processes=[self._shares.fill(each, now) for each in report.processes],
            machinery=[] if has_ended else [self._shares.fill(each, now) for each in self._machinery],
        )
        filled = msgspec.structs.replace(filled, progress=progress_of(filled), load=load_of(filled, self._tags))
        if is_due:
            self._taken_ns = now
            self.history.add(self._utc() / NS_PER_S, dict(_numbers(filled)))
        return filled

    def close(self, report: RunReport) -> None:
        """Say how the run has ended, and close the journal; what was noticed can still be asked for."""
        if not self._is_open:
            return
        self._is_open = False
        close_outlet(self.outlet)
        self.journal.tell(
            "run", level=Level.ALARM if report.outcome == "failed" else Level.INFO, source=self._plan.name,
            run=self._run, what="ended", outcome=report.outcome, exit_code=report.exit_code, reasons=report.reasons,
            duration_s=report.duration_s,
        )  # fmt: skip
        self.journal.close()

    def notices(self, level: str = "log", n: int = MOST_NOTICES) -> list[NoticeReport]:
        """Return the last notices at least so grave, the newest last.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        rank = Level(level).rank
        found = [_reported(said) for said in self._notices if said.level.rank >= rank]
        return found[-n:] if n > 0 else []

    def past(
        self, names: Collection[str] | None = None, *, since_s: float | None = None, most: int = MOST_POINTS
    ) -> dict[str, Any]:
        """Return how numbers were, as JSON can hold it: ``times`` in seconds since 1970 UTC, ``series`` by name.

        Parameters
        ----------
        names
            Of which numbers; by default of all.
        since_s
            For how long back, in s; by default as far as is known.
        most
            Points at most.
        """
        since = -float("inf") if since_s is None else self._utc() / NS_PER_S - since_s
        piece = self.history.piece(names, since_s=since, most=most)
        series = {
            name: [None if value != value else value for value in values.tolist()]
            for name, values in piece.series.items()
        }
        return {"times": piece.times_s.tolist(), "series": series, "names": self.history.names}

    def note(self, text: str, source: str) -> None:
        """Raise a line of the machinery's own, of a stage or whatever it is of."""
        self.outlet.put(Notice(text=cut(text), source=source, time_ns=self._utc()))

    def note_alarm(self, change: AlarmChange) -> None:
        """Keep what has happened to an alarm of the pipeline."""
        level = Level.ALARM if change.what == "raised" and change.level != "info" else Level.INFO
        self.journal.tell(
            "alarm", level=level, source=change.alarm, time_ns=change.when_ns, what=change.what, severity=change.level,
            text=change.text, who=change.who,
        )  # fmt: skip

    # Inside

    def _note(self, said: Notice) -> None:
        self._notices.append(said)
        self._counts[said.level] += said.times
        fields: dict[str, Any] = {"text": said.text, "code": said.code}
        if said.times > 1:
            fields["times"] = said.times
        if said.values:
            fields["values"] = said.values
        self.journal.tell("notice", level=said.level, source=said.source, time_ns=said.time_ns, **fields)

    def _note_feedback(self, said: Said) -> None:
        found = self.feedback.take(said, self._stage_of(said.source))
        if found is None:
            return
        self.journal.tell(
            "feedback", source=found.who, time_ns=found.time_ns, action=found.action, reason=found.reason,
            event=found.event, number=found.number,
        )  # fmt: skip
        self.on_feedback(found)

    def _stage_of(self, source: str) -> str:
        """Return the stage, source or sink that a process, thread or task works for, by its name."""
        plan = self._plan
        for name in (source, source.rpartition("-")[0], source.partition(".")[0]):
            if name in plan.stages or name in plan.sources or name in plan.sinks:
                return name
        return source

    def _note_unkept(self, source: str, count: int, why: str = "") -> None:
        self._counts[UNKEPT] += count
        whose = f" of {source}" if source else ""
        text = f"{count} more notice{'s' if count != 1 else ''}{whose} {'were' if count != 1 else 'was'} not kept"
        said = Notice(text=f"{text}: {why}" if why else text, level=Level.INFO, source=source, time_ns=self._utc())
        self._notices.append(said)
        self.journal.tell("notice", level=said.level, source=source, time_ns=said.time_ns, text=said.text, unkept=count)

    def _note_states(self, report: RunReport) -> None:
        for each in report.states:
            key = each.kind, each.name
            before = self._states.get(key)
            if before != each.state:
                self._states[key] = each.state
                self.journal.tell(
                    "state", level=GRAVE.get(each.state, Level.INFO), source=each.name, thing=each.kind,
                    state=each.state, before=before, why=each.why, of=each.of,
                )  # fmt: skip

    def _note_deaths(self, report: RunReport) -> None:
        for each in report.processes:
            before = self._deaths.get(each.name, 0)
            if each.deaths > before:
                self._deaths[each.name] = each.deaths
                self.journal.tell(
                    "death", level=Level.ALARM, source=each.name, role=each.role, deaths=each.deaths,
                    how=each.last_death,
                )  # fmt: skip

    def _note_missing(self, report: RunReport) -> None:
        """Raise a notice, once for each, when events of a join go on without a stream that others waited for."""
        for edge in report.edges:
            key = edge.producer, edge.consumer
            said = [remark for remark in edge.remarks if remark.startswith(f"{WENT_ON}: ")]
            if said and key not in self._missing:
                self._missing.add(key)
                self.note(said[0].removeprefix(f"{WENT_ON}: "), edge.consumer)

    def _around(self, report: RunReport) -> Iterator[ProcessReport]:
        """Yield this process, and all that descend from it and are not in the report themselves."""
        own = os.getpid()
        known = {each.pid: each.name for each in report.processes if each.pid}
        below = descendants(own, apart=self.apart)
        now_s = time.monotonic()
        for pid in (own, *below):
            if pid in known:
                continue
            name = "supervisor" if pid == own else name_of(pid)
            role = "program"
            if pid == own:
                role = "supervisor"
            elif name.startswith(OURS):
                name = name.removeprefix(OURS)
                role = name
            usage = self._gauge.of(pid, now_s)
            if name:  # it has not gone meanwhile
                yield ProcessReport(name=name, role=role, pid=pid, state="", **msgspec.structs.asdict(usage))
        self._gauge.forget_all_but({own, *below})


class _Shares:
    """How much of a processor each process uses now."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, float, float]] = {}
        """By number: when it was looked at, what it had used by then, its share."""

    def fill(self, process: ProcessReport, now: int) -> ProcessReport:
        if not process.pid:
            return process
        seen_ns, used_s, share = self._known.get(process.pid, (now, process.cpu_s, 0.0))
        if process.pid not in self._known:
            self._known[process.pid] = seen_ns, used_s, share
        elif now - seen_ns >= EVERY_NS * 0.9:
            share = max(0.0, process.cpu_s - used_s) / ((now - seen_ns) / NS_PER_S)
            self._known[process.pid] = now, process.cpu_s, share
            if len(self._known) > 4096:
                self._known.pop(next(iter(self._known)))
        return msgspec.structs.replace(process, cpu_share=round(share, 4))


def _reported(said: Notice) -> NoticeReport:
    return NoticeReport(
        time=said.time, level=said.level, source=said.source, text=said.text, code=said.code, times=said.times,
        values=said.values,
    )  # fmt: skip


def _numbers(report: RunReport) -> Iterator[tuple[str, float]]:
    """Yield what the history keeps of a report."""
    for edge in report.edges:
        name = f"edge.{edge.producer}.{edge.consumer}"
        yield f"{name}.arrived", edge.arrived
        yield f"{name}.per_s", edge.recent_per_s
        yield f"{name}.in_flight", edge.in_flight
        yield f"{name}.lost", edge.loss
        if edge.latency is not None:
            yield f"{name}.p50_s", edge.latency.p50_s
            yield f"{name}.p99_s", edge.latency.p99_s
    for step in report.steps:
        name = f"step.{step.stage}.{step.step}"
        yield f"{name}.arrived", step.arrived
        yield f"{name}.per_s", step.recent_per_s
        if step.mean_s is not None:
            yield f"{name}.mean_s", step.mean_s
    for each in (*report.processes, *report.machinery):
        if each.pid:
            yield f"process.{each.name}.cpu_share", each.cpu_share
            yield f"process.{each.name}.private_bytes", each.private_bytes
    for level, count in report.notice_counts.items():
        yield f"notices.{level}", count
