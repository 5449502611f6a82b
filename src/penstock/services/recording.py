"""What is kept of a recorded run beside its streams, so that it can be replayed: the event log, and what ran."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from penstock.core.decoder import Traits
from penstock.core.stream_address import StreamAddress
from penstock.core.timestamp import Timestamp
from penstock.elements.recorder import Recorder
from penstock.elements.stage_recorder import StageRecorder
from penstock.elements.stream_traits import traits_as_metadata
from penstock.errors import PenstockError, SinkError
from penstock.pipeline.plan import Plan
from penstock.services.run_names import free_name, own_version
from penstock.streams.store import Store, StreamInfo, StreamState

__all__ = [
    "EVENT_LOG",
    "begin_recording",
    "go_on_recording",
    "log_address",
    "note_traits",
    "recorded_names",
    "stream_address",
    "with_store",
]

EVENT_LOG = "event.log"
"""The source of event logs in a beamtime; no source of a pipeline has a dot in its name."""
LONGEST_ASKED_S = 5.0


def log_address(beamtime: str, run: str) -> StreamAddress:
    """Return where the event log of a run is."""
    return StreamAddress(beamtime, EVENT_LOG, run)


def stream_address(plan: Plan, source: str, run: str) -> StreamAddress:
    """Return where a recorded source of a run is."""
    return StreamAddress(plan.beamtime, plan.sources[source].record, run)


def recorded_names(store: Store, plan: Plan) -> set[str]:
    """Return the names of all runs that are recorded in the plan's beamtime.

    Raises
    ------
    StreamError
        If the store cannot be read.
    """
    return {info.address.stream for info in store.streams(StreamAddress(plan.beamtime, EVENT_LOG)) if _is_begun(info)}


def begin_recording(store: Store, plan: Plan, run: str, started: Timestamp, engine: str) -> None:
    """Write down what a run is, before it begins.

    Raises
    ------
    SinkError
        If a run of this name is recorded already, or the store cannot be written.
    """
    address = log_address(plan.beamtime, run)
    try:
        if _is_begun(store.info(address)):
            free = free_name(run, recorded_names(store, plan))
            raise SinkError(f"run {run} is recorded already, in {address}; name another run, such as {free}")
        store.set_metadata(address, about_run(plan, run, started, engine))
    except (PenstockError, OSError) as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(f"the store of recorded runs: {error}") from error


def go_on_recording(store: Store, plan: Plan, run: str, started: Timestamp, engine: str) -> None:
    """Write down that a run is resumed, and by what, before it goes on; what it was before is kept beside.

    Raises
    ------
    SinkError
        If the store cannot be written.
    """
    address = log_address(plan.beamtime, run)
    try:
        before = dict(store.metadata(address) or {})
        earlier = before.pop("earlier", [])
        about = about_run(plan, run, started, engine)
        begun = {"begun": before.get("begun", before.get("started", "")), "earlier": [*earlier, before]}
        store.set_metadata(address, {**about, **begun, "text": about["text"] or before.get("text", "")})
    except (PenstockError, OSError) as error:
        raise SinkError(f"the store of recorded runs: {error}") from error


def note_traits(store: Store, plan_name: str, run: str, sources: Mapping[StreamAddress, Traits]) -> None:
    """Say at every recorded stream of what run it is, and what is known of its instrument.

    Raises
    ------
    StreamError
        If the store cannot be written.
    """
    for address, traits in sources.items():
        store.set_metadata(address, {"pipeline": plan_name, "run": run, **traits_as_metadata(traits)}, "update")


def with_store(plan: Plan, store: Store) -> Plan:
    """Return a plan whose recorders write into a store that is here already."""
    sinks = {
        name: replace(sink, element=replace(sink.element, arguments={**sink.element.arguments, "store": store}))
        if sink.element.target in (Recorder, StageRecorder)
        else sink
        for name, sink in plan.sinks.items()
    }
    return replace(plan, sinks=sinks)


def about_run(plan: Plan, run: str, started: Timestamp, engine: str) -> dict[str, Any]:
    folder = str(Path(plan.folder).resolve())
    return {
        "run": run,
        "pipeline": plan.name,
        "started": started.isoformat(),
        "engine": engine,
        "text": plan.text,
        "folder": folder,
        "sources": {name: str(stream_address(plan, name, run)) for name, each in plan.sources.items() if each.record},
        "not_recorded": [name for name, each in plan.sources.items() if not each.record],
        "merges": {name: list(merge.streams) for name, merge in plan.merges.items()},
        "stages": {n: str(StreamAddress(plan.beamtime, s.record, run)) for n, s in plan.stages.items() if s.record},
        "workers": {name: stage.workers for name, stage in plan.stages.items()},
        "commit": _commit(folder),
        "penstock": own_version(),
        "python": platform.python_version(),
        "packages": dict(_packages()),
    }


def _is_begun(info: StreamInfo) -> bool:
    """Whether anything is written in an event log, or it has ended: one that was only looked for is free."""
    return bool(info.count) or info.state is not StreamState.OPEN


@cache
def _packages() -> Mapping[str, str]:
    """Return every package that is installed, with its version; to look takes a tenth of a second."""
    return {found.name: found.version for found in distributions() if found.name}


def _commit(folder: str) -> str:
    """Return the commit of the user's code, with ``+`` if it was changed since; empty if there is none."""
    try:
        found = [
            subprocess.run(
                ["git", "-C", folder, *words], capture_output=True, text=True, timeout=LONGEST_ASKED_S, check=True
            ).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return found[0] + ("+" if found[1] else "")
