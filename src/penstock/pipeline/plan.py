"""The plan: a checked pipeline, with every name resolved and every default filled in; what an engine executes.

A plan holds no open socket, file or process, and no instance of user code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.core.alarm import AlarmRule
from penstock.core.restart_budget import RESTARTS, Restarts
from penstock.core.staffing import Limits

__all__ = ["AlarmPlan", "Element", "JoinPlan", "LogsPlan", "MergePlan", "Plan", "SinkPlan", "SourcePlan", "StagePlan"]

OnError = Literal["fail", "skip", "retry", "dead_letter"]
WhenFull = Literal["block", "drop_newest", "drop_oldest", "sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """Something named in a pipeline: a built-in, an entry point or user code, with its arguments."""

    name: str
    """As written: ``hdf5`` or ``module:object``."""
    target: Callable[..., Any]
    """The class or function."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Frozen at start; never holds a parameter."""
    where: str = ""
    """Dotted path in the pipeline, for error texts."""
    line: int = field(default=0, compare=False)
    """In the file; 0 if it was declared in Python. The same pipeline in another layout is the same plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """One instrument. ``element.target(**element.arguments)`` makes a ``penstock.elements.Source``."""

    name: str
    element: Element
    record: str = ""
    """The name under which it is kept in the store; empty if it is not recorded."""
    when_full: WhenFull = "block"
    slots: int = 0
    """Of each of its pools, if it is asked for; 0: as many as the plan needs, which is what ``memory`` says."""
    restarts: Restarts = RESTARTS
    """How often its process may die."""
    before: Element | None = None
    """Of a run that is resumed: makes the source that gives what was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPlan:
    """How several streams become one of events."""

    name: str
    streams: tuple[str, ...]
    by: Literal["order", "key", "timestamp", "trigger-map"]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of ``by``: file, map, rule, wrap, check_keys; reorder, ranges; window_ms, hold, hold_wait_s."""
    incomplete: Literal["wait", "pass", "drop"] = "pass"
    wait_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """Several streams interleaved into one."""

    name: str
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """One room of the pipeline."""

    name: str
    kind: Literal["steps", "map", "reduce"]
    inputs: tuple[tuple[str, str], ...]
    """(lane, producer) from high to low; the lane of a single input is empty. Where one lane of a stage is read, the
    producer is ``stage.lane``, which ``lanes.split_input`` takes apart."""
    elements: tuple[Element, ...]
    """The steps; exactly one for map and reduce."""
    prepare: tuple[Element, ...] = ()
    """Of map: the steps that each worker's items go through before it."""
    workers: int = 1
    """With which it begins."""
    limits: Limits | None = None
    """Between which numbers of workers it is kept by what there is to do; ``None``: they are as many all the time."""
    run_in: Literal["process", "thread", "inline"] = "process"
    order: Literal["kept", "free"] = "kept"
    when_full: WhenFull = "block"
    on_error: OnError = "fail"
    tags: frozenset[str] = frozenset({"generic"})
    """Of its workers: they get the cells of a trigger map whose tags they all have."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Start values, by parameter name."""
    cpus: tuple[tuple[int, ...], ...] = ()
    """For each worker the processors it may run on, and behind those more for workers that come later; empty: any.
    Worker k has entry k modulo their number."""
    deadline_s: float = 60.0
    """How long a worker may be without progress on one event until it is taken for hung, killed and replaced."""
    prefetch: int = 2
    """Leases a worker has at once."""
    trips: int = 3
    """Deaths, or failures under ``on_error: retry``, until an event is dead-lettered."""
    retry_s: float = 0.1
    """How long before what failed under ``on_error: retry`` is tried again; twice as long each time."""
    checkpoint_s: float = 1.0
    """A reducer's state is published at the latest so often."""
    restarts: Restarts = RESTARTS
    """How often each of its processes may die."""
    record: str = ""
    """The name under which what it gives is kept in the store; empty if it is not recorded."""
    carried_lanes: tuple[str, ...] = ("",)
    """Of a single input without a lane: those that what it gives comes by, from high to low."""

    @property
    def code(self) -> tuple[Element, ...]:
        """All its elements, in the order in which an item goes through them."""
        return (*self.prepare, *self.elements)

    @property
    def most_workers(self) -> int:
        """How many there may be by the load."""
        return self.workers if self.limits is None else self.limits.most

    @property
    def keeps_events(self) -> bool:
        """Whether its worker only keeps events to be looked at; what it has no time for passes it by."""
        return self.kind == "map" and bool(getattr(self.elements[0].target, "keeps_events", False))

    @property
    def producers(self) -> dict[str, str]:
        """The producer by lane of the results, from high to low: its own lanes, or those that its input carries.

        In a lane, event numbers ascend and are unique; two lanes may have the same.
        """
        own = dict(self.inputs)
        return own if "" not in own else dict.fromkeys(self.carried_lanes, own[""])


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmPlan:
    """Something that somebody is to be told of."""

    rule: AlarmRule
    when: str
    """The condition for it, as `pipeline.condition` reads it."""
    until: str | None = None
    """That for its end; ``None``: that ``when`` does not hold."""
    text: str | None = None
    """What is said, with figures in braces; by default the condition and what it has read."""
    outputs: tuple[Element, ...] = ()
    """Sinks that are told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlan:
    """Where items or views leave."""

    name: str
    element: Element
    input: str
    when: Literal["change", "every", "end", "item"]
    every_s: float = 0.0
    where: tuple[str, str] | None = None
    """(stage, field): only the items whose event has this field true."""
    lane: str = ""
    """Only the results that came by this lane of ``input``; empty for all."""
    when_full: WhenFull = "block"
    on_error: OnError = "fail"

    @property
    def takes_blocks(self) -> bool:
        """Whether it is given the blocks of a source, with what is said before and behind the data."""
        return bool(getattr(self.element.target, "takes_blocks", False))  # functions may make sinks too

    @property
    def takes_flows(self) -> bool:
        """Whether it is given flows whole, with what is said before and behind the data."""
        return bool(getattr(self.element.target, "takes_flows", False))

    @property
    def tells_all(self) -> bool:
        """Whether it writes where its data come from."""
        return bool(getattr(self.element.target, "tells_all", False))

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be given again what it may have written, so that its process can be replaced."""
        recognises = getattr(self.element.target, "recognises", None)
        return bool(recognises and recognises(self.element.arguments))

    @property
    def is_recorder(self) -> bool:
        """Whether it records something, so that the run goes on without it."""
        return bool(getattr(self.element.target, "is_recorder", False))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsPlan:
    """Where the journal of a pipeline is kept."""

    folder: str
    """From the pipeline's folder."""
    level: Literal["log", "info", "alarm"] = "info"
    """What is less grave is not written."""
    keep: int = 10
    """How many full files are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A pipeline ready to run; each mapping is in the order of the flow."""

    name: str
    sources: Mapping[str, SourcePlan]
    joins: Mapping[str, JoinPlan] = field(default_factory=dict)
    merges: Mapping[str, MergePlan] = field(default_factory=dict)
    stages: Mapping[str, StagePlan] = field(default_factory=dict)
    sinks: Mapping[str, SinkPlan] = field(default_factory=dict)
    serve: int | str | None = None
    """Where its views are to be seen while it runs: a port, a host, or both; ``None``: nowhere."""
    serve_asapo: int | str | None = None
    """Where ASAPO's clients reach its store while it runs; ``None``: nowhere."""
    control: str | None = None
    """Where it takes commands over ZeroMQ while it runs; ``None``: nowhere."""
    logs: LogsPlan | None = None
    """Where the journal is kept; ``None``: in memory only."""
    folder: str = "."
    """Where the pipeline's file lies; relative paths in its arguments start here."""
    beamtime: str = ""
    """Of the streams that are recorded."""
    store: str = ""
    """Where they are recorded, from the pipeline's folder."""
    alarms: Mapping[str, AlarmPlan] = field(default_factory=dict)
    prelude: tuple[str, ...] = ()
    """What processes call before they import the pipeline's code, ``module:function``."""
    stop_s: float = 10.0
    """How long, once the end is asked for, chains may take to bring out what has come."""
    text: str = ""
    """The pipeline as a file with every default filled in, if something of it is recorded or a sink tells of it; empty
    if no file can say it."""
    planned: tuple[str, ...] = ()
    """What it asks for that is not built yet, one sentence each; such a plan is shown, never run."""

    @property
    def is_recorded(self) -> bool:
        """Whether something of a run is kept in the store, and with it the event log."""
        entries: tuple[SourcePlan | StagePlan, ...] = (*self.sources.values(), *self.stages.values())
        return any(entry.record for entry in entries)
