"""Compressed frames pass through processes, joins, recordings and streams as they came; workers see arrays."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from penstock.core.encoded_message import EncodedMessage
from penstock.core.stream_address import StreamAddress
from penstock.monitor.report import RunReport
from penstock.pipeline import Join, Map, Pipeline, Reduce, Sink, Source
from penstock.services.simulated import Simulated
from penstock.services.simulation import Setup
from penstock.streams.opened import opened_store
from tests.system import compressed_code as code
from tests.system.recorded_runs import STORE, recorded, replayed, views

pytest.importorskip("imagecodecs")
pytest.importorskip("bitshuffle")

ENGINES = ("inline", "local")
WRONG = [code.CUT, code.UNKNOWN]
RIGHT = [number for number in range(code.N) if number not in WRONG]


def pipeline(folder: Path, camera: Source | None = None) -> Pipeline:
    """Return the camera alone and joined, recorded, and given to a stream as it is."""
    stages: dict[str, Map | Reduce] = {
        "add": Map(code.total, source="camera", workers=2, on_error="dead_letter"),
        "look": Map(code.untouched, source="camera"),
        "join": Map(code.Whole, source="scan", on_error="dead_letter"),
    }
    tables: dict[str, Map | Reduce] = {f"{name}-table": Reduce(code.Table, source=name) for name in stages}
    return Pipeline(
        name="compressed",
        beamtime="c1",
        sources={"camera": camera or Source(code.Camera, record=True), "clock": Source(code.Clock, record=True)},
        events={"scan": Join("camera", "clock", by="key")},
        stages=stages | tables,
        sinks={
            **{f"{name}-file": Sink("hdf5", source=f"{name}-table", path=f"{{run}}-{name}.h5") for name in stages},
            "kept": Sink("stream", source="camera", address="c1/kept/{run}"),
        },
        folder=folder,
    )


def rows(report: RunReport, name: str) -> list[list[int]]:
    with h5py.File(report.outputs[f"{name}-file"]) as file:
        return sorted(file["rows"][()].tolist())


@pytest.mark.parametrize("engine", ENGINES)
def test_frames_of_every_codec_are_decoded_where_they_are_asked_for(engine: str, tmp_path: Path) -> None:
    live = pipeline(tmp_path).run(engine, run_id="live")
    assert live.adds_up
    assert live.outcome == "finished", live.reasons
    sums = {number: int(code.image(number).sum()) for number in RIGHT}
    totals, seen = rows(live, "add"), rows(live, "look")
    assert [row[:2] for row in totals] == [[number, sums[number]] for number in RIGHT]
    assert rows(live, "join") == [[number, sums[number], 0] for number in RIGHT]
    assert [row[0] for row in seen] == list(range(code.N))  # also what cannot be decoded travels
    assert [row[1] for row in seen if row[0] in RIGHT] == [row[2] for row in totals]
    assert all(size < code.image(number).nbytes for number, size, encoded in seen if encoded)
    causes = sorted(str(letter["cause"]) for letter in live.dead_letters if letter["stage"] == "add")
    assert causes[1].startswith(f"DecodingError: stream camera, frame {code.CUT} (message {code.CUT + 2}): bslz4, ")
    assert causes[0].startswith(
        f"DecodingError: stream camera, frame {code.UNKNOWN} (message {code.UNKNOWN + 2}): own, "
    )
    assert sorted(letter["event"] for letter in live.dead_letters if letter["stage"] == "join") == WRONG
    check_kept(tmp_path, "c1/kept/live")
    check_kept(tmp_path, "c1/camera/live")
    other = ENGINES[1 - ENGINES.index(engine)]
    with recorded(tmp_path, "live") as run:
        again = replayed(pipeline(tmp_path), other, run)
    assert views(again) == views(live)
    from_stream = pipeline(tmp_path, Source("stream", address="c1/kept/live")).run(other, run_id="from-stream")
    assert [row[:2] for row in rows(from_stream, "add")] == [row[:2] for row in totals]


def check_kept(folder: Path, address: str) -> None:
    with opened_store(STORE, folder) as store, store.read(StreamAddress.parse(address)) as reader:
        kept = [message for stored in reader.blocks() for message in stored.messages() if message.key is not None]
    assert [message.key for message in kept] == list(range(code.N))
    for message in kept:
        number: Any = message.key
        assert isinstance(message, EncodedMessage) == (message.metadata["compression"] != "none")
        if number in RIGHT:
            np.testing.assert_array_equal(message.array, code.image(number))


def test_a_simulated_camera_compresses(tmp_path: Path) -> None:
    found = {}
    for compression in ("", "bslz4"):
        setup = Setup(instrument="stins", rows=2, columns=3, compression=compression)
        with Simulated(setup) as camera:
            made = Pipeline(
                name="camera",
                sources={"camera": Source("stins", connect=camera.address)},
                stages={"total": Map(code.total, source="camera"), "table": Reduce(code.Table, source="total")},
                sinks={"one-file": Sink("hdf5", source="table", path="{run}.h5")},
                folder=tmp_path,
            )
            report = made.run("inline", run_id=f"run{compression}")
        assert report.outcome == "finished", report.reasons
        found[compression] = rows(report, "one")
    assert [row[:2] for row in found["bslz4"]] == [row[:2] for row in found[""]]
    assert all(packed[2] < whole[2] == 8192 for packed, whole in zip(found["bslz4"], found[""], strict=True))
