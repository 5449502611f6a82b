"""Files as instruments: an HDF5 file and an ingester's dump in one run, joined event by event."""

from pathlib import Path

import h5py
import numpy as np

from penstock.formats.ingester_dump import DumpedEvent, DumpedStream, encode_event
from penstock.protocols import contrast
from tests.system.commands import ended

POINTS = 20
PIPELINE = """
name: files
sources:
  camera: {use: hdf5, file: scan.h5, data: /images, key: /frame, every_s: 0.001}
  motors: {use: ingester-dump, file: scan.cbors, number: event}
events:
  points: {join: [camera, motors], by: key}
stages:
  measure: {from: points, map: analysis:measure, workers: 2}
sinks:
  out: {use: json-lines, from: measure, path: out.jsonl}
"""
CODE = """
def measure(event):
    camera, motors = event["camera"], event["motors"]
    return [camera.key, motors.metadata["x"], int(camera.array[0])]
"""


def test_files_are_joined_like_instruments(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["images"] = np.arange(POINTS * 3).reshape(POINTS, 3)
        file["frame"] = np.arange(1, POINTS + 1)
    packets = [
        contrast.encode_start(7),
        *[contrast.encode_point(x=n / 2) for n in range(POINTS)],
        contrast.encode_end(7),
    ]
    dumped = [DumpedEvent(n, {"contrast": DumpedStream("contrast", tuple(p))}) for n, p in enumerate(packets)]
    (tmp_path / "scan.cbors").write_bytes(b"".join(map(encode_event, dumped)))
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "analysis.py").write_text(CODE)
    said = ended("run", "pipeline.yaml", folder=tmp_path)
    assert said.code == 0, said.text
    lines = (tmp_path / "out.jsonl").read_text().split("\n")[:-1]
    assert sorted(lines) == sorted(f"[{n + 1},{n / 2},{n * 3}]" for n in range(POINTS))
