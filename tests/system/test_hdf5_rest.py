"""The views of a run that goes on, read by h5pyd and silx as if they were a file."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.pipeline import Map, Pipeline, Reduce, Source
from penstock.services.web_service import WebService
from tests.system import controlled, hdf5_code

h5pyd = pytest.importorskip("h5pyd", reason="h5pyd is needed: ./dev setup installs it")
SIDE = hdf5_code.SIDE


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebService]:
    """Give what serves the views of a run that goes on until the last test is done."""
    gate: Path = tmp_path_factory.mktemp("gate") / "end"
    pipeline = Pipeline(
        name="seen",
        sources={"camera": Source(controlled.Paced, rate=1000, gate=str(gate))},
        stages={
            "work": Map(controlled.weighed, source="camera"),
            "sum": Reduce(hdf5_code.Shown, source="work"),
        },
    )
    with WebService(port=0) as web, pipeline.start(web=web) as run:
        until(lambda: len(opened(web.address)["sum"]) > 0)
        yield web
        gate.touch()
        assert run.wait(20).outcome == "finished"


@pytest.fixture
def address(web: WebService) -> str:
    return web.address


def until(condition: Any, longest_s: float = 20.0) -> None:
    deadline = time.monotonic() + longest_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def opened(address: str, domain: str = "/", retries: int = 1) -> Any:
    return h5pyd.File(domain, "r", endpoint=address, retries=retries)


def test_groups_attributes_and_single_values(address: str) -> None:
    file = opened(address)
    assert list(file) == ["sum"]
    assert {name: file.attrs[name] for name in ("NX_class", "default", "pipeline")} == {
        "NX_class": "NXroot", "default": "sum", "pipeline": "seen",
    }  # fmt: skip
    stage = file["sum"]
    assert set(stage) == {"map", "rows", "records", "count", "fixed", "note", "labels"}
    assert stage.attrs["sample"] == "Cu"
    assert stage.attrs["default"] == "map"
    assert (stage["map"].attrs["signal"], list(stage["map"].attrs["axes"])) == ("Fe", ["y", "."])
    image = file["sum/map/Fe"]
    assert (image.shape, image.dtype) == ((SIDE, 2 * SIDE), np.dtype("i8"))
    said = {"units": "counts", "long_name": "Iron", "interpretation": "image"}
    assert {name: image.attrs[name] for name in said} == said
    assert file["sum/map/y"].attrs["units"] == "µm"
    assert file["sum/map/y"][...].tolist() == (np.arange(SIDE) / 2).tolist()
    assert file["sum/count"][()] > 0
    assert file["sum/note"][()].decode() == "stéady"
    assert [text.decode() for text in file["sum/labels"][...]] == ["a", "µ"]
    assert set(opened(address, "/sum")) == set(stage)
    with pytest.raises(FileNotFoundError):
        opened(address, "/nothing")
    with pytest.raises(KeyError):
        _ = file["sum/nothing"]


SLICES: list[Any] = [
    np.s_[...], np.s_[1:3, ::2], np.s_[2], np.s_[2, 5], np.s_[-1, 1:], np.s_[::3, 1:6:4], np.s_[[0, 3], 2:4],
    np.s_[:, [1, 4]], np.s_[1, [0, 2]], np.s_[2:2],
]  # fmt: skip


def test_parts_are_those_of_numpy(address: str) -> None:
    fixed, expected = opened(address)["sum/fixed"], np.arange(24.0).reshape(4, 6)
    for part in SLICES:
        found = fixed[part]
        assert found.shape == expected[part].shape, part
        assert np.array_equal(found, expected[part]), part
    mask = expected % 7 == 0
    assert fixed[mask].tolist() == expected[mask].tolist()
    assert fixed.points[[(3, 5), (0, 1), (3, 5)]].tolist() == [23, 1, 23]
    with pytest.raises((IndexError, ValueError)):
        _ = fixed[4]


def test_whatever_is_read_while_the_reducer_writes_is_of_one_event(address: str) -> None:
    image = opened(address)["sum/map/Fe"]
    seen: set[int] = set()
    deadline = time.monotonic() + 20
    while len(seen) < 5:
        for part in (np.s_[...], np.s_[::7, ::5], np.s_[:, [3, 90]]):
            events = set(image[part].ravel().tolist())
            assert len(events) == 1, part
            seen |= events
        assert time.monotonic() < deadline, "nothing changes"


def test_a_dataset_grows_when_it_is_refreshed_and_is_whole_before(address: str) -> None:
    file = opened(address)
    rows, records = file["sum/rows"], file["sum/records"]
    assert rows.maxshape == (None, 3)
    length = rows.shape[0]
    until(lambda: opened(address)["sum/rows"].shape[0] > length)
    whole = rows[...]
    assert whole.shape == rows.shape == (length, 3), "as it was when it was opened"
    rows.refresh()
    assert rows.shape[0] > length
    assert rows[:length].tolist() == whole.tolist()
    events = records[...]
    assert events.shape == records.shape
    assert events.dtype == hdf5_code.RECORD
    assert events["event"].tolist() == sorted(set(events["event"].tolist()))
    assert records["event"].tolist() == events["event"].tolist()
    assert set(events["tag"]) == {b"ok"}


def test_a_file_stays_open_when_the_web_process_is_killed(web: WebService) -> None:
    image = opened(web.address, retries=5)["sum/map/Fe"]
    before = web.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    until(lambda: web.pid not in (None, before))
    assert len(set(image[:2].ravel().tolist())) == 1


def test_silx_finds_what_to_plot_by_itself(address: str) -> None:
    silx = pytest.importorskip("silx.io", reason="silx is not installed")
    nxdata = pytest.importorskip("silx.io.nxdata")
    with silx.open(f"{address}/") as file:
        assert silx.is_file(file)
        found = nxdata.get_default(file)
        assert found is not None
        assert (found.signal_dataset_name, found.signal_name) == ("Fe", "Iron")
        assert found.signal.shape == (SIDE, 2 * SIDE)
        assert found.axes_dataset_names[0] == "y"
        assert found.signal[3, 4] > 0
