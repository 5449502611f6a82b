"""The pipeline file's grammar: one model for each kind of entry, with its keys, values and defaults.

A model sees one entry alone; what entries mean to one another is checked elsewhere. Unknown keys are refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    model_validator,
)
from pydantic_core import PydanticCustomError

from penstock.core.restart_budget import RESTARTS, Restarts
from penstock.core.staffing import Limits
from penstock.errors import ServiceError
from penstock.pipeline.control_address import control_problem
from penstock.pipeline.join_by import By, read_by
from penstock.pipeline.processors import read_cpus
from penstock.pipeline.serve_address import host_and_port
from penstock.pipeline.thing import RESERVED, Thing, read_thing

__all__ = [
    "STOP_S",
    "AlarmSpec",
    "ControlSpec",
    "Every",
    "JoinSpec",
    "LogsSpec",
    "MergeSpec",
    "PipelineSpec",
    "Record",
    "RestartsSpec",
    "ServeSpec",
    "SinkSpec",
    "SourceSpec",
    "StageSpec",
    "WorkersSpec",
]

OnError = Literal["fail", "skip", "retry", "dead_letter"]
WhenFull = Literal["block", "drop_newest", "drop_oldest", "sample"]
STOP_S = 10.0
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SomeSeconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeastOne = Annotated[int, Field(ge=1)]
AThing = Annotated[Thing, PlainValidator(read_thing)]


def _no_single_text(written: Any) -> Any:
    if isinstance(written, str):
        raise _wrong("a list is wanted", f"write [{written}]")
    return list(written) if isinstance(written, tuple | set | frozenset) else written


def _listed(written: Any) -> Any:
    return list(written) if isinstance(written, list | tuple) else [written]


Names = Annotated[tuple[str, ...], BeforeValidator(_no_single_text), Field(strict=False)]
"""A list of names; a single text is refused, because it may be a list without its brackets."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class _Named(_Entry):
    """An entry that is a thing with options beside it."""

    options: ClassVar[frozenset[str]] = frozenset()
    use: AThing

    @model_validator(mode="before")
    @classmethod
    def _split(cls, written: Any) -> Any:
        if not isinstance(written, Mapping):
            return {"use": written}
        options = {key: value for key, value in written.items() if key in cls.options}
        rest = {key: value for key, value in written.items() if key not in cls.options}
        for word in RESERVED[1:]:
            if word in rest and ("use" in rest or len(rest) > 1):
                raise _wrong(
                    f'"{word}" does not belong here',
                    f"here stand use, its arguments, {', '.join(sorted(cls.options))}",
                    word,
                )
        if "use" not in rest and options and rest:
            name = next(iter(rest))
            raise _wrong("use is missing", f'write "use: {name}" where other keys stand beside a name')
        return {**options, "use": rest}


class Record(_Entry):
    """How a stream is kept."""

    as_: str = Field(alias="as")
    """The stream's name in the store."""


def _record(written: Any) -> Any:
    if isinstance(written, bool | Record):
        return written
    if isinstance(written, Mapping):
        return Record.model_validate(written)
    raise _wrong(f"{written!r} does not say whether to record", "write true, false or {as: name}")


Recorded = Annotated[bool | Record, PlainValidator(_record)]


class RestartsSpec(_Entry):
    """How often, and after how long, a process that dies is followed by another one."""

    most: Annotated[int, Field(ge=0)] = RESTARTS.most
    within_s: SomeSeconds = RESTARTS.within_s
    backoff_s: Seconds = RESTARTS.backoff_s

    @property
    def restarts(self) -> Restarts:
        """The same as the engines have it."""
        return Restarts(most=self.most, within_s=self.within_s, backoff_s=self.backoff_s)


class SourceSpec(_Named):
    """One entry of ``sources``."""

    options = frozenset({"record", "when_full", "slots", "restarts"})
    record: Recorded = False
    when_full: WhenFull = "block"
    slots: Annotated[int, Field(ge=2)] | None = None
    """Of its pool; by default as many as the plan needs."""
    restarts: RestartsSpec = RestartsSpec()


class JoinSpec(_Entry):
    """One entry of ``events`` that makes events out of several streams."""

    join: Annotated[Names, Field(min_length=1)]
    by: Annotated[By, PlainValidator(read_by)]
    incomplete: Literal["wait", "pass", "drop"] = "pass"
    wait_s: Seconds = 2.0


class MergeSpec(_Entry):
    """One entry of ``events`` that interleaves several streams."""

    merge: Annotated[Names, Field(min_length=2)]


_ONLY_OF = (
    ("prefetch", "map", "its workers are lent events"),
    ("prepare", "map", "each of its workers has such steps before it"),
    ("checkpoint_s", "reduce", "its reducer is what publishes"),
)
"""Keys that have a meaning in one kind of stage."""


def _lanes(written: Any) -> Any:
    if isinstance(written, str):
        return {"": written}
    if (
        isinstance(written, Mapping)
        and written
        and all(isinstance(text, str) for pair in written.items() for text in pair)
    ):
        return dict(written)
    raise _wrong(f"{written!r} names no input", "write a name, or lanes from high to low: {high: a, low: b}")


def _cpus(written: Any) -> Any:
    if written is None:
        return None
    parts = written if isinstance(written, list | tuple) else [written]
    remedy = 'write [0, 2-5] or "0,2-5"'
    if not parts or not all(isinstance(part, int | str) and not isinstance(part, bool) for part in parts):
        raise _wrong(f"{written!r} names no processors", remedy)
    try:
        return read_cpus(",".join(map(str, parts)))
    except ValueError as error:
        raise _wrong(str(error), remedy) from error


class WorkersSpec(_Entry):
    """Between which numbers of workers a stage is kept, by what there is to do."""

    least: AtLeastOne = Field(1, alias="from")
    most: AtLeastOne = Field(alias="to")
    grow_s: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] = 1.0
    """Not less than the stretches in which chains look."""
    shrink_s: SomeSeconds = 10.0

    @model_validator(mode="after")
    def _is_in_order(self) -> "WorkersSpec":
        if self.most < self.least:
            raise _wrong(
                f"from {self.least} to {self.most} leaves no number of workers",
                f"write {{from: {self.most}, to: {self.least}}}",
            )
        return self


_A_NUMBER: TypeAdapter[int] = TypeAdapter(AtLeastOne)


def _workers(written: Any) -> int | Limits:
    if isinstance(written, Limits):
        return written
    if not isinstance(written, Mapping):
        return _A_NUMBER.validate_python(written, strict=True)
    found = WorkersSpec.model_validate(written)
    return Limits(least=found.least, most=found.most, grow_s=found.grow_s, shrink_s=found.shrink_s)


def _or_nothing(written: Any) -> Any:
    return {} if written is None else written  # all its lines are comments, as ``explain`` writes defaults


class StageSpec(_Entry):
    """One entry of ``stages``."""

    inputs: Annotated[dict[str, str], PlainValidator(_lanes)] = Field(
        alias="from", validation_alias=AliasChoices("from")
    )
    """Producer by lane, from high to low; the lane of a single input has no name."""
    steps: Annotated[tuple[AThing, ...], BeforeValidator(_no_single_text), Field(strict=False, min_length=1)] | None = (
        None
    )
    map: AThing | None = None
    prepare: Annotated[tuple[AThing, ...], BeforeValidator(_no_single_text), Field(strict=False, min_length=1)] = ()
    """Steps that each worker's items go through before it."""
    reduce: AThing | None = None
    workers: Annotated[int | Limits, PlainValidator(_workers)] = 1
    """How many, or between which numbers."""
    run_in: Literal["process", "thread", "inline"] | None = None
    order: Literal["kept", "free"] = "kept"
    when_full: WhenFull = "block"
    on_error: OnError = "fail"
    tags: Annotated[Names, Field(min_length=1)] = ("generic",)
    parameters: Annotated[dict[str, Any], BeforeValidator(_or_nothing)] = Field(default_factory=dict)
    record: Recorded = False
    cpus: Annotated[tuple[int, ...] | None, PlainValidator(_cpus)] = None
    numa: Annotated[int, Field(ge=0)] | None = None
    deadline_s: SomeSeconds = 60.0
    prefetch: AtLeastOne = 2
    trips: AtLeastOne = 3
    retry_s: Seconds = 0.1
    checkpoint_s: SomeSeconds = 1.0
    restarts: RestartsSpec = RestartsSpec()

    @property
    def kind(self) -> Literal["steps", "map", "reduce"]:
        """Which of the three it is."""
        return "steps" if self.steps is not None else "map" if self.map is not None else "reduce"

    @property
    def limits(self) -> Limits | None:
        """Between which numbers of workers it is kept, if there is not one number alone."""
        return self.workers if isinstance(self.workers, Limits) else None

    @property
    def first_workers(self) -> int:
        """With how many it begins."""
        return self.workers.least if isinstance(self.workers, Limits) else self.workers

    @property
    def most_workers(self) -> int:
        """How many there may be by the load."""
        return self.workers.most if isinstance(self.workers, Limits) else self.workers

    @property
    def things(self) -> tuple[Thing, ...]:
        """Its steps, or its one worker or reducer."""
        return self.steps or tuple(thing for thing in (self.map, self.reduce) if thing is not None)

    @model_validator(mode="after")
    def _is_one_kind(self) -> "StageSpec":
        kinds = [key for key in ("steps", "map", "reduce") if getattr(self, key) is not None]
        if len(kinds) != 1:
            have = f"it has {' and '.join(kinds)}" if kinds else "it has none of them"
            raise _wrong(
                f"a stage is exactly one of steps, map and reduce; {have}",
                "make a stage of each, one reading from the other" if kinds else 'write "map: module:object"',
            )
        if self.kind == "reduce" and self.workers != 1:
            raise _wrong("a reducer is one; it has no workers", "remove workers, or write map", "workers")
        return self

    @model_validator(mode="after")
    def _has_no_strange_keys(self) -> "StageSpec":
        if self.cpus is not None and self.numa is not None:
            raise _wrong("a stage is pinned by cpus or by numa, not by both", "keep one of them", "numa")
        for key, kind, why in _ONLY_OF:
            if key in self.model_fields_set and self.kind != kind:
                raise _wrong(f"{key} is only of {kind}: {why}", f"remove {key}", key)
        return self


class Every(_Entry):
    """A sink's rhythm."""

    every_s: Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _when(written: Any) -> Any:
    if isinstance(written, Every) or written in ("change", "end", "item"):
        return written
    if isinstance(written, Mapping):
        return Every.model_validate(written)
    raise _wrong(f"{written!r} is no time to write", "write change, item, end or {every_s: 5}")


class SinkSpec(_Named):
    """One entry of ``sinks``."""

    options = frozenset({"from", "where", "when", "when_full", "on_error"})
    input: str = Field(alias="from")
    """A source, join, merge or stage; ``stage.lane`` for the results of one lane."""
    where: str | None = None
    when: Annotated[Literal["change", "end", "item"] | Every, PlainValidator(_when)] | None = None
    when_full: WhenFull = "block"
    on_error: OnError = "fail"


class AlarmSpec(_Entry):
    """One entry of ``alarms``."""

    when: str
    for_s: Seconds = 0.0
    level: Literal["info", "warning", "error"] = "warning"
    until: str | None = None
    """When it is over; by default when ``when`` does not hold."""
    clear_s: Seconds = 0.0
    latch: bool = False
    text: str | None = None
    to: Annotated[tuple[AThing, ...], BeforeValidator(_listed), Field(strict=False)] = ()


def _address(written: int | str) -> int | str:
    try:
        host_and_port(written)
    except ServiceError as error:
        text, _, remedy = str(error).partition("; ")
        raise _wrong(text, remedy) from None
    return written


class ServeSpec(_Entry):
    """The value of ``serve``."""

    http: Annotated[int | str, AfterValidator(_address)] | None = None
    """Port, host, or host:port."""
    asapo: Annotated[int | str, AfterValidator(_address)] | None = None
    """Likewise: where ASAPO's clients reach the pipeline's store."""
    tokenless: bool = False


def _control(written: str) -> str:
    if problem := control_problem(written):
        text, _, remedy = problem.partition("; ")
        raise _wrong(text, remedy)
    return written


class ControlSpec(_Entry):
    """The value of ``control``."""

    zmq: Annotated[str, AfterValidator(_control)]
    """``tcp://HOST:PORT`` or ``ipc://PATH``: where commands are taken."""


class LogsSpec(_Entry):
    """The value of ``logs``."""

    folder: Annotated[str, Field(min_length=1)] = "logs"
    level: Literal["log", "info", "alarm"] = "info"
    keep: AtLeastOne = 10


class PipelineSpec(_Entry):
    """A whole file, entry by entry; those that were wrong are left out."""

    name: str
    beamtime: str | None = None
    store: str | None = None
    sources: dict[str, SourceSpec] = Field(default_factory=dict)
    events: dict[str, JoinSpec | MergeSpec] = Field(default_factory=dict)
    stages: dict[str, StageSpec] = Field(default_factory=dict)
    sinks: dict[str, SinkSpec] = Field(default_factory=dict)
    serve: ServeSpec | None = None
    control: ControlSpec | None = None
    logs: LogsSpec | None = None
    stop_s: float = STOP_S
    alarms: dict[str, AlarmSpec] = Field(default_factory=dict)


def _wrong(text: str, remedy: str, *inner: str) -> PydanticCustomError:
    return PydanticCustomError("thing", "{text}", {"text": text, "remedy": remedy, "inner": inner})
