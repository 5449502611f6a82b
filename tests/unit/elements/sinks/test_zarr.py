"""The Zarr sink writes the same columns as the NeXus sink, and goes on after a kill."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.message import Kind, Message
from penstock.core.result_range import ResultRange
from penstock.elements.sinks.zarr import ZarrSink
from penstock.errors import SinkError
from penstock.views import ArrayView
from tests.unit.elements.sinks.nexus_frames import facts, frames

zarr = pytest.importorskip("zarr", reason="zarr is not installed")


def written(folder: Path, *flows: Any, **other: Any) -> Any:
    sink = ZarrSink()
    sink.open(facts(folder, **other))
    for flow in flows:
        sink.write_flow(flow)
    sink.close(True)
    return zarr.open_group(sink.path, mode="r")


def test_frames_and_what_is_said_of_them(tmp_path: Path) -> None:
    start = Block.of("eiger", [Message(kind=Kind.START, metadata={"n": 8})], 1)
    root = written(tmp_path, start, frames(0, 5), frames(5, 3), frames(8, 2, (3,)))
    group = root["eiger"]
    assert group.attrs["rows"] == 8
    assert group.attrs["start"] == ['{"id":1,"n":8}']
    assert group["data"][:, 19, 29].tolist() == list(range(8))
    assert group["exposure"][:].tolist() == [k / 4 for k in range(8)]
    ends = group["json_end"][:].tolist()
    assert group["json"][ends[4] : ends[5]].tobytes() == b'{"exposure":1.25,"name":"frame 5"}'
    assert root["eiger_2/data"].shape == (2, 3)
    assert root.attrs["outcome"] == "finished"


def test_results_with_fields_that_come_and_go(tmp_path: Path) -> None:
    first = ResultRange(stage="find", numbers=np.array([4]), values=[{"x": 1.0, "why": "dark"}])
    second = ResultRange(stage="find", numbers=np.array([6]), values=[{"y": 2.0}])
    third = ResultRange(stage="find", numbers=np.array([7]), values=[{"why": "a"}])
    group = written(tmp_path, first, second, third)["find"]
    assert group["event"][:].tolist() == [4, 6, 7]
    assert np.isnan(group["x"][1:]).all()
    assert np.isnan(group["y"][[0, 2]]).all()
    ends = group["json_end"][:].tolist()
    assert ends[0] == ends[1]
    assert group["json"][ends[1] : ends[2]].tobytes() == b'{"why":"a"}'


def test_compressed_frames_stay_so(tmp_path: Path) -> None:
    sink = ZarrSink()
    sink.open(facts(tmp_path))
    packed = np.arange(10, dtype=np.uint8)
    sink.write_numbered(np.array([1]), [Message(id=1, array=packed, encodings=(Encoding("bslz4", "<u2", (2, 3)),))])
    sink.close(True)
    data = zarr.open_group(sink.path, mode="r")["file/data"]
    assert data[:].tobytes() == packed.tobytes()
    assert dict(data.attrs) == {"encoding": "bslz4", "dtype": "<u2", "shape": [2, 3]}


def test_a_successor_writes_on_and_knows_what_is_there(tmp_path: Path) -> None:
    sink = ZarrSink()
    sink.open(facts(tmp_path))
    sink.write_flow(frames(0, 8))
    torn = zarr.open_group(sink.path)["eiger/data"]  # as of a process that is killed while it writes
    torn.resize((12, 20, 30))
    torn[8:] = 99
    root = written(tmp_path, frames(4, 8), goes_on=True)
    assert root["eiger/key"][:].tolist() == list(range(12))
    assert root["eiger/data"][:, 0, 0].tolist() == list(range(12))


def test_views(tmp_path: Path) -> None:
    sink = ZarrSink()
    sink.open(facts(tmp_path, is_views=True))
    for k in range(2):
        view = ArrayView((2, 3), "u4", unit="counts")
        view.set((1, 2), k)
        sink.write({"map": {"counts": view}, "why": "light"})
    sink.close(True)
    root = zarr.open_group(sink.path, mode="r")
    assert root["map/counts"][1, 2] == 1
    assert root["map/counts"].attrs["unit"] == "counts"
    assert root.attrs["why"] == "light"


def test_stores_that_are_there(tmp_path: Path) -> None:
    sink = ZarrSink()
    sink.open(facts(tmp_path))
    sink.close(True)
    assert not list(tmp_path.iterdir())
    for _ in range(2):
        written(tmp_path, frames(0, 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r7-2.zarr", "r7.zarr"]
    with pytest.raises(SinkError, match="say existing: next"):
        ZarrSink(existing="refuse").open(facts(tmp_path))
    with pytest.raises(SinkError, match="/proc/no-such"):
        ZarrSink("/proc/no-such/x.zarr").open(facts(tmp_path))
