"""Files as instruments: modules of a detector and a scan's motors, joined in one run, in processes."""

from pathlib import Path

import h5py
import numpy as np

from penstock.formats.ingester_dump import DumpedEvent, DumpedStream, encode_event
from penstock.protocols import contrast
from tests.system.commands import ended

POINTS, LOST = 20, 5
PIPELINE = """
name: files
sources:
  left: {use: hdf5, file: left.h5, data: /images, key: /frame, every_s: 0.001}
  right: {use: hdf5, file: right.h5, data: /images, key: /frame}
  motors: {use: ingester-dump, file: scan.cbors, number: event}
events:
  points: {join: [left, right, motors], by: key, incomplete: pass, wait_s: 0.2}
stages:
  detector: {from: points, steps: [modules: {shape: [2, 3], at: {left: [0, 0], right: [0, 4]}}]}
  measure: {from: detector, map: analysis:measure}
  place: {from: points, map: analysis:place}
sinks:
  images: {use: json-lines, from: measure, path: images.jsonl}
  places: {use: json-lines, from: place, path: places.jsonl}
"""
CODE = """
def measure(image):
    assert image.geometry.image_shape == image.array.shape == (2, 7)
    return [image.key, int(image.array[0, 0]), int(image.array[0, 4]), int(image.mask.sum()), list(image.missing)]

def place(event):
    return [event["left"].key, event["motors"].metadata["x"]]
"""


def test_files_are_joined_like_instruments(tmp_path: Path) -> None:
    frames = np.arange(1, POINTS + 1)
    for name, kept in (("left", frames), ("right", frames[frames != LOST])):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["images"] = np.broadcast_to(kept[:, None, None], (len(kept), 2, 3)) * (1 if name == "left" else 10)
            file["frame"] = kept
    points = [contrast.encode_point(x=n / 2) for n in frames.tolist()]
    packets = [contrast.encode_start(7), *points, contrast.encode_end(7)]
    dumped = [DumpedEvent(n, {"contrast": DumpedStream("contrast", tuple(p))}) for n, p in enumerate(packets)]
    (tmp_path / "scan.cbors").write_bytes(b"".join(map(encode_event, dumped)))
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "analysis.py").write_text(CODE)
    said = ended("run", "pipeline.yaml", "--report", "report.json", folder=tmp_path)
    assert said.code == 0, said.text
    images = {n: f"[{n},{n},{n * 10},2,[]]" for n in frames.tolist()} | {LOST: f'[{LOST},{LOST},0,8,["right"]]'}
    assert sorted(lines(tmp_path / "images.jsonl")) == sorted(images.values())
    assert sorted(lines(tmp_path / "places.jsonl")) == sorted(f"[{n},{n / 2}]" for n in frames.tolist())
    assert "module right is missing" in (tmp_path / "report.json").read_text()


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1]
