"""Check how entries are connected: every name exists and fits its place, and nothing runs in a circle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from penstock.core.suggest import did_you_mean, listed
from penstock.errors import Problem
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.flow import Flow
from penstock.pipeline.lanes import lanes_of, split_input
from penstock.pipeline.spec import JoinSpec, MergeSpec, PipelineSpec, SinkSpec, StageSpec

__all__ = ["Gives", "check_connections", "gives"]

Gives = Literal["source", "join", "merge", "steps", "map", "reduce", "sink"]
"""What an entry gives to whoever reads from it: messages, events, either, items, results, views, nothing."""

_MAY_FEED: Final[Mapping[str, tuple[Gives, ...]]] = {
    "join": ("source", "merge"),
    "merge": ("source", "join", "merge", "steps", "map"),
    "stage": ("source", "join", "merge", "steps", "map"),
    "sink": ("source", "join", "merge", "steps", "map", "reduce"),
}
_WHY: Final[Mapping[Gives, str]] = {
    "source": "a source",
    "join": "a join, which gives events",
    "merge": "a merge",
    "steps": "a stage of steps",
    "map": "a map stage, which gives results",
    "reduce": "a reducer, whose views only sinks read",
    "sink": "a sink, out of which nothing comes",
}


def gives(spec: PipelineSpec) -> dict[str, Gives]:
    """Return what each name gives."""
    found: dict[str, Gives] = dict.fromkeys(spec.sources, "source")
    found |= {name: "join" if isinstance(event, JoinSpec) else "merge" for name, event in spec.events.items()}
    found |= {name: stage.kind for name, stage in spec.stages.items()}
    return found | dict.fromkeys(spec.sinks, "sink")


def check_connections(document: Document, spec: PipelineSpec) -> list[Problem]:
    """Return every mistake in what reads from what."""
    checker = _Connections(document, spec, gives(spec))
    checker.check()
    return checker.problems


@dataclass(slots=True)
class _Connections:
    document: Document
    spec: PipelineSpec
    gives: Mapping[str, Gives]
    problems: list[Problem] = field(default_factory=list)

    def check(self) -> None:
        for name, event in self.spec.events.items():
            self._streams(name, event)
        for name, stage in self.spec.stages.items():
            self._stage(name, stage)
        for name, sink in self.spec.sinks.items():
            self._sink(name, sink)
        if cycle := Flow.of(self.spec).cycle():
            self._cycle(cycle)

    def _report(self, trail: Trail, text: str, remedy: str = "", level: str = "error") -> None:
        self.problems.append(self.document.problem(trail, text, remedy, level))

    def _exists(self, trail: Trail, name: str, wanted: Iterable[Gives]) -> Gives | None:
        """Return what a name gives; ``None`` if it is unknown, which is reported, or faulty, which has been."""
        if name in self.gives:
            return self.gives[name]
        written = [e for s in ("sources", "events", "stages", "sinks") for e in _entries(self.document, s)]
        if name not in written:
            fitting = [each for each, what in self.gives.items() if what in wanted]
            self._report(trail, f'there is no "{name}"', did_you_mean(name, fitting))
        return None

    def _reference(self, trail: Trail, name: str, consumer: str) -> None:
        may = _MAY_FEED[consumer]
        what = self._exists(trail, name, may)
        if what is not None and what not in may:
            article = "a" if consumer != "sink" else "this"
            fitting = [each for each, one in self.gives.items() if one in may]
            self._report(
                trail,
                f'{article} {consumer} cannot read from "{name}", {_WHY[what]}',
                f"read from {listed(fitting)}" if fitting else "",
            )

    def _streams(self, name: str, event: JoinSpec | MergeSpec) -> None:
        key, streams = ("join", event.join) if isinstance(event, JoinSpec) else ("merge", event.merge)
        for index, stream in enumerate(streams):
            trail = ("events", name, key, index)
            self._stream(trail, stream, key)
            if stream in streams[:index]:
                self._report(trail, f'"{stream}" is named twice', "name each stream once")
        if isinstance(event, JoinSpec):
            self._options(name, event)

    def _stream(self, trail: Trail, written: str, key: str) -> None:
        base, lane = split_input(written)
        if not lane or self.gives.get(base) not in _MAY_FEED[key]:
            self._reference(trail, base, key)
        else:
            text = f'a {key} takes whole streams, and "{written}" would be one lane of {base}'
            remedy = f'name "{base}"; a stage or a sink may read one lane, from: {written}'
            self._report(trail, text, remedy if lane in lanes_of(self.spec, base) else f'name "{base}"')

    def _options(self, name: str, join: JoinSpec) -> None:
        by = join.by
        for key in ("ranges", "hold"):
            for index, stream in enumerate(getattr(by, key, ())):
                trail = ("events", name, "by", by.kind, key, index)
                if stream not in join.join:
                    self._report(trail, f'"{stream}" is no stream of this join', did_you_mean(stream, join.join))
                elif stream == join.join[0] and by.kind == "timestamp":
                    remedy = "name another stream first in join"
                    self._report(
                        trail, f'"{stream}" comes first in the join, so the others are compared with it', remedy
                    )

    def _input(self, trail: Trail, written: str, consumer: str) -> None:
        """Check a name, or a name and a lane of it."""
        base, lane = split_input(written)
        self._reference(trail, base, consumer)
        if not lane or base not in self.gives:
            return
        if self.gives[base] == "reduce":
            self._report(trail, f"the views of {base} have no lanes", f"write from: {base}")
            return
        lanes = lanes_of(self.spec, base)
        if lane not in lanes:
            remedy = did_you_mean(lane, lanes) if lanes else f"write from: {base}"
            self._report(trail, f'{base} has no lane "{lane}"', remedy)

    def _stage(self, name: str, stage: StageSpec) -> None:
        producers = list(stage.inputs.values())
        for index, (lane, written) in enumerate(stage.inputs.items()):
            trail: Trail = ("stages", name, "from", lane) if lane else ("stages", name, "from")
            self._input(trail, written, "stage")
            if written in producers[:index]:
                self._report(trail, f'"{written}" stands in two lanes', "let it be in one of them")
            if lane and (mixed := lanes_of(self.spec, written)):
                # Events of two lanes may have the same numbers, and in a lane numbers are unique.
                text = f"{lane} would mix the lanes {listed(mixed, 'and')} of {written}"
                self._report(trail, text, f"name one, {lane}: {written}.{mixed[0]}")

    def _sink(self, name: str, sink: SinkSpec) -> None:
        base, _ = split_input(sink.input)
        self._input(("sinks", name, "from"), sink.input, "sink")
        if sink.when == "item" and self.gives.get(base) == "reduce":
            self._report(("sinks", name, "when"), "views have no items", "write change, end or {every_s: 5}")
        if sink.where is not None:
            self._where(name, base, sink.where)

    def _where(self, name: str, base: str, where: str) -> None:
        trail: Trail = ("sinks", name, "where")
        stage, dot, word = where.partition(".")
        if not dot or not word.isidentifier():
            self._report(
                trail,
                f'"{where}" is not of the form stage.field',
                "name a map stage and a true-or-false field of its results",
            )
            return
        what = self._exists(trail, stage, ("map", "steps"))
        if what is None:
            return
        if what not in ("map", "steps"):
            self._report(trail, f'"{stage}" is {_WHY[what]}, and a field of results is wanted', "name a map stage")
        elif base in self.gives and base not in Flow.of(self.spec).upstream(stage):
            remedy = f'name a stage downstream of "{base}"'
            self._report(
                trail, f'"{stage}" does not stand downstream of "{base}", so it never sees what this sink gets', remedy
            )

    def _cycle(self, cycle: list[str]) -> None:
        name = cycle[0]
        section, key = ("stages", "from") if name in self.spec.stages else ("events", "merge")
        spelled = " → ".join(cycle)
        self._report(
            (section, name, key),
            f"what flows here would run in a circle: {spelled}",
            "let one of them read from a source",
        )


def _entries(document: Document, section: str) -> list[str]:
    entries = document.tree.get(section)
    return [str(name) for name in entries] if isinstance(entries, Mapping) else []
