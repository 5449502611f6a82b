"""Build the rooms of a plan and connect them; nothing is opened and nothing runs yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core import Ledger
from penstock.core.event_log import EventLog
from penstock.core.log_records import ParametersSet
from penstock.core.number_watch import NumberWatch
from penstock.core.parameters import Parameters
from penstock.core.timestamp import Timestamp
from penstock.core.trigger_map import TriggerMap
from penstock.elements.resumed_source import ResumedSource
from penstock.elements.source import Source
from penstock.elements.user_code import validate
from penstock.errors import CheckError, Problem
from penstock.pipeline.chosen_input import chosen_input
from penstock.pipeline.lanes import origins, split_input
from penstock.pipeline.map_check import map_of, waits_for_map
from penstock.pipeline.plan import Plan, SinkPlan, SourcePlan
from penstock.services.flow import Outlet, Room
from penstock.services.intake import Intake
from penstock.services.join_room import JoinRoom
from penstock.services.made import sink_of, source_of
from penstock.services.map_room import MapRoom
from penstock.services.merge_room import MergeRoom, merged_traits
from penstock.services.one_lane import OneLane
from penstock.services.recorded_run import RecordedRun
from penstock.services.reduce_room import ReduceRoom
from penstock.services.replayed_merge import ReplayedMerge
from penstock.services.roots import first_number
from penstock.services.sink_room import SinkRoom
from penstock.services.steps_room import StepsRoom
from penstock.services.value_source import ValueSource

__all__ = ["Rooms", "build", "trigger_maps_of"]

Stage = MapRoom | ReduceRoom | StepsRoom

KEPT_CHANGES = 1000
"""Of parameters, beside those that are repeated."""


@dataclass(slots=True, kw_only=True)
class Rooms:
    """All rooms of one run."""

    intakes: dict[str, Intake] = field(default_factory=dict)
    joins: dict[str, JoinRoom] = field(default_factory=dict)
    merges: dict[str, MergeRoom] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    sinks: dict[str, SinkRoom] = field(default_factory=dict)
    parameters: Parameters

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return what a reduce stage publishes, as it is now.

        Raises
        ------
        KeyError
            If no reduce stage has this name.
        """
        room = self.stages.get(stage)
        if not isinstance(room, ReduceRoom):
            there_are = ", ".join(name for name, other in self.stages.items() if isinstance(other, ReduceRoom))
            raise KeyError(f"no reduce stage is called {stage!r}; there are {there_are or 'none'}")
        return room.reducer.views

    @property
    def renumbering(self) -> dict[str, StepsRoom]:
        """The stages that number by themselves what they give."""
        steps = {name: room for name, room in self.stages.items() if isinstance(room, StepsRoom)}
        return {name: room for name, room in steps.items() if room.renumbers}

    @property
    def outlets(self) -> dict[str, Outlet]:
        """The way out of everything that has one, by name."""
        rooms = {**self.intakes, **self.joins, **self.merges, **self.stages}
        return {name: room.outlet for name, room in rooms.items()}


def build(
    plan: Plan,
    ledger: Ledger,
    clock: Callable[[], int],
    *,
    trigger_maps: Mapping[str, TriggerMap],
    values: Mapping[str, Any],
    contexts: dict[str, list[dict[str, Any]]],
    started: Timestamp,
    log: EventLog | None = None,
    recorded: RecordedRun | None = None,
) -> Rooms:
    """Build all rooms of a plan.

    Parameters
    ----------
    trigger_maps
        Maps that come with the scan, by join; others are read from what the plan names.
    values
        Start values of parameters that go before the pipeline's.
    contexts
        By stage, one dictionary a worker; filled here, and kept by whoever wants them to survive the run.
    recorded
        The run that is replayed: its events are formed again, and parameters change where they did; ``values`` go
        before those changes.

    Raises
    ------
    UserCodeError
        If a constructor of user code raises.
    CheckError
        If a join has no map, or an argument is refused.
    """
    rooms = Rooms(parameters=Parameters([], validate=validate))
    rooms.intakes = {
        name: Intake(source, _source(source, plan.name), plan.folder, ledger) for name, source in plan.sources.items()
    }
    traits = {name: intake.source.traits for name, intake in rooms.intakes.items()}
    for merge in plan.merges.values():
        if all(stream in traits for stream in merge.streams):
            traits[merge.name] = merged_traits([traits[stream] for stream in merge.streams])
    joined = {stream for join in plan.joins.values() for stream in join.streams}
    for name, intake in rooms.intakes.items():
        if traits[name].number and name not in joined:
            intake.watch = NumberWatch(intake.entry, traits[name])
    maps = trigger_maps_of(plan, trigger_maps)
    rooms.joins = {
        name: JoinRoom(join, traits, ledger, maps.get(name), log, None if recorded is None else recorded.join(name))
        for name, join in plan.joins.items()
    }
    rooms.merges = {
        name: MergeRoom(merge, ledger, log)
        if recorded is None
        else ReplayedMerge(merge, ledger, recorded.merged(name), log)
        for name, merge in plan.merges.items()
    }
    for name, stage in plan.stages.items():
        own = contexts.setdefault(name, [])
        own.extend({} for _ in range(stage.workers - len(own)))
        if stage.kind == "map":
            rooms.stages[name] = MapRoom(
                stage, ledger, clock, own, maps, log, None if recorded is None else recorded.ranges_for(stage),
                None if recorded is None else recorded.ended_for(stage), plan.folder,
            )  # fmt: skip
        elif stage.kind == "reduce":
            rooms.stages[name] = ReduceRoom(stage, ledger, own[0])
        else:
            rooms.stages[name] = StepsRoom(stage, ledger, first_number(plan, name), plan.folder)
    for name, room in rooms.stages.items():
        if recorded is not None:
            room.crew.repeat(recorded.ticks_for(name), recorded.clock_from(name))
        if log is not None:
            room.crew.on_tick = log.append
    rooms.sinks = {
        name: SinkRoom(
            sink, sink_of(sink.element, name), ledger, _views(rooms.stages.get(sink.input)), *_chosen(plan, sink)
        )
        for name, sink in plan.sinks.items()
    }
    _connect(plan, rooms)
    _declare(rooms, values, started, None if recorded is None else recorded)
    return rooms


def _source(plan: SourcePlan, pipeline: str) -> Source:
    live = source_of(plan.element, plan.name)
    if isinstance(live, ValueSource):
        live.pipeline = pipeline
    return live if plan.before is None else ResumedSource(source_of(plan.before, plan.name), live)


def _connect(plan: Plan, rooms: Rooms) -> None:
    outlets = rooms.outlets
    for sink in plan.sinks.values():
        if sink.is_recorder:  # first: what user code fails on is recorded
            _read(plan, outlets, sink.input, rooms.sinks[sink.name])
    for join in plan.joins.values():
        for stream in join.streams:
            outlets[stream].rooms.append(rooms.joins[join.name])
    for merge in plan.merges.values():
        for stream in merge.streams:
            outlets[stream].rooms.append(rooms.merges[merge.name])
    for stage in plan.stages.values():
        for _, producer in stage.inputs:
            _read(plan, outlets, producer, rooms.stages[stage.name])
    for sink in plan.sinks.values():
        for written in [] if sink.is_recorder else _inputs_of(plan, sink):
            _read(plan, outlets, written, rooms.sinks[sink.name])


def _chosen(plan: Plan, sink: SinkPlan) -> tuple[str, str]:
    """Return what a sink that chooses by results reads, and which stream of it is wanted."""
    return ("", "") if sink.where is None else chosen_input(plan, sink)[:2]


def _inputs_of(plan: Plan, sink: SinkPlan) -> list[str]:
    """Return what a sink reads, and the results by which it chooses."""
    if sink.where is not None:
        return list(dict.fromkeys([_chosen(plan, sink)[0], sink.where[0]]))
    return [f"{sink.input}.{sink.lane}" if sink.lane else sink.input]


def _read(plan: Plan, outlets: Mapping[str, Outlet], written: str, room: Room) -> None:
    name, lane = split_input(written)
    if lane:
        inputs = {stage.name: stage.inputs for stage in plan.stages.values()}
        groups = {group.name: group.streams for each in (plan.joins, plan.merges) for group in each.values()}
        room = OneLane(room, written, origins(inputs, groups, written))
    outlets[name].rooms.append(room)


def _declare(rooms: Rooms, given: Mapping[str, Any], started: Timestamp, recorded: RecordedRun | None) -> None:
    """Put the parameters of all user code under one history; where one is repeated, under one of each stage."""
    declared = {p.address: p for room in rooms.stages.values() for i in room.crew.instances for p in i.parameters}
    values = {
        p.address: i.value_of(p) for room in rooms.stages.values() for i in room.crew.instances for p in i.parameters
    }
    changes = [] if recorded is None else recorded.changes
    goes_on = recorded is not None and recorded.resumed is not None
    found = Parameters(declared.values(), values, validate=validate, when=started)
    if given:
        values |= {found.find(name).address: value for name, value in given.items()}
        found = Parameters(declared.values(), values, validate=validate, when=started)
    rooms.parameters = found
    # Behind steps that number anew, a change has another number than elsewhere.
    is_apart = bool(changes or goes_on or rooms.renumbering)
    for name, room in rooms.stages.items():
        room.crew.parameters = rooms.parameters
        if is_apart:
            room.crew.parameters = _followed(found, values, changes, name)
        for instance in room.crew.instances:
            instance.apply(rooms.parameters.latest)
    for change in changes if goes_on else ():
        found.follow(change.revision, change.first, change.values)


def _followed(
    declared: Parameters, values: Mapping[str, Any], changes: Sequence[ParametersSet], stage: str
) -> Parameters:
    """Return the parameters of one stage with all their changes, each from the event on from which it had it."""
    found = Parameters(declared, values, validate=validate, keep=len(changes) + KEPT_CHANGES)
    for change in changes:
        found.follow(change.revision, change.stages.get(stage, change.first), change.values)
    return found


def _views(room: Stage | None) -> Callable[[], tuple[Any, int]] | None:
    if not isinstance(room, ReduceRoom):
        return None
    return lambda: (room.reducer.views, room.version)


def trigger_maps_of(plan: Plan, given: Mapping[str, TriggerMap]) -> dict[str, TriggerMap]:
    """Return the map of every join by trigger map; an open one is the run's own, which may grow.

    Raises
    ------
    CheckError
        If a join has none.
    """
    joins = [join for join in plan.joins.values() if join.by == "trigger-map"]
    lacking = [join.name for join in joins if join.name not in given and waits_for_map(join)]
    if lacking:
        remedy = (
            "give one with `penstock run --map FILE`, or write it as {trigger-map: {file: map.json}}; or add "
            "`--serve 8400 --stay`: then each scan begins a run and brings its map over HTTP"
        )
        text = "waits for a trigger map of the scan"
        raise CheckError([Problem(where=f"events.{name}", text=text, remedy=remedy) for name in lacking])
    found = {join.name: given.get(join.name) or map_of(join, plan.folder) for join in joins}
    return {name: TriggerMap.of_tables(each.tables()) if each.is_open else each for name, each in found.items()}
