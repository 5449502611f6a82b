"""Recorded runs for tests: made live, replayed on any engine, and their views compared byte for byte."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from penstock.engines.inline import InlineRun
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from penstock.services.recorded_run import RecordedRun
from penstock.streams.opened import opened_store
from tests.system import recorded_code as code
from tests.system.watching import PATIENCE_S

STORE = "penstock-data"


def pipeline(
    folder: Path, *, faults: str = "", rows: int = 6, gate: str = "", map: Map | None = None,  # noqa: A002
    pace_s: float = 0.0, reduce: Any = code.Log, has_messages: bool = True, source: Any = code.Faulty,
    sinks: Mapping[str, Sink] | None = None,
) -> Pipeline:  # fmt: skip
    """Return three instruments in two joins, one of them also read directly; everything is recorded."""

    def recorded(instrument: str) -> Source:
        return Source(source, instrument=instrument, rows=rows, faults=faults, gate=gate, pace_s=pace_s, record=True)

    cells = {"events": rows * code.COLUMNS}
    by = {"trigger-map": {"map": dict.fromkeys(("stins", "pandabox"), cells), "reorder": 4}}
    logs = ["points", "spectra"]
    wait_s = 0.02 if faults else 25.0  # so short that chance decides what comes in time
    of_messages: dict[str, Map | Reduce] = {}
    if has_messages:
        logs.append("weights")
        of_messages = {"weigh": Map(code.weight, source="xspress3"), "weights-log": Reduce(code.Log, source="weigh")}
    return Pipeline(
        name="recorded",
        beamtime="c1",
        sources={name: recorded(name) for name in ("stins", "pandabox", "xspress3")},
        events={
            "by-map": Join("stins", "pandabox", by=by, wait_s=wait_s),
            "by-order": Join("xspress3", "stins", by="order", wait_s=wait_s),
        },
        stages={
            "measure": map or Map(code.everything, source="by-map", workers=2),
            "look": Map(code.everything, source="by-order", workers=2),
            "points-log": Reduce(reduce, source="measure"),
            "spectra-log": Reduce(code.Log, source="look"),
            **of_messages,
        },
        sinks={
            **{name: Sink("hdf5", source=f"{name}-log", path=f"{{run}}-{name}.h5") for name in logs},
            **(sinks or {}),
        },
        folder=folder,
    )


@contextmanager
def recorded(folder: Path, run: str, **options: Any) -> Iterator[RecordedRun]:
    """Open a recorded run."""
    with opened_store(STORE, folder) as store:
        yield replace(RecordedRun.read(store, run, store_name=str(folder / STORE)), **options)


def views(report: RunReport) -> dict[str, bytes]:
    """Return all views that a run wrote, as bytes."""
    found: dict[str, bytes] = {}

    for sink, path in report.outputs.items():

        def read(name: str, item: h5py.Group | h5py.Dataset, sink: str = sink) -> None:
            if isinstance(item, h5py.Dataset):
                is_text = item.dtype == object
                found[f"{sink}/{name}"] = repr(item.asstr()[()].tolist()).encode() if is_text else item[()].tobytes()

        with h5py.File(path) as file:
            file.visititems(read)
    return found


def rows(report: RunReport, sink: str) -> list[str]:
    """Return what a log says, line by line."""
    with h5py.File(report.outputs[sink]) as file:
        found: list[str] = file["rows"].asstr()[()].tolist()
    return found


def replayed(pipeline: Pipeline, engine: str, run: RecordedRun, **options: Any) -> RunReport:
    """Replay a run; its books add up."""
    report: RunReport = pipeline.run(engine, replay=run, **options)
    assert report.adds_up, report.edges
    return report


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def run_inline(pipeline: Pipeline, meanwhile: Callable[[InlineRun], None], **options: Any) -> RunReport:
    """Run in this thread, doing something between any two steps."""
    run = InlineRun(pipeline.plan(), **options)
    run.open()
    while run.step():
        meanwhile(run)
    return run.finish()
