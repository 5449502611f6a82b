"""What the interface answers in JSON, and what goes over its WebSocket, as types, where no other module has one.

Of these the OpenAPI document is made, and of that the types of the live page.
"""

from typing import Any, Literal, NotRequired, TypedDict

from penstock.core.command import Outcome, Problem
from penstock.core.feedback import Feedback
from penstock.core.retention import Retention
from penstock.monitor.report import EdgeReport, LoadReport, NoticeReport, ProcessReport, ProgressReport, StateReport
from penstock.services.command_audit import CommandCounts
from penstock.streams.gaps import Gaps
from penstock.views.blocks import Fewer

__all__ = [
    "About",
    "AboutAbove",
    "AboutStream",
    "Access",
    "Alarm",
    "AlarmLine",
    "AlarmOutput",
    "Alarms",
    "ArrayFacts",
    "Axis",
    "Change",
    "CommandReply",
    "Elements",
    "FeedbackTold",
    "Group",
    "GroupMember",
    "GroupOfStream",
    "History",
    "Journal",
    "JournalEntry",
    "Keeper",
    "KeptEvent",
    "KeptMessage",
    "Ledger",
    "Moments",
    "NoChange",
    "Parameter",
    "ParameterChange",
    "ParameterList",
    "Recording",
    "Recordings",
    "Replay",
    "RoomDetails",
    "Scaled",
    "ServedRun",
    "Starting",
    "States",
    "Stopping",
    "StreamFacts",
    "StreamList",
    "StreamMessage",
    "StreamMessages",
    "TriggerMap",
    "View",
]


class About(TypedDict):
    """Which pipeline and which run this is."""

    pipeline: str
    run: str
    """Empty if there is none yet."""
    version: str
    ended: bool
    outcome: str
    """How a run that has ended came out; empty before."""


class Access(TypedDict):
    """What whoever asks may do here."""

    role: Literal["viewer", "operator"]


class Axis(TypedDict):
    """One axis of a view."""

    name: str
    unit: str
    values: NotRequired[list[float | str | None] | None]
    """``None``: it is just counted. Left out where only the list of views was asked for."""


class View(TypedDict):
    """One view, without its elements."""

    name: str
    """``stage/path``."""
    shape: list[int]
    dtype: str
    """As NumPy writes it, such as ``<f4``."""
    unit: str
    title: str
    grows: bool
    """Whether its first axis becomes longer."""
    axes: list[Axis]
    version: int
    position: int
    """Which results it holds: all up to this one, in the reducer's own count."""


class Elements(TypedDict):
    """Some elements of a view or an array, in JSON."""

    shape: list[int]
    dtype: str
    every: int
    fewer: Fewer
    version: int
    position: int
    data: Any
    """Nested lists; what JSON has no word for is null or text."""


class Moments(TypedDict):
    """When views have been kept."""

    times: list[float]
    """In s since 1970 UTC."""
    every_s: float
    nbytes: int


class Change(TypedDict):
    """Says over the WebSocket that a view has changed; where a part is wanted, its elements come next, as bytes."""

    view: str
    slice: str | None
    version: int
    position: int
    max_bytes: NotRequired[int]
    shape: NotRequired[list[int]]
    dtype: NotRequired[str]
    every: NotRequired[int]
    fewer: NotRequired[Fewer]


class NoChange(TypedDict):
    """Says over the WebSocket why a view cannot be followed; without a view, why what was asked is not understood."""

    problem: str
    view: NotRequired[str]
    slice: NotRequired[str | None]


class FeedbackTold(TypedDict):
    """Says over the WebSocket what user code has said back to the scan."""

    feedback: Feedback


class Ledger(TypedDict):
    """The books of every edge."""

    outcome: str
    adds_up: bool
    edges: list[EdgeReport]


class ServedRun(TypedDict):
    """One run that was served here."""

    run: str
    pipeline: str
    outcome: str
    began: str
    duration_s: NotRequired[float]
    kept: bool
    """Whether its report can be had."""


class Starting(TypedDict):
    """Another run begins."""

    starting: bool


class Stopping(TypedDict):
    """The run is to end."""

    stopping: bool


class Scaled(TypedDict):
    """How many workers a stage is to have."""

    stage: str
    workers: int | Literal["auto"]


class TriggerMap(TypedDict):
    """The trigger map of a join."""

    join: str
    events: int
    open: bool
    parts: list[str]


class Parameter(TypedDict):
    """One parameter, with the value that holds for events yet to come."""

    address: str
    type: str
    value: Any
    default: Any
    unit: str
    section: str
    bounds: dict[str, float]
    """By ``ge``, ``gt``, ``le``, ``lt``."""
    choices: list[Any]
    doc: str


class ParameterList(TypedDict):
    """Every parameter."""

    revision: int
    parameters: list[Parameter]


class ParameterChange(TypedDict):
    """One revision of parameters."""

    revision: int
    from_event: int
    values: dict[str, Any]
    before: NotRequired[dict[str, Any]]
    """What they were until then; left out of the answer to a change."""
    who: str
    when: str


class States(TypedDict):
    """The states of everything, and which commands are allowed now."""

    pipeline: str
    run: str
    state: str
    states: list[StateReport]
    progress: ProgressReport | None
    feedback: Feedback | None
    """What user code has said last."""
    load: list[LoadReport]
    allowed: list[str]
    commands: CommandCounts


class CommandReply(TypedDict):
    """The one answer to a command."""

    type: Literal["reply"]
    id: str
    name: str
    target: str
    outcome: Outcome
    text: str
    problem: Problem
    state: str
    allowed: list[str]
    body: Any


class Alarm(TypedDict):
    """One alarm as it is."""

    name: str
    level: str
    for_s: float
    clear_s: float
    latch: bool
    when: str
    until: str | None
    not_known: list[str]
    """Of its condition, numbers that nobody has said yet."""
    state: str
    text: str
    raised: str | None
    acknowledged_by: str
    muted_until: str | None
    muted_by: str
    times: int


class AlarmLine(TypedDict):
    """What has happened to an alarm."""

    alarm: str
    what: str
    level: str
    text: str
    who: str
    when: str
    told: bool


class AlarmOutput(TypedDict):
    """How telling of alarms went, by one sink."""

    output: str
    told: int
    waiting: int
    given_up: int
    trouble: str


class Alarms(TypedDict):
    """All alarms, what has happened to them, and how telling of them went."""

    alarms: list[Alarm]
    history: list[AlarmLine]
    outputs: list[AlarmOutput]


class JournalEntry(TypedDict):
    """Something that happened; what else there is to say of it has names of its own."""

    number: int
    time: str
    kind: str
    level: str
    source: str


class Journal(TypedDict):
    """Entries of the journal, the newest last."""

    run: str
    last: int
    """The number of the newest entry there is, wanted or not."""
    entries: list[JournalEntry]


class History(TypedDict):
    """How numbers were."""

    times: list[float]
    """In s since 1970 UTC."""
    series: dict[str, list[float | None]]
    names: list[str]
    """All there are."""


class RoomDetails(TypedDict):
    """What is to be told of one room when somebody asks."""

    workers: list[StateReport]
    processes: list[ProcessReport]
    failures: list[dict[str, str | int | None]]
    dead_letters: list[dict[str, str | int | None]]
    notices: list[NoticeReport]
    remarks: list[str]


class Keeper(TypedDict):
    """A stage that keeps its last events."""

    stage: str
    kept: int
    n: int
    most_bytes: int
    nbytes: int
    too_large: int
    numbers: list[int]


class ArrayFacts(TypedDict):
    """What an array is, without its elements."""

    dtype: str
    shape: list[int]
    nbytes: int
    encoding: str


class KeptMessage(TypedDict):
    """A message without its arrays."""

    id: int
    key: int | None
    timestamp_ns: int
    metadata: dict[str, Any]
    arrays: list[ArrayFacts]


class KeptEvent(TypedDict):
    """An event without its arrays."""

    number: int
    parts: dict[str, KeptMessage | list[KeptMessage] | None]


class StreamMessage(KeptMessage):
    """A message of a durable stream, without its arrays."""

    kind: str


class StreamMessages(TypedDict):
    """Some messages of a stream."""

    messages: list[StreamMessage]
    position: NotRequired[int]
    """Of the first one; left out of what a query has found."""
    arrived: int
    removed: int
    looked_at: int
    is_whole: bool
    """Whether a query has read and given all."""
    damaged: list[str]


class StreamFacts(TypedDict):
    """How a stream is."""

    address: str
    state: str
    next_stream: str
    reason: str
    count: int
    removed: int
    first_id: int
    last_id: int
    missing: int
    nbytes: int
    created_ns: int
    last_ns: int


class StreamList(TypedDict):
    """The streams of a store."""

    store: str
    is_there: bool
    streams: list[StreamFacts]
    left_off: int


class GroupMember(TypedDict):
    """A member of a group."""

    name: str
    in_flight: int
    seen_s: float
    """How long ago."""


class Group(TypedDict):
    """How a group of a stream is doing."""

    name: str
    lag: int
    unclaimed: int
    in_flight: int
    waiting: int
    settled: int
    dead: int
    position: int
    last_acknowledged: int
    acknowledged: int
    handed_out: int
    redelivered: int
    members: list[GroupMember]


class GroupOfStream(Group):
    """The same, with its stream."""

    address: str
    state: str


class AboutStream(StreamFacts):
    """All that is known of a stream."""

    metadata: dict[str, Any] | None
    gaps: Gaps
    kept: Retention | None
    pinned: list[str]
    groups: list[Group]


class AboutAbove(TypedDict):
    """What is known of a beamtime or a source."""

    address: str
    metadata: dict[str, Any] | None
    streams: int
    count: int
    nbytes: int


class Recording(TypedDict):
    """One recorded run."""

    beamtime: str
    run: str
    pipeline: str
    started: str
    outcome: str
    engine: str
    commit: str
    sources: dict[str, str]
    not_recorded: list[str]


class Recordings(TypedDict):
    """The recorded runs of a store."""

    store: str
    runs: list[Recording]


class Replay(TypedDict):
    """A recorded run that is run again beside the present one."""

    name: str
    of: str
    """The recorded run."""
    who: str
    ended_by: str
    began: str
    state: Literal["starting", "shown", "ending", "ended", "failed"]
    address: str
    said: str
    exit_code: int | None
