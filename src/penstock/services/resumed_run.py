"""A recorded run that was cut off and goes on: whether it can, what of it still holds, and its plan."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from penstock.core.log_records import EventsFormed, RunResumed
from penstock.core.log_repeats import held_records
from penstock.core.message import Kind
from penstock.core.stream_address import StreamAddress
from penstock.elements.recorder import Recorder
from penstock.elements.replayed_source import ReplayedSource
from penstock.elements.stage_recorder import StageRecorder
from penstock.errors import CheckError, PenstockError, Problem, StateError
from penstock.pipeline.plan import Element, Plan, SourcePlan
from penstock.services.recorded_run import CUT_OFF, RecordedRun
from penstock.services.recording import log_address, stream_address
from penstock.services.roots import roots_of
from penstock.streams.store import Store, StreamState

__all__ = ["missed_text", "missed_until", "resumable", "resumed_plan"]


def resumable(recorded: RecordedRun, plan: Plan, now_ns: int) -> RecordedRun:
    """Return a run as far as it still holds, if it can go on.

    An event of the log does not hold if one of its messages was not kept, and then no later one of its join.

    Raises
    ------
    StateError
        If it has ended, or somebody runs it, or its log or a recording cannot be continued; the text says which.
    CheckError
        If the plan reads what was not recorded, or something that cannot go on.
    StreamError
        If its streams cannot be read.
    """
    store, run = recorded.store, recorded.run
    if not recorded.cut_off:
        raise StateError(f"run {run} has ended, {recorded.outcome}: there is nothing to resume; replay it")
    if store.info(log_address(recorded.beamtime, run)).state is StreamState.OPEN:
        raise StateError(f"run {run} is running: somebody writes its event log")
    if recorded.cut_off != CUT_OFF:
        raise StateError(f"run {run} cannot be resumed: {recorded.cut_off}")
    if problems := [*recorded.problems(plan), *_merges(plan), *_elsewhere(recorded, plan)]:
        raise CheckError(problems)
    last_ids = {name: _last_id(store, name, address) for name, address in recorded.about["sources"].items()}
    joins = {name: _first_lost(recorded, name, last_ids) for name in plan.joins}
    firsts = {**joins, **{name: last + 1 for name, last in last_ids.items()}}
    stages = {stage: min(firsts[root] for root in roots) for stage, roots in roots_of(plan).items()}
    resumed = RunResumed(resumed_ns=now_ns, joins=joins, stages=stages, last_ids=last_ids)
    return replace(recorded, records=held_records([*recorded.records, resumed])[:-1], cut_off="", resumed=resumed)


def resumed_plan(recorded: RecordedRun, plan: Plan) -> Plan:
    """Return a plan whose sources give what was recorded first, and whose recorders write on behind it."""
    store: Any = recorded.store_name or recorded.store
    sources = {name: replace(source, before=_before(recorded, source, store)) for name, source in plan.sources.items()}
    if _was_closing(recorded):
        sources = {
            name: replace(source, element=_before(recorded, source, store), before=None)
            for name, source in plan.sources.items()
        }
    sinks = {
        name: replace(sink, element=replace(sink.element, arguments={**sink.element.arguments, "store": store}))
        if sink.element.target in (Recorder, StageRecorder)
        else sink
        for name, sink in plan.sinks.items()
    }
    stages = recorded.staffed(plan, goes_on=True)
    return replace(plan, sources=sources, sinks=sinks, stages=stages, store=recorded.store_name or plan.store)


def missed_until(recorded: RecordedRun) -> Mapping[str, int]:
    """Return the last message that was kept of each source that had more to say when the run was cut off."""
    assert recorded.resumed is not None, "only of a run that goes on"
    if _was_closing(recorded):
        return {}
    return {
        name: last_id
        for name, last_id in recorded.resumed.last_ids.items()
        if not _is_at_end(recorded.store, recorded.about["sources"][name], last_id)
    }


def missed_text(source: str, last_id: int) -> str:
    """Say what is missing of a source that does not repeat what nobody read."""
    return f"{source} is read again behind message {last_id}: what it sent while the run was cut off is missing"


def _was_closing(recorded: RecordedRun) -> bool:
    """Whether everything had been read when it was cut off: recordings are finished when nothing more is to come."""
    addresses = [StreamAddress.parse(written) for written in recorded.about["sources"].values()]
    return any(recorded.store.info(address).state is StreamState.FINISHED for address in addresses)


def _before(recorded: RecordedRun, source: SourcePlan, store: Any) -> Element:  # Store | str
    return Element(
        name="recorded",
        target=ReplayedSource,
        arguments={"address": recorded.about["sources"][source.name], "store": store},
        where=f"sources.{source.name}",
    )


def _last_id(store: Store, source: str, written: str) -> int:
    info = store.info(StreamAddress.parse(written))
    if info.state is StreamState.ABORTED:
        raise StateError(f"the recording of {source} has ended ({info.reason}), so the run cannot go on; replay it")
    if info.state is StreamState.OPEN and info.count:
        raise StateError(f"somebody writes {info.address}, the recording of {source}; is the run still running?")
    return info.last_id


def _first_lost(recorded: RecordedRun, join: str, last_ids: Mapping[str, int]) -> int:
    """Return the first event of a join of which a message was not kept, or that was not formed."""
    following = 0
    for record in recorded.formed:
        if record.join != join or record.kind != Kind.DATA:
            continue
        n = min((_whole(record, k, last_ids[stream]) for k, stream in enumerate(record.streams)), default=0)
        if n < len(record.numbers):
            return int(record.numbers[n])
        following = int(record.numbers[-1]) + 1
    return following


def _whole(record: EventsFormed, k: int, last_id: int) -> int:
    """Return of how many events, from the first, everything of a stream was kept."""
    lost = record.ids_in(k) > np.uint64(last_id)
    if not lost.any():
        return len(record.numbers)
    ends = np.cumsum(np.abs(record.counts[k]))
    return int(np.searchsorted(ends, int(lost.argmax()), "right"))


def _is_at_end(store: Store, written: str, last_id: int) -> bool:
    """Whether the last message that was kept is the end of its scan."""
    try:
        with store.read(StreamAddress.parse(written)) as reader:
            found = next(reader.get(last_id), None) if last_id else None
    except PenstockError:
        return False
    return found is not None and found.block.kind is Kind.END


def _merges(plan: Plan) -> list[Problem]:
    return [
        Problem(
            where=f"events.{name}", text="a merge cannot go on where it was cut off",
            remedy="replay the run; for the next one read its streams one by one, or join them",
        )
        for name in plan.merges
    ]  # fmt: skip


def _elsewhere(recorded: RecordedRun, plan: Plan) -> list[Problem]:
    """Return the sources that would not be recorded on where they were."""
    found = []
    for name, source in plan.sources.items():
        there = recorded.about["sources"].get(name)
        here = str(stream_address(plan, name, recorded.run)) if source.record else "nowhere"
        if there is not None and here != there:
            text = f"would be recorded in {here}; so far it was in {there}"
            found.append(Problem(where=f"sources.{name}", text=text, remedy="leave beamtime and record as they were"))
    return found
