"""The ways in which a join finds what belongs together, with their options and defaults."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from penstock.core.suggest import did_you_mean

__all__ = ["By", "ByKey", "ByOrder", "ByTimestamp", "ByTriggerMap", "read_by"]


def _rule(written: Any) -> Any:
    if written == "every-event" or (isinstance(written, Mapping) and written):
        return written
    raise _wrong(f"{written!r} is no rule", "write every-event, or {every: {stream: 4}, group: 10}")


class _By(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)
    kind: ClassVar[Literal["order", "key", "timestamp", "trigger-map"]]


class ByOrder(_By):
    """The n-th message of each stream."""

    kind = "order"
    check_keys: bool = True
    """Whether a number that is missing keeps its place free, so that a lost message does not shift those after it."""
    reorder: Annotated[int, Field(ge=0)] = 0
    """How many messages one may be overtaken by in its own stream."""


class ByKey(_By):
    """Equal numbers: frame, trigger or pulse."""

    kind = "key"
    reorder: Annotated[int, Field(ge=0)] = 0
    """How many messages one may be overtaken by in its own stream."""
    step: Annotated[int, Field(ge=1)] = 1
    """Distance of consecutive numbers, so that only others count as gaps."""
    ranges: tuple[str, ...] = Field(default=(), strict=False)
    """Streams of which all messages with the number belong to the event, not one."""


class ByTimestamp(_By):
    """Nearest in time to the first stream."""

    kind = "timestamp"
    window_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """How far apart they may be, either way."""
    hold: tuple[str, ...] = Field(default=(), strict=False)
    """Slow streams: their latest value stands until the next one."""
    ranges: tuple[str, ...] = Field(default=(), strict=False)
    """Streams of which all messages from the event until the next belong to it."""
    hold_wait_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1
    """How long an event waits to see whether a newer held value comes."""


class ByTriggerMap(_By):
    """As the map of the scan says."""

    kind = "trigger-map"
    file: str | None = None
    """JSON; relative to the pipeline's file."""
    rule: Annotated[str | Mapping[str, Any], PlainValidator(_rule)] | None = None
    """Without end: ``every-event``, or ``{every: {stream: m}, group: g}``."""
    wrap: bool = True
    """Whether the headers come before the first event and the end messages after the last."""
    check_keys: bool = True
    """Whether a number that is missing keeps its place free, so that a lost message does not shift those after it."""
    reorder: Annotated[int, Field(ge=0)] = 0
    """How many messages one may be overtaken by in its own stream."""
    map: Any = None
    """The map itself: a mapping as in the file, or one made in Python."""
    open: bool = False
    """Whether more may be appended while the run goes on; it may begin with nothing."""


By = ByOrder | ByKey | ByTimestamp | ByTriggerMap
_KINDS: Mapping[str, type[By]] = {form.kind: form for form in (ByOrder, ByKey, ByTimestamp, ByTriggerMap)}


def read_by(written: Any) -> By:
    """Read the value of ``by``: a name, or ``{name: {options}}``.

    Raises
    ------
    PydanticCustomError
        If it is neither.
    ValidationError
        If an option is unknown or wrong.

    Examples
    --------
    >>> read_by({"timestamp": 2}).window_ms
    2.0
    """
    if isinstance(written, ByOrder | ByKey | ByTimestamp | ByTriggerMap):
        return written
    if isinstance(written, str):
        written = {written: None}
    if not isinstance(written, Mapping) or len(written) != 1:
        raise _wrong(f"{written!r} is no way to join", f"write one of {', '.join(_KINDS)}, or {{NAME: {{options}}}}")
    kind, options = next(iter(written.items()))
    if kind not in _KINDS:
        raise _wrong(f'"{kind}" is no way to join', did_you_mean(str(kind), _KINDS))
    form = _KINDS[kind]
    if options is None:
        options = {}
    elif not isinstance(options, Mapping):
        options = {next(iter(form.model_fields)): options}
    try:
        by: By = form.model_validate(dict(options))
    except ValidationError as error:
        raise ValidationError.from_exception_data(error.title, [_below(kind, one) for one in error.errors()]) from None
    if isinstance(by, ByTriggerMap) and sum(given is not None for given in (by.file, by.rule, by.map)) > 1:
        raise _wrong("a trigger map comes from one place: a file, a rule or a map", "keep one of file, rule and map")
    if isinstance(by, ByTriggerMap) and by.open and by.rule is not None:
        raise _wrong("nothing can be appended to a rule, which has no end", "leave out open, or the rule")
    return by


def _below(kind: str, error: Any) -> InitErrorDetails:  # pydantic's ErrorDetails, as it is
    known = PydanticCustomError("thing", "{text}", error.get("ctx", {})) if error["type"] == "thing" else error["type"]
    return InitErrorDetails(type=known, loc=(kind, *error["loc"]), input=error["input"], ctx=error.get("ctx", {}))


def _wrong(text: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("thing", "{text}", {"text": text, "remedy": remedy})
