"""A run as it was recorded: its event log, what it was, and where its streams are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Timestamp
from penstock.core.log_records import (
    EventsFormed,
    LogRecord,
    MapSet,
    Merged,
    ParametersSet,
    RangeWorked,
    RunEnded,
    RunResumed,
    Ticked,
)
from penstock.core.log_repeats import ended_at, held_records
from penstock.core.map_addition import MapAddition
from penstock.core.replayed_join import RecordedJoin
from penstock.core.trigger_map import TriggerMap
from penstock.elements.replayed_source import ReplayedSource
from penstock.errors import CheckError, Problem, StreamError
from penstock.formats.event_log import EventLogReader, LogHeader, encode_header, encode_record
from penstock.pipeline.plan import Element, Plan, StagePlan
from penstock.services.declared import declared_parameters
from penstock.services.recording import EVENT_LOG
from penstock.streams.store import Store, StreamInfo, StreamState
from penstock.wire.values import decode_value

__all__ = ["CUT", "CUT_OFF", "NO_SETTING", "RecordedRun", "recorded_runs", "repeats_ranges", "run_lines"]

NO_SETTING = "a replay has the parameters of its recording; give others when it begins"
CUT = "cut off"
CUT_OFF = "its event log has no end, so the run was cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """What a run was made of; read from a store."""

    run: str
    beamtime: str
    store: Store
    """Stays the caller's."""
    store_name: str = ""
    """By which another process opens it; empty if none can."""
    about: Mapping[str, Any]
    """What is kept beside: pipeline text, folder, commit, versions, addresses of streams."""
    records: Sequence[LogRecord] = ()
    cut_off: str = ""
    """Why the log has no end, if it has none."""
    first: int = 0
    """Replay from this event on."""
    speed: float = 0.0
    """In its own time times this; 0: as fast as it goes."""
    is_beside: bool = False
    """Beside a run that goes on: without sinks, alarms, journal and commands over ZeroMQ."""
    maps: Mapping[str, TriggerMap] = field(default_factory=dict)
    """The trigger maps, with all that was appended."""
    resumed: RunResumed | None = None
    """Where it goes on, if it is not replayed but resumed."""
    fixed: frozenset[str] = frozenset()
    """Addresses of parameters that are given for the replay, and stay so."""

    @classmethod
    def read(cls, store: Store, run: str, beamtime: str = "", *, store_name: str = "") -> "RecordedRun":
        """Read a run's event log.

        Raises
        ------
        StreamError
            If no such run is recorded, or several are, in different beamtimes.
        RemoteProtocolError
            If its log does not begin as an event log.
        """
        info = _found(store, run, beamtime)
        with store.read(info.address) as reader:
            try:
                data = b"".join(m.array.tobytes() for stored in reader.blocks() for m in stored.block.messages())
                trouble = ""
            except StreamError as error:
                raise StreamError(f"the event log of run {run} cannot be read: {error}") from error
        if not data:
            raise StreamError(f"the event log of run {run} is empty: the run was cut off before it began")
        log = EventLogReader(data)
        records = held_records(log)
        if log.torn is not None:
            trouble = f"its event log is damaged: {log.torn.why}"
        elif not any(isinstance(record, RunEnded) for record in records):
            trouble = CUT_OFF
        return cls(
            run=run, beamtime=info.address.beamtime, store=store, store_name=store_name,
            about=store.metadata(info.address) or {}, records=records, cut_off=trouble, maps=_maps(records),
        )  # fmt: skip

    @property
    def changes(self) -> list[ParametersSet]:
        """The changes of parameters, behind the start values, without those of parameters that stay as given."""
        found = [record for record in self.records if isinstance(record, ParametersSet) and record.revision]
        return [
            replace(change, values={key: value for key, value in change.values.items() if key not in self.fixed})
            for change in found
        ]

    @property
    def start_values(self) -> Mapping[str, Any]:
        """The start values of all parameters, by address."""
        return next((r.values for r in self.records if isinstance(r, ParametersSet) and not r.revision), {})

    @property
    def formed(self) -> list[EventsFormed]:
        """What was formed, of all joins."""
        return [record for record in self.records if isinstance(record, EventsFormed)]

    def log_for(self, plan: Plan) -> bytes:
        """Return what was formed, and the ranges that matter, as an event log for another process."""
        ranges = [worked for stage in plan.stages.values() for worked in self.ranges_for(stage) or ()]
        merged = [turn for name in plan.merges for turn in self.merged(name)]
        records: list[LogRecord] = [*self.formed, *merged, *ranges]
        if self.resumed is not None:  # whoever goes on must know all that is said
            records = [*self.records, self.resumed]
        return encode_header(LogHeader(run=self.run)) + b"".join(map(encode_record, records))

    def ranges_for(self, stage: StagePlan) -> list[RangeWorked] | None:
        """Return how ranges were cut and given to the workers of a stage; ``None`` if that cannot matter."""
        if not repeats_ranges(stage):
            return None
        return [record for record in self.records if isinstance(record, RangeWorked) and record.stage == stage.name]

    def ticks_for(self, stage: str) -> list[Ticked]:
        """Return the ticks of everybody in a stage, in their order."""
        found = (record for record in self.records if isinstance(record, Ticked) and record.stage == stage)
        return [tick for tick in found if not self.first or tick.after >= self.first]

    def clock_from(self, stage: str) -> int | None:
        """Return from which event on a stage ticks by the clock: behind what was recorded; ``None``: never."""
        return None if self.resumed is None else self.resumed.stages.get(stage)

    def ended_for(self, stage: StagePlan) -> NDArray[np.int64] | None:
        """Return the numbers of what had ended at a stage of a run that goes on, ascending; ``None`` of a replay."""
        return None if self.resumed is None else ended_at(self.records, stage.name)

    @property
    def outcome(self) -> str:
        """How the run ended; ``cut off`` if its log does not say."""
        return next((record.outcome for record in self.records if isinstance(record, RunEnded)), CUT)

    def merged(self, name: str) -> list[Merged]:
        """Return what the log says of one merge: whose turn it was."""
        return [record for record in self.records if isinstance(record, Merged) and record.merge == name]

    def join(self, name: str) -> RecordedJoin:
        """Return what the log says of one join."""
        records = [record for record in self.formed if record.join == name]
        return RecordedJoin(records=records, first=self.first, cut_off=self.cut_off, goes_on=self.resumed is not None)

    def plan(self, plan: Plan) -> Plan:
        """Return a plan whose sources are the recorded streams, and which records nothing.

        Raises
        ------
        CheckError
            If it reads what was not recorded, or something in it cannot be repeated.
        """
        if problems := self.problems(plan):
            raise CheckError(problems)
        addresses = self.about["sources"]
        store: Any = self.store_name or self.store
        sources = {
            name: replace(
                source,
                record="",
                element=Element(
                    name="recorded",
                    target=ReplayedSource,
                    arguments={"address": addresses[name], "store": store, "speed": self.speed},
                    where=f"sources.{name}",
                ),
            )
            for name, source in plan.sources.items()
        }
        if self.is_beside:
            plan = replace(plan, sinks={}, alarms={}, logs=None, control=None)
        sinks = {name: sink for name, sink in plan.sinks.items() if not sink.is_recorder}
        return replace(plan, sources=sources, sinks=sinks, stages=self.staffed(plan, goes_on=False))

    def staffed(self, plan: Plan, *, goes_on: bool) -> dict[str, StagePlan]:
        """Return the stages of a plan, with everybody from the start who was ever there and must do what he did.

        Parameters
        ----------
        goes_on
            Whether workers come and go with the load afterwards.
        """
        found = {}
        for name, stage in plan.stages.items():
            ranges = None if stage.limits is None else self.ranges_for(stage)
            if ranges is None:
                found[name] = stage
                continue
            there = max((int(worked.worker.rpartition("-")[2]) + 1 for worked in ranges), default=1)
            limits = stage.limits if goes_on else None
            found[name] = replace(stage, workers=max(there, stage.workers), limits=limits)
        return found

    def with_values(
        self, plan: Plan, given: Mapping[str, Any], started: Timestamp
    ) -> tuple["RecordedRun", dict[str, Any]]:
        """Return the run with some parameters as given, whatever they were then, and all start values.

        Raises
        ------
        ParameterError
            If one that is given is unknown, or refused.
        """
        declared, fixed = declared_parameters(plan, given, started)
        known = {parameter.address for parameter in declared}
        kept = {address: value for address, value in self.start_values.items() if address in known}
        return replace(self, fixed=frozenset(fixed)), kept | fixed

    def pipeline_text(self) -> tuple[str, Path]:
        """Return the pipeline that ran, as a file, and the folder of its code.

        Raises
        ------
        StreamError
            If it could not be written down when it ran.
        """
        text = self.about.get("text", "")
        if not text:
            raise StreamError(f"the pipeline of run {self.run} could not be written down; name a file with --pipeline")
        return text, Path(self.about["folder"])

    def warnings(self, plan: Plan) -> list[str]:
        """Say what may come out otherwise than when the run was recorded, and why."""
        found = [text for stage in plan.stages.values() for text in self._warnings_of(stage)]
        if self.cut_off:
            found.append(f"run {self.run} is replayed up to where it was recorded: {self.cut_off}")
        return found

    def _warnings_of(self, stage: StagePlan) -> Iterator[str]:
        where = f"stage {stage.name}"
        if len(stage.inputs) > 1:
            yield f"{where}: in which order it is given what comes from {len(stage.inputs)} inputs is chance"
        if stage.order == "free":
            yield f"{where}: its results leave in any order"
        for element in stage.elements:
            hooks = vars(element.target) if isinstance(element.target, type) else {}
            if "reduce_batch" in hooks:
                yield f"{where}: the ranges that reduce_batch of {element.name} is given may be cut otherwise"
        ranges = self.ranges_for(stage)
        if ranges:
            strange = {r.worker for r in ranges} - {f"{stage.name}-{k}" for k in range(stage.workers)}
            if stage.limits is not None and len({worked.worker for worked in ranges}) > 1:
                yield f"{where}: its workers came and went; here one of each name does what all of that name did"
            elif strange and stage.limits is None:
                yield f"{where}: it had {', '.join(sorted(strange))} too; {stage.workers} workers do their work now"
            if any(r.attempts > 1 for r in ranges):
                yield f"{where}: a worker died, and what it remembered with it; here it remembers"
            if self.first:
                yield f"{where}: its workers remember nothing of the events before {self.first}"

    def problems(self, plan: Plan) -> list[Problem]:
        """Say what keeps a plan from being run out of what was recorded."""
        recorded, merges = self.about.get("sources", {}), self.about.get("merges", {})
        found = [
            Problem(
                where=f"sources.{name}",
                text=f"it was not recorded in run {self.run}",
                remedy="leave it out with what reads from it; for the next run write record: true",
            )
            for name in plan.sources
            if name not in recorded
        ]
        found += [
            Problem(
                where=f"events.{name}",
                text=f"in which order {', '.join(merge.streams)} were taken is not in the event log of run {self.run}",
                remedy="leave it out with what reads from it, or merge what was merged then",
            )
            for name, merge in plan.merges.items()
            if merges.get(name) != list(merge.streams)
        ]
        if self.first:
            found += [
                Problem(
                    where=f"stages.{name}",
                    text=f"reads messages, which have no event numbers, so it cannot begin at event {self.first}",
                    remedy="replay the whole run",
                )
                for name, stage in plan.stages.items()
                if any(producer in plan.sources for _, producer in stage.inputs)
            ]
        return found


def repeats_ranges(stage: StagePlan) -> bool:
    """Whether the workers of a stage may remember, or work on a range at once: those that are no functions."""
    if stage.kind != "map" or stage.keeps_events:
        return False
    return any(isinstance(element.target, type) for element in stage.code)


def run_lines(store: Store, most: int | None = None) -> list[dict[str, Any]]:
    """Return what is worth knowing of the last recorded runs, by default of all, the oldest first."""
    return [
        {
            "beamtime": info.address.beamtime,
            "run": info.address.stream,
            "pipeline": about.get("pipeline", ""),
            "started": about.get("started", ""),
            "outcome": _outcome(store, info),
            "engine": about.get("engine", ""),
            "commit": about.get("commit", ""),
            "sources": dict(about.get("sources", {})),
            "not_recorded": list(about.get("not_recorded", [])),
        }
        for info, about in recorded_runs(store)[-(most or 0) :]
    ]


def _outcome(store: Store, info: StreamInfo) -> str:
    """Return how a run ended, as the last message of its log says."""
    unknown = "running" if info.state is StreamState.OPEN else CUT
    with store.read(info.address) as reader:
        message = reader.message(info.last_id)
    if message is None:  # it has just begun
        return unknown
    data = message.array.tobytes()
    log = EventLogReader(data if info.last_id == 1 else encode_header(LogHeader(run="")) + data)
    ended = next((record.outcome for record in log if isinstance(record, RunEnded)), "")
    return ended or unknown


def recorded_runs(store: Store) -> list[tuple[StreamInfo, Mapping[str, Any]]]:
    """Return every recorded run: the stream of its event log, and what is kept beside; the oldest first."""
    logs = [info for info in store.streams() if info.address.source == EVENT_LOG]
    return [(info, store.metadata(info.address) or {}) for info in logs]


def _found(store: Store, run: str, beamtime: str) -> StreamInfo:
    runs = [info for info, _ in recorded_runs(store)]
    found = [i for i in runs if i.address.stream == run and beamtime in ("", i.address.beamtime)]
    if len(found) == 1:
        return found[0]
    if found:
        beamtimes = ", ".join(info.address.beamtime for info in found)
        raise StreamError(f"run {run} is recorded in the beamtimes {beamtimes}; say which one")
    there_are = ", ".join(info.address.stream for info in runs[-5:])
    raise StreamError(f"no run {run} is recorded here; there {f'are {there_are}' if runs else 'is none'}")


def _maps(records: Sequence[LogRecord]) -> dict[str, TriggerMap]:
    found: dict[str, TriggerMap] = {}
    for record in records:
        if isinstance(record, MapSet):
            table = decode_value(record.table)
            if record.is_addition:
                found[record.join].add(MapAddition.of_table(table))
            else:
                found[record.join] = TriggerMap.of_tables(table)
    return found
