"""The entries of a pipeline as Python says them: one class for each way an entry is written in a file.

Each only holds what was written, as the file's reader would have it; all checks are the file's checks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.trigger_map import TriggerMap
from penstock.elements.signature import name_of
from penstock.pipeline.join_by import By, ByTriggerMap
from penstock.pipeline.thing import Thing

__all__ = ["Alarm", "Entry", "Join", "Map", "Merge", "Reduce", "Sink", "Source", "Steps", "Use"]

Target = str | Callable[..., Any]
"""A name, or the function or class itself."""
Cpus = int | str | list[int | str]
"""Processors: ``[0, "2-5"]`` or ``"0,2-5"``."""


class Use:
    """A thing with its arguments, where options stand beside it that its arguments may be mistaken for.

    >>> Use("threshold", field="I0", above=0).thing.arguments
    {'field': 'I0', 'above': 0}
    """

    __slots__ = ("thing",)
    thing: Thing

    def __init__(self, target: "Target | Use", **arguments: Any) -> None:
        if isinstance(target, Use):
            self.thing = Thing(
                name=target.thing.name,
                arguments={**target.thing.arguments, **arguments},
                target=target.thing.target,
            )
        elif isinstance(target, str):
            self.thing = Thing(name=target, arguments=arguments)
        else:
            self.thing = Thing(name=_name(target), arguments=arguments, target=target)

    def __repr__(self) -> str:
        return f"Use({self.thing.name!r})"


class Entry:
    """What stands under one name."""

    __slots__ = ("tree",)

    def __init__(self, **tree: Any) -> None:
        self.tree: Mapping[str, Any] = {key: value for key, value in tree.items() if value is not None}
        """As in a file, things as objects."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.tree.items())})"


class Source(Entry):
    """One instrument; other keywords are its arguments.

    >>> Source("xspress3", connect="tcp://127.0.0.1:5556").tree["use"].name
    'xspress3'
    """

    def __init__(
        self,
        use: Target | Use,
        *,
        record: bool | Mapping[str, str] | None = None,
        when_full: str | None = None,
        slots: int | None = None,
        restarts: Mapping[str, float] | None = None,
        **arguments: Any,
    ) -> None:
        thing = Use(use, **arguments).thing
        super().__init__(use=thing, record=record, when_full=when_full, slots=slots, restarts=restarts)


class Join(Entry):
    """Events out of several streams."""

    def __init__(
        self,
        *streams: str,
        by: str | By | TriggerMap | Mapping[str, Any],
        incomplete: str | None = None,
        wait_s: float | None = None,
    ) -> None:
        way = ByTriggerMap(map=by) if isinstance(by, TriggerMap) else by
        super().__init__(join=list(streams), by=way, incomplete=incomplete, wait_s=wait_s)


class Merge(Entry):
    """Several streams interleaved into one."""

    def __init__(self, *streams: str) -> None:
        super().__init__(merge=list(streams))


class _Stage(Entry):
    def __init__(self, kind: str, things: Any, source: str | Mapping[str, str], options: Mapping[str, Any]) -> None:
        super().__init__(**{"from": source, kind: things}, **options)


class Map(_Stage):
    """Workers; keywords that are no option of the stage are arguments of the worker.

    Arguments that are named like an option are given with ``Use``: ``Map(Use(Fit, workers=3), source="scan")``.
    """

    def __init__(
        self,
        use: Target | Use,
        *,
        source: str | Mapping[str, str],
        prepare: Sequence[Target | Use] | None = None,
        workers: int | Mapping[str, float] | None = None,
        run_in: str | None = None,
        order: str | None = None,
        when_full: str | None = None,
        on_error: str | None = None,
        tags: list[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        record: bool | Mapping[str, str] | None = None,
        cpus: Cpus | None = None,
        numa: int | None = None,
        deadline_s: float | None = None,
        trips: int | None = None,
        retry_s: float | None = None,
        restarts: Mapping[str, float] | None = None,
        prefetch: int | None = None,
        **arguments: Any,
    ) -> None:
        options = {
            "workers": workers,
            "run_in": run_in,
            "order": order,
            "when_full": when_full,
            "on_error": on_error,
            "tags": tags,
            "parameters": parameters,
            "record": record,
            "cpus": cpus,
            "numa": numa,
            "deadline_s": deadline_s,
            "trips": trips,
            "retry_s": retry_s,
            "restarts": restarts,
            "prefetch": prefetch,
            "prepare": None if prepare is None else [Use(step).thing for step in prepare],
        }
        super().__init__("map", Use(use, **arguments).thing, source, options)


class Reduce(_Stage):
    """A reducer; keywords that are no option of the stage are its arguments."""

    def __init__(
        self,
        use: Target | Use,
        *,
        source: str | Mapping[str, str],
        run_in: str | None = None,
        order: str | None = None,
        when_full: str | None = None,
        on_error: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        record: bool | Mapping[str, str] | None = None,
        cpus: Cpus | None = None,
        numa: int | None = None,
        deadline_s: float | None = None,
        trips: int | None = None,
        retry_s: float | None = None,
        restarts: Mapping[str, float] | None = None,
        checkpoint_s: float | None = None,
        **arguments: Any,
    ) -> None:
        options = {
            "run_in": run_in,
            "order": order,
            "when_full": when_full,
            "on_error": on_error,
            "parameters": parameters,
            "record": record,
            "cpus": cpus,
            "numa": numa,
            "deadline_s": deadline_s,
            "trips": trips,
            "retry_s": retry_s,
            "restarts": restarts,
            "checkpoint_s": checkpoint_s,
        }
        super().__init__("reduce", Use(use, **arguments).thing, source, options)


class Steps(_Stage):
    """A chain: ``Steps(Use("threshold", field="I0", above=0), "count", source="contrast")``."""

    def __init__(
        self,
        *steps: Target | Use,
        source: str | Mapping[str, str],
        workers: int | Mapping[str, float] | None = None,
        run_in: str | None = None,
        order: str | None = None,
        when_full: str | None = None,
        on_error: str | None = None,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
        record: bool | Mapping[str, str] | None = None,
        cpus: Cpus | None = None,
        numa: int | None = None,
        deadline_s: float | None = None,
        trips: int | None = None,
        retry_s: float | None = None,
        restarts: Mapping[str, float] | None = None,
    ) -> None:
        options = {
            "workers": workers,
            "run_in": run_in,
            "order": order,
            "when_full": when_full,
            "on_error": on_error,
            "parameters": parameters,
            "record": record,
            "cpus": cpus,
            "numa": numa,
            "deadline_s": deadline_s,
            "trips": trips,
            "retry_s": retry_s,
            "restarts": restarts,
        }
        super().__init__("steps", [Use(step).thing for step in steps], source, options)


class Sink(Entry):
    """Where items or views leave; other keywords are its arguments."""

    def __init__(
        self,
        use: Target | Use,
        *,
        source: str,
        where: str | None = None,
        when: str | Mapping[str, float] | None = None,
        when_full: str | None = None,
        on_error: str | None = None,
        **arguments: Any,
    ) -> None:
        options = {"from": source, "where": where, "when": when, "when_full": when_full, "on_error": on_error}
        super().__init__(use=Use(use, **arguments).thing, **options)


class Alarm(Entry):
    """Something that somebody is to be told of; ``to`` are sinks, or what makes them.

    >>> Alarm("fit.in_per_s < 1", for_s=10, to=Use("print")).tree["for_s"]
    10
    """

    def __init__(
        self,
        when: str,
        *,
        until: str | None = None,
        for_s: float | None = None,
        clear_s: float | None = None,
        level: str | None = None,
        latch: bool | None = None,
        text: str | None = None,
        to: Target | Use | Sequence[Target | Use] = (),
    ) -> None:
        outputs = to if isinstance(to, Sequence) and not isinstance(to, str) else (to,)
        super().__init__(
            when=when, until=until, for_s=for_s, clear_s=clear_s, level=level, latch=latch, text=text,
            to=[Use(output).thing for output in outputs],
        )  # fmt: skip


def _name(target: Callable[..., Any]) -> str:
    module = getattr(target, "__module__", None) or type(target).__module__
    return f"{module}:{name_of(target)}"
