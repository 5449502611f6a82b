"""What each process is to be, written by the supervisor: plain values, user code by name."""

import msgspec

from penstock.core.staffing import Limits

__all__ = [
    "BuilderOrder",
    "ElementOrder",
    "JoinOrder",
    "MergeOrder",
    "RecordOrder",
    "ReplayOrder",
    "RoomOrder",
    "SinkOrder",
    "SourceOrder",
    "StageOrder",
]


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    """The root of all orders."""


class ElementOrder(_Order, frozen=True, kw_only=True):
    """A thing that is made by calling something."""

    name: str
    """As written in the pipeline."""
    reference: str
    """``module:object``, for import in another process."""
    arguments: bytes = b"\x80"
    """A dictionary, as ``encode_value`` writes it."""


class SourceOrder(_Order, frozen=True, kw_only=True):
    """One source."""

    name: str
    element: ElementOrder
    folder: str
    slots: int
    """Of each of its pools."""
    small_slots: int = 0
    """Of pools whose slots are no larger than all are to begin with; 0: as of any other."""
    generation: int = 1
    """Of its pools: those of predecessors were lower."""
    drops: bool = False
    """Whether it drops what finds no free slot, instead of waiting."""
    beat_s: float = 1.0
    """How often at least it says that it lives."""
    before: ElementOrder | None = None
    """Of a run that is resumed: what gives what was recorded."""
    pipeline: str = ""
    """Whose source it is."""


class RoomOrder(_Order, frozen=True, kw_only=True):
    """One process that runs user code of one stage, or one sink."""

    name: str
    """Of the process, such as ``fit-0``."""
    stage: str
    kind: str
    """map, steps, reduce or sink"""
    elements: tuple[ElementOrder, ...]
    prepare: tuple[ElementOrder, ...] = ()
    """Of a worker: the steps before it."""
    folder: str
    producers: tuple[tuple[str, str], ...]
    """(lane, producer)"""
    on_error: str = "fail"
    trips: int = 3
    retry_s: float = 0.0
    parameters: bytes = b"\x80"
    """Start values by name or ``step.name``, as the stage's entry gives them."""
    values: bytes = b"\x80"
    """Start values by address that go before those."""
    context: bytes = b"\x80"
    generation: int = 1
    """Of its result pool."""
    result_slots: int = 6
    checkpoint_s: float = 1.0
    is_logged: bool = False
    repeats_ticks: bool = False
    """Whether it ticks where a recorded run did."""
    ticks: tuple[tuple[int, int, int, int], ...] = ()
    """Then these: time, last event before, starts and ends before, which step."""
    clock_from: int | None = None
    """From which event on it ticks by the clock after all; ``None``: never."""
    first_number: int = 1
    """Of steps: of what they give, if they number that by themselves."""
    facts: bytes = b"\x80"
    """Of a sink: what it may know of the run."""
    choose: tuple[str, str, str] = ("", "", "")
    """Of a sink that is to choose: the stage and the field of its results, and which stream of events it wants."""


class JoinOrder(_Order, frozen=True, kw_only=True):
    """One join."""

    name: str
    streams: tuple[str, ...]
    by: str
    options: bytes
    incomplete: str
    wait_s: float


class MergeOrder(_Order, frozen=True, kw_only=True):
    """One merge."""

    name: str
    streams: tuple[str, ...]


class StageOrder(_Order, frozen=True, kw_only=True):
    """One stage as the event builder sees it."""

    name: str
    kind: str
    inputs: tuple[tuple[str, str], ...]
    """(lane, producer), as in the plan."""
    producers: tuple[tuple[str, str], ...]
    """(lane of the results, producer)"""
    workers: int
    order: str
    on_error: str
    tags: tuple[str, ...]
    prefetch: int = 2
    trips: int = 3
    deadline_s: float = 60.0
    limits: Limits | None = None
    """Between which its workers come and go with the load."""
    repeats_ranges: bool = False
    """Whether a replay cuts its ranges as the recorded run did."""
    gives_way: bool = False
    """Whether what waits for its workers passes them by when slots become few, so that nobody waits for them."""
    may_wait: int = 0
    """Of one that gives way: how many batches may wait all the same, because there are slots for them."""


class SinkOrder(_Order, frozen=True, kw_only=True):
    """One sink of items, as the event builder sees it."""

    name: str
    input: str
    """A producer, or ``stage.lane``."""
    takes_blocks: bool = False
    """Whether it is given the blocks of a source, with what is said before and behind the data."""
    takes_flows: bool = False
    """Whether it is given flows whole, with what is said before and behind the data."""
    is_recorder: bool = False
    """Whether the run goes on without it."""
    chooses_by: str = ""
    """The stage by whose results its items are chosen; empty for all."""
    is_repeatable: bool = False
    """Whether a successor of its process can be given again what that had."""


class RecordOrder(_Order, frozen=True, kw_only=True):
    """What the event builder writes of a recorded run."""

    store: str
    folder: str
    """Where its name starts, if it is relative."""
    log: str
    """Address of the event log."""
    sources: tuple[tuple[str, str], ...]
    """(source, address of its stream)"""


class ReplayOrder(_Order, frozen=True, kw_only=True):
    """What the event builder of a replay goes by; what was formed lies in a memory file beside."""

    first: int
    cut_off: str
    changes: tuple[tuple[int, int, dict[str, int], bytes], ...]
    """Of parameters: revision, first event, first event by stage, values as ``encode_value`` writes them."""
    missed: dict[str, int] | None = None
    """Of a run that is resumed: the last message kept of each source that had more to say; ``None``: it is replayed,
    and does not go on."""


class BuilderOrder(_Order, frozen=True, kw_only=True):
    """The event builder's."""

    pipeline: str
    run: str
    started_ns: int
    sources: tuple[str, ...]
    joins: tuple[JoinOrder, ...]
    merges: tuple[MergeOrder, ...]
    stages: tuple[StageOrder, ...]
    sinks: tuple[SinkOrder, ...]
    maps: bytes
    """Tables of trigger maps by join, as ``encode_value`` writes them."""
    silent_s: float = 0.0
    beat_s: float = 1.0
    """How often at least it says that it lives."""
    event_log: str = ""
    """Its path, for errors; the file is open already."""
    parameters: bytes = b"\x80"
    """Values at the start by address, as far as they can be written."""
    record: RecordOrder | None = None
    replay: ReplayOrder | None = None
    is_held: bool = False
    """Whether sources and stages take nothing in until they are released."""
