"""What is said of a run: its outcome and its books, in a form that people and machines can read.

A report is plain values. It opens no file and prints nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from penstock.core.event_builder import EventBuilder
from penstock.core.feedback import Feedback
from penstock.core.ledger import Account, Counter, Entry, Ledger
from penstock.core.replayed_join import ReplayedJoin
from penstock.core.resumed_join import ResumedJoin
from penstock.monitor.edge_watch import Watches
from penstock.monitor.latency import Latency

__all__ = [
    "AlarmReport",
    "EdgeReport",
    "FilesReport",
    "JoinReport",
    "LatencyReport",
    "LoadReport",
    "NoticeReport",
    "PoolReport",
    "ProcessReport",
    "ProgressReport",
    "RunReport",
    "StaffReport",
    "StateReport",
    "StepReport",
    "books_of_nothing",
    "edges_of",
    "join_report",
    "latency_report",
]


LOSSES = (
    Account.FAILED, Account.INCOMPLETE, Account.LATE, Account.UNPARSABLE, Account.DROPPED, Account.DEAD_LETTERED,
    Account.ABORTED,
)  # fmt: skip
"""Accounts of what should have got through; what is filtered, discarded or there twice should not."""


class LatencyReport(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took, in seconds."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float
    sum_s: float = 0.0
    """Of all of them; over ``count``, it is the mean."""


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """The books of one edge."""

    producer: str
    consumer: str
    arrived: int
    accounts: dict[str, int]
    """By label, only what is not 0."""
    in_flight: int
    """The backlog: what came in and has not ended."""
    counters: dict[str, int]
    """Gaps, reordered, restarts, doubled; only what is not 0."""
    rate_per_s: float
    """Of what arrived, over the whole run."""
    remarks: list[str]
    """The last few things worth naming."""
    recent_per_s: float = 0.0
    """Of what arrived, over about the last second."""
    loss: int = 0
    """What should have got through and did not: the sum of failed, incomplete, late, unparsable, dropped,
    dead-lettered and aborted."""
    latency: LatencyReport | None = None
    """From arrival on this edge until the end in an account: at a join the wait for the other streams, at a stage that
    for a worker and the work itself, at a reducer until the result is safe. ``None`` if nothing has ended."""
    waiting: int = 0
    """Of what is in flight, items on a queue before the consumer; where there is one."""
    capacity: int = 0
    """How many items that queue holds; 0 where there is none, or where the bound is another one."""

    @property
    def adds_up(self) -> bool:
        """Whether everything that came in is in one account or in flight."""
        return self.arrived == sum(self.accounts.values()) + self.in_flight and self.in_flight >= 0

    def with_rest_aborted(self) -> "EdgeReport":
        """Return the books in which whatever was under way has been given up."""
        if not self.in_flight:
            return self
        label = Account.ABORTED.label
        accounts = {**self.accounts, label: self.accounts.get(label, 0) + self.in_flight}
        return msgspec.structs.replace(self, accounts=accounts, in_flight=0, loss=self.loss + self.in_flight)


class JoinReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many events a join formed."""

    formed: int
    planned: int | None
    """By the trigger map; ``None`` without one, or without an end."""
    unformed: int
    partial: int
    """Formed without a part that order or map promised."""


class PoolReport(msgspec.Struct, frozen=True, kw_only=True):
    """One pool of shared memory; an engine of one thread has none."""

    name: str
    """Of the source; ``… results`` of a worker; ``builder`` for what a join has put together."""
    slots: int
    slot_bytes: int
    free: int
    """Slots that nobody reads or waits for."""

    @property
    def nbytes(self) -> int:
        """Bytes of memory, whatever lies in them."""
        return self.slots * self.slot_bytes


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a run; an engine of one thread has none."""

    name: str
    role: str
    pid: int
    """0 when it has gone."""
    state: str = "waiting"
    """``initialised`` until it has made what it is to run, then ``waiting`` or ``processing``; ``finishing`` when it
    is to end; ``stopped`` when it has gone, ``fault`` when it has died and nobody has followed."""
    cpu_s: float = 0.0
    private_bytes: int = 0
    """Memory of its own, without pools and what it shares with others."""
    max_rss_bytes: int = 0
    deaths: int = 0
    """How often one of this name died and was replaced."""
    last_death: str = ""
    """How it died last, in words."""
    cpu_share: float = 0.0
    """Of one processor, over about the last second; more than 1 where several threads work."""
    event: int | None = None
    """Of a worker: number of the event, or id of the message, that it works on or worked on last; ``None`` if it has
    not said any."""


class StepReport(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a chain."""

    stage: str
    step: str
    arrived: int
    filtered: int
    failed: int
    rate_per_s: float
    """Of what arrived, over the whole run."""
    mean_s: float | None = None
    """How long a call takes, of those that were timed: the first, and one about ten times a second. Of a generator,
    from being given an item until it gives one or asks for another. ``None`` if none was timed."""
    max_s: float | None = None
    recent_per_s: float = 0.0
    """Of what arrived, over about the last second."""
    waiting: int = 0
    """Items on a queue before this step, where its stage has one there."""
    capacity: int = 0
    """How many that queue holds; 0 where there is none."""


class StaffReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many workers a stage has whose workers come and go with the load."""

    stage: str
    workers: int
    """That take part, and stay."""
    coming: int
    """That were asked for, and are not there yet."""
    least: int
    most: int
    pinned: int | None = None
    """How many somebody has asked for; ``None``: it goes by the load."""
    busy: float = 0.0
    """For which part of the time they were at work, in the last ``grow_s``."""
    waiting: int = 0
    """Events or items that nobody was given."""
    why: str = ""
    """Of the last change; empty if there was none."""


class StateReport(msgspec.Struct, frozen=True, kw_only=True):
    """Where one long-lived thing of a run is in its life."""

    name: str
    """Of the source, stage, sink or worker, as ``fit-0``; of the pipeline its own."""
    kind: str
    """``pipeline``, ``source``, ``stage``, ``sink`` or ``worker``."""
    state: str
    """As in `penstock.core.states.State`; that of a stage follows from its workers', that of the pipeline from all."""
    of: str = ""
    """Of a worker, its stage."""
    why: str = ""
    """What led to it, where there is something to say."""
    since_s: float = 0.0
    """For how long it has been so, in s."""


class AlarmReport(msgspec.Struct, frozen=True, kw_only=True):
    """How one alarm is."""

    name: str
    level: str
    """``info``, ``warning`` or ``error``."""
    state: str
    """As in `penstock.core.alarm.AlarmState`."""
    text: str = ""
    """What was the matter when it was last raised."""
    raised: str | None = None
    """When, ISO 8601, UTC."""
    muted_until: str | None = None
    acknowledged_by: str = ""
    times: int = 0
    """How often it was raised."""


class ProgressReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is."""

    formed: int
    """Events so far; where nothing is joined, items of sources."""
    completed: int
    """Those of them that are through: nothing of them is under way any more."""
    total: int | None
    """How many there will be, by the trigger maps; ``None`` if that is not known."""
    is_over: bool
    """Whether the run has ended."""
    lost: int = 0
    """What should have got through on any edge and did not."""


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """How busy one worker is."""

    worker: str
    stage: str
    state: str
    share: float
    """Of one processor, over about the last second."""
    cpu_s: float
    """In all."""
    deaths: int
    tags: list[str] = []
    """Of a map stage: it gets the cells of a trigger map whose tags it all has."""
    event: int | None = None
    """Number of the event, or id of the message, that it works on or worked on last; ``None`` if none yet."""


class NoticeReport(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the pipeline or its code raised for people."""

    time: str
    """ISO 8601, UTC, with nanoseconds."""
    level: str
    """``log``, ``info`` or ``alarm``."""
    source: str
    """Who raised it, as ``fit-0``; empty where that is not known."""
    text: str
    code: int = 0
    times: int = 1
    """How often, where the same came again and again."""
    values: dict[str, Any] = {}


class FilesReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far a source or step is that opens files into items."""

    name: str
    """Of the source, or ``stage.step``."""
    waiting: int = 0
    reading: int = 0
    read: int = 0
    """Files of which all items were given, and not all that came of them has ended."""
    done: int = 0
    """Those of earlier runs with the same state file included, as for the others."""
    failed: int = 0
    failed_in_run: int = 0
    items: int = 0
    """That were given in this run."""
    file: str = ""
    """The one that is read now."""
    file_items: int = 0
    """That it has given."""
    file_total: int | None = None
    """That it has; ``None`` if that is not known."""
    state_file: str = ""
    """Where it is written down; empty if nowhere."""
    cause: str = ""
    """Why the last one failed in this run."""


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one run."""

    pipeline: str
    run: str
    outcome: str
    """``finished``, ``incomplete``, ``failed``, ``aborted``; ``running`` while it runs."""
    exit_code: int
    reasons: list[str]
    """Why it did not finish, the gravest first."""
    started: str
    """ISO 8601, UTC."""
    duration_s: float
    edges: list[EdgeReport]
    joins: dict[str, JoinReport]
    latencies: dict[str, LatencyReport]
    """By stage: from the arrival of an event's first message to its result, or until it is folded."""
    outputs: dict[str, str]
    """Path by sink."""
    dead_letters: list[dict[str, str | int | None]]
    failures: list[dict[str, str | int | None]]
    """The last exceptions of user code, with traceback."""
    processes: list[ProcessReport] = []
    pools: list[PoolReport] = []
    """All there are; their bytes are the bound of what a run holds in shared memory."""
    steps: list[StepReport] = []
    """Of chains that run in one process, in the order of the flow."""
    files: list[FilesReport] = []
    """Of each source that opens files, and on the engine chains of each step that does."""
    alarms: list[AlarmReport] = []
    """In the order of the file."""
    states: list[StateReport] = []
    """The pipeline first, then sources, stages with their workers behind each, and sinks, in the order of the file."""
    staffs: list[StaffReport] = []
    """Of each stage whose workers come and go with the load."""
    notices: list[NoticeReport] = []
    """The last ones, the newest last."""
    notice_counts: dict[str, int] = {}
    """How often one was raised, by level; of those not kept, under ``unkept``."""
    feedback: list[Feedback] = []
    """The last of what user code has said back to the scan, the newest last."""
    feedback_count: int = 0
    """How much there was of it."""
    progress: ProgressReport | None = None
    """How far it is; ``None`` in a report that nobody has looked at."""
    load: list[LoadReport] = []
    """Of each worker that is a process of its own."""
    machinery: list[ProcessReport] = []
    """The processes around those of the pipeline while it runs: the supervisor, what makes processes for it, the web
    process, and programs that any of them has started."""

    @property
    def adds_up(self) -> bool:
        """Whether every edge's books are right."""
        return all(edge.adds_up for edge in self.edges)

    def edge(self, producer: str, consumer: str) -> EdgeReport:
        """Return one edge.

        Raises
        ------
        KeyError
            If there is none; the text lists those there are.
        """
        for edge in self.edges:
            if (edge.producer, edge.consumer) == (producer, consumer):
                return edge
        there_are = ", ".join(f"{edge.producer} → {edge.consumer}" for edge in self.edges)
        raise KeyError(f"no edge {producer} → {consumer}; there are {there_are}")

    def with_rest_aborted(self) -> "RunReport":
        """Return the report in which whatever was under way has been given up."""
        return msgspec.structs.replace(self, edges=[edge.with_rest_aborted() for edge in self.edges])


def books_of_nothing(pipeline: str, run: str) -> RunReport:
    """Return the report of a run of which nothing is known yet."""
    return RunReport(
        pipeline=pipeline, run=run, outcome="running", exit_code=0, reasons=[], started="", duration_s=0.0, edges=[],
        joins={}, latencies={}, outputs={}, dead_letters=[], failures=[],
    )  # fmt: skip


def report_before(states: Mapping[str, Any]) -> RunReport:
    """Return the report of a program in which no run has begun.

    Parameters
    ----------
    states
        As the command ``status`` answers.
    """
    report = books_of_nothing(str(states["pipeline"]), "")
    found = msgspec.convert(states["states"], list[StateReport])
    return msgspec.structs.replace(report, outcome="", states=found)


def edges_of(ledger: Ledger, duration_s: float, watches: Watches | None = None, now: int = 0) -> list[EdgeReport]:
    """Return the books of all edges.

    Parameters
    ----------
    watches, now
        Say how fast they are now, and how long things stay on them; nanoseconds, of the watches' clock.
    """
    return [_edge(entry, duration_s, watches, now) for entry in ledger]


def join_report(builder: EventBuilder | ReplayedJoin | ResumedJoin) -> JoinReport:
    """Return what a join has formed."""
    return JoinReport(
        formed=builder.formed,
        planned=None if builder.trigger_map is None else builder.trigger_map.planned,
        unformed=builder.unformed,
        partial=builder.partial,
    )


def latency_report(latencies: Iterable[tuple[str, Latency]]) -> dict[str, LatencyReport]:
    """Return the latencies of whatever has any."""
    found = {name: _latency(latency) for name, latency in latencies}
    return {name: latency for name, latency in found.items() if latency is not None}


def _latency(latency: Latency) -> LatencyReport | None:
    if not latency.total:
        return None
    p50_s, p99_s = latency.percentile_s(50), latency.percentile_s(99)
    return LatencyReport(count=latency.total, p50_s=p50_s, p99_s=p99_s, max_s=latency.max_s, sum_s=latency.sum_s)


def _edge(entry: Entry, duration_s: float, watches: Watches | None, now: int) -> EdgeReport:
    return EdgeReport(
        producer=entry.producer,
        consumer=entry.consumer,
        arrived=entry.arrived,
        accounts={account.label: entry[account] for account in Account if entry[account]},
        in_flight=entry.in_flight,
        counters={counter.name.lower(): entry.counter(counter) for counter in Counter if entry.counter(counter)},
        rate_per_s=entry.arrived / duration_s if duration_s > 0 else 0.0,
        # A list, as another thread may remark something meanwhile.
        remarks=[f"{remark.what}: {remark.detail}" for remark in list(entry.remarks)],
        recent_per_s=0.0 if watches is None else watches.recent_per_s(entry, now),
        loss=sum(entry[account] for account in LOSSES),
        latency=None if watches is None else _latency(watches.latency(entry)),
    )
