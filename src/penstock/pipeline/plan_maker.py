"""Make the plan of a pipeline: every thing found, every default filled in, everything in the order of the flow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from penstock.core.alarm import AlarmRule
from penstock.core.stream_address import StreamAddress
from penstock.elements.item_source import is_item_source
from penstock.elements.recorder import Recorder
from penstock.elements.sinks.stream import ARRIVAL, EVENT, MESSAGE, StreamSink
from penstock.elements.sources.stream import StreamSource
from penstock.elements.stage_recorder import StageRecorder
from penstock.elements.user_code import Receives, step_names
from penstock.pipeline.connections import gives
from penstock.pipeline.document import Document, Trail
from penstock.pipeline.elements import Finder
from penstock.pipeline.flow import Flow, counts_messages
from penstock.pipeline.lanes import lanes_of, split_input
from penstock.pipeline.plan import (
    AlarmPlan,
    Element,
    JoinPlan,
    LogsPlan,
    MergePlan,
    Plan,
    SinkPlan,
    SourcePlan,
    StagePlan,
)
from penstock.pipeline.processors import Processors, shared_out, write_cpus
from penstock.pipeline.registry import Kind
from penstock.pipeline.spec import (
    AlarmSpec,
    Every,
    JoinSpec,
    MergeSpec,
    PipelineSpec,
    Record,
    SinkSpec,
    SourceSpec,
    StageSpec,
)
from penstock.pipeline.thing import Thing
from penstock.streams.opened import DEFAULT_STORE

__all__ = ["PlanMaker"]


@dataclass(slots=True)
class PlanMaker:
    """Makes the plan, entry by entry; entries whose element is not found are left out."""

    document: Document
    spec: PipelineSpec
    finder: Finder
    processors: Processors
    _flow: Flow = field(init=False)
    _of_values: set[str] = field(default_factory=set)
    """Sources of plain values."""

    def plan(self) -> Plan:
        """Return the plan of whatever is right; what is wrong is in the finder's problems."""
        self._flow = Flow.of(self.spec)
        in_order = self._flow.order(list(self.spec.stages))
        sources = _present({name: self._source(name, source) for name, source in self.spec.sources.items()})
        self._of_values = {name for name, source in sources.items() if is_item_source(source.element.target)}
        stages: dict[str, StagePlan] = _present({name: self._stage(name, self.spec.stages[name]) for name in in_order})
        events = self._flow.order(list(self.spec.events))
        sinks = _present({name: self._sink(name, sink) for name, sink in self.spec.sinks.items()})
        recorders = [self._recorder(source) for source in sources.values() if source.record]
        recorders += [self._stage_recorder(stage) for stage in stages.values() if stage.record]
        return Plan(
            name=self.spec.name,
            sources=sources,
            joins={name: _join(name, e) for name in events if isinstance(e := self.spec.events[name], JoinSpec)},
            merges={
                name: MergePlan(name=name, streams=e.merge)
                for name in events
                if isinstance(e := self.spec.events[name], MergeSpec)
            },
            stages=stages,
            sinks=sinks | {recorder.name: recorder for recorder in recorders},
            serve=None if self.spec.serve is None else self.spec.serve.http,
            serve_asapo=None if self.spec.serve is None else self.spec.serve.asapo,
            control=None if self.spec.control is None else self.spec.control.zmq,
            logs=None if self.spec.logs is None else LogsPlan(**self.spec.logs.model_dump()),
            folder=str(self.document.folder),
            prelude=self.document.prelude,
            beamtime=self._beamtime,
            store=self._store,
            stop_s=self.spec.stop_s,
            alarms={name: self._alarm(name, alarm) for name, alarm in self.spec.alarms.items()},
        )

    @property
    def _beamtime(self) -> str:
        return self.spec.beamtime or self.spec.name

    @property
    def _store(self) -> str:
        return self.spec.store or DEFAULT_STORE

    def _recorder(self, source: SourcePlan) -> SinkPlan:
        arguments = {"beamtime": self._beamtime, "source": source.record, "store": self._store}
        where = f"sources.{source.name}.record"
        element = Element(name="record", target=Recorder, arguments=arguments, where=where)
        return SinkPlan(name=f"{source.name}.record", element=element, input=source.name, when="item")

    def _stage_recorder(self, stage: StagePlan) -> SinkPlan:
        arguments = {
            "address": str(StreamAddress(self._beamtime, stage.record, "{run}")),
            "store": self._store,
            "id": self._numbered_by(stage.name),
        }
        where = f"stages.{stage.name}.record"
        element = Element(name="record", target=StageRecorder, arguments=arguments, where=where)
        when: Literal["end", "item"] = "end" if stage.kind == "reduce" else "item"
        return SinkPlan(name=f"{stage.name}.record", element=element, input=stage.name, when=when)

    def _of_stream(self, name: str, element: Element, written: str) -> Element:
        """Fill in what a stream as a sink has of the pipeline, where it does not say so itself."""
        filled = {
            "address": str(StreamAddress(self._beamtime, name, "{run}")),
            "store": self._store,
            "id": self._numbered_by(written),
        }
        return replace(element, arguments={**filled, **element.arguments})

    def _numbered_by(self, written: str) -> str:
        """Return what numbers the messages of what is read: its own numbers, if none can come twice."""
        base, lane = split_input(written)
        is_mixed = not lane and len(lanes_of(self.spec, base)) > 1
        if is_mixed or gives(self.spec).get(base) == "reduce":
            return ARRIVAL
        return MESSAGE if counts_messages(self.spec, base) else EVENT

    def _source(self, name: str, source: SourceSpec) -> SourcePlan | None:
        element, _ = self.finder.element("sources", source.use, ("sources", name))
        if element is None:
            return None
        if element.target is StreamSource and "store" not in element.arguments:
            element = replace(element, arguments={**element.arguments, "store": self._store})
        return SourcePlan(
            name=name,
            element=element,
            record=_recorded(name, source.record),
            when_full=source.when_full,
            slots=source.slots or 0,
            restarts=source.restarts.restarts,
        )

    def _stage(self, name: str, stage: StageSpec) -> StagePlan | None:
        trail: Trail = ("stages", name)
        receives = self._receives(stage)
        prepare: tuple[Element | None, ...] = ()
        if stage.kind == "steps":
            elements, parameters = self._steps(trail, stage, receives)
        else:
            kind: Kind = "workers" if stage.kind == "map" else "reducers"
            prepare, own, parameters = self._prepare(trail, stage, receives)
            element, values = self.finder.element(
                kind,
                stage.things[0],
                (*trail, stage.kind),
                parameters=own,
                receives="any" if prepare else receives,
                beside=(*trail, "parameters"),
            )
            elements, parameters = (element,), values | parameters
        if any(element is None for element in (*prepare, *elements)):
            return None
        return StagePlan(
            name=name,
            kind=stage.kind,
            inputs=tuple(stage.inputs.items()),
            elements=tuple(element for element in elements if element is not None),
            prepare=tuple(element for element in prepare if element is not None),
            workers=stage.first_workers,
            limits=stage.limits,
            run_in=stage.run_in or _own_place(stage),
            order=stage.order,
            when_full=stage.when_full,
            on_error=stage.on_error,
            tags=frozenset(stage.tags),
            parameters=parameters,
            cpus=self._cpus(trail, stage),
            deadline_s=stage.deadline_s,
            prefetch=stage.prefetch,
            trips=stage.trips,
            retry_s=stage.retry_s,
            checkpoint_s=stage.checkpoint_s,
            restarts=stage.restarts.restarts,
            record=_recorded(name, stage.record),
            carried_lanes=lanes_of(self.spec, stage.inputs.get("", "")) or ("",),
        )

    def _cpus(self, trail: Trail, stage: StageSpec) -> tuple[tuple[int, ...], ...]:
        """Return the processors of each worker; what this machine has not is a problem."""
        if stage.numa is not None:
            try:
                return (self.processors.of_node(stage.numa),) * stage.most_workers
            except ValueError as error:
                self.finder.problems.append(self.document.problem((*trail, "numa"), str(error), "leave it out"))
        if stage.cpus is not None:
            if trouble := self.processors.trouble(stage.cpus):
                remedy = f"there are {write_cpus(sorted(self.processors.usable))}"
                self.finder.problems.append(self.document.problem((*trail, "cpus"), trouble, remedy))
            else:
                return shared_out(stage.cpus, stage.most_workers)
        return ()

    def _steps(
        self, trail: Trail, stage: StageSpec, receives: Receives
    ) -> tuple[tuple[Element | None, ...], dict[str, Any]]:
        """Return the steps, and the start values of their parameters as ``step.parameter``."""
        names = step_names([thing.name for thing in stage.things])
        asked = self._by_step(trail, stage.parameters, names)
        return self._in_turn(trail, "steps", stage.things, asked, receives)

    def _prepare(
        self, trail: Trail, stage: StageSpec, receives: Receives
    ) -> tuple[tuple[Element | None, ...], Mapping[str, Any], dict[str, Any]]:
        """Return the steps before a worker, what is asked of its own parameters, and start values of the steps'."""
        names = step_names([thing.name for thing in stage.prepare])
        of_steps = {name for name in names if isinstance(stage.parameters.get(name, {}), Mapping | None)}
        asked = {name: stage.parameters.get(name) or {} if name in of_steps else {} for name in names}
        own = {name: value for name, value in stage.parameters.items() if name not in of_steps}
        elements, parameters = self._in_turn(trail, "prepare", stage.prepare, asked, receives)
        return elements, own, parameters

    def _in_turn(
        self,
        trail: Trail,
        key: Literal["steps", "prepare"],
        things: Sequence[Thing],
        asked: Mapping[str, Mapping[str, Any]],
        receives: Receives,
    ) -> tuple[tuple[Element | None, ...], dict[str, Any]]:
        """Return steps that items go through in turn, and the start values of their parameters."""
        names = step_names([thing.name for thing in things])
        elements: list[Element | None] = []
        parameters: dict[str, Any] = {}
        for index, (thing, name) in enumerate(zip(things, names, strict=True)):
            element, values = self.finder.element(
                "steps",
                thing,
                (*trail, key, index),
                parameters=asked[name],
                receives="any" if index else receives,
                beside=(*trail, "parameters", name),
            )
            elements.append(element)
            parameters |= {f"{name}.{parameter}": value for parameter, value in values.items()}
        return tuple(elements), parameters

    def _by_step(self, trail: Trail, parameters: Mapping[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
        """Sort ``{step: {name: value}}`` by step."""
        found: dict[str, dict[str, Any]] = {name: {} for name in names}
        for name, values in parameters.items():
            if name in found and isinstance(values, Mapping):
                found[name] = dict(values)
                continue
            remedy = f"write parameters: {{{names[0]}: {{name: value}}}}"
            text = (
                f'"{name}" is no step of this stage'
                if name not in found
                else f"the parameters of {name} are wanted by name"
            )
            self.finder.problems.append(self.document.problem((*trail, "parameters", name), text, remedy))
        return found

    def _receives(self, stage: StageSpec) -> Receives:
        what = gives(self.spec)
        words: Mapping[str, Receives] = {"source": "message", "join": "event", "map": "result"}
        names = {split_input(producer)[0] for producer in stage.inputs.values()}
        # What a source of plain values gives can be anything, a message too.
        kinds = {"any" if name in self._of_values else words.get(what.get(name, ""), "any") for name in names}
        return kinds.pop() if len(kinds) == 1 else "any"

    def _alarm(self, name: str, alarm: AlarmSpec) -> AlarmPlan:
        outputs = [
            self.finder.element("sinks", thing, ("alarms", name, "to", index))[0]
            for index, thing in enumerate(alarm.to)
        ]
        rule = AlarmRule(name=name, level=alarm.level, for_s=alarm.for_s, clear_s=alarm.clear_s, latch=alarm.latch)
        return AlarmPlan(
            rule=rule, when=alarm.when, until=alarm.until, text=alarm.text,
            outputs=tuple(output for output in outputs if output is not None),
        )  # fmt: skip

    def _sink(self, name: str, sink: SinkSpec) -> SinkPlan | None:
        element, _ = self.finder.element("sinks", sink.use, ("sinks", name))
        if element is None:
            return None
        base, lane = split_input(sink.input)
        is_view = base in self.spec.stages and self.spec.stages[base].kind == "reduce"
        when = sink.when or ("end" if is_view else "item")
        stage, _, word = (sink.where or "").partition(".")
        if element.target is StreamSink:
            element = self._of_stream(name, element, sink.input)
        return SinkPlan(
            name=name,
            element=element,
            input=base,
            when="every" if isinstance(when, Every) else when,
            every_s=when.every_s if isinstance(when, Every) else 0.0,
            where=(stage, word) if sink.where else None,
            lane=lane,
            when_full=sink.when_full,
            on_error=sink.on_error,
        )


def _own_place(stage: StageSpec) -> Literal["process", "thread", "inline"]:
    """Return where the code of a stage runs that does not say it."""
    if stage.kind != "steps":
        return "process"
    return "inline" if stage.most_workers == 1 else "thread"


def _present(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in entries.items() if entry is not None}


def _recorded(name: str, record: bool | Record) -> str:
    return record.as_ if isinstance(record, Record) else name if record else ""


def _join(name: str, join: JoinSpec) -> JoinPlan:
    options = {key: value for key, value in join.by.model_dump().items() if value is not None}
    return JoinPlan(
        name=name, streams=join.join, by=join.by.kind, options=options, incomplete=join.incomplete, wait_s=join.wait_s
    )
