"""The HDF5 sink writes trees whole, with what they say of themselves, or not at all."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from penstock.core.timestamp import Timestamp
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.hdf5 import Hdf5Sink
from penstock.errors import ResultTypeError, SinkError
from penstock.views import ArrayView, Axis


@pytest.fixture
def run(tmp_path: Path) -> RunFacts:
    return RunFacts(pipeline="xrf", run="r1", started=Timestamp(10**18), version="0.1", folder=str(tmp_path))


def tree() -> dict[str, Any]:
    y, x = Axis("y", "mm", np.array([0.0, 0.5])), Axis("x", "mm", np.array([1.0, 2.0, 3.0]))
    counts = ArrayView((2, 3, 4), "u4", unit="counts", axes=(y, x, Axis("channel")), title="per channel")
    counts.set((1, 2), 7)
    lines = ArrayView((2,), axes=(Axis("line", values=np.array(["Fe", "Ni"])),))
    return {"map": {"counts": counts, "sum": ArrayView((2, 3), axes=(y, x))}, "lines": {"weights": lines}}


def written(run: RunFacts, item: Any) -> h5py.File:
    sink = Hdf5Sink()
    sink.open(run)
    sink.write(item)
    sink.close(True)
    return h5py.File(sink.path)


def test_facts_of_the_run(run: RunFacts) -> None:
    with written(run, tree()) as file:
        assert file.attrs["pipeline"] == "xrf"
        assert file.attrs["run"] == "r1"
        assert file.attrs["outcome"] == "finished"
        assert file.attrs["penstock_version"] == "0.1"
        assert file.attrs["started"] == "2001-09-09T01:46:40.000000000Z"


def test_views_with_units_and_axes(run: RunFacts) -> None:
    with written(run, tree()) as file:
        counts = file["map/counts"]
        assert counts.dtype == np.uint32
        assert counts[1, 2].tolist() == [7, 7, 7, 7]
        assert counts.attrs["units"] == "counts"
        assert counts.attrs["long_name"] == "per channel"
        assert list(counts.attrs["axes"]) == ["y", "x", "channel"]
        assert counts.dims[0]["y"][()].tolist() == [0.0, 0.5]
        assert file["map/x"].attrs["units"] == "mm"
        assert file["lines/line"].asstr()[()].tolist() == ["Fe", "Ni"]


def test_groups_say_what_to_plot(run: RunFacts) -> None:
    with written(run, tree()) as file:
        assert dict(file["map"].attrs, axes=list(file["map"].attrs["axes"])) == {
            "NX_class": "NXdata",
            "signal": "counts",
            "axes": ["y", "x", "."],
        }


@pytest.mark.parametrize(
    ("leaf", "read"),
    [
        (3, 3),
        (2.5, 2.5),
        (True, True),
        ([1, 2], [1, 2]),
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.array([], "f8"), []),
        (np.array(["2001-09-09T01:46:40"], "M8[s]"), [10**18]),
        (np.array([2], "m8[ms]"), [2_000_000]),
    ],
)
def test_plain_leaves(run: RunFacts, leaf: Any, read: Any) -> None:
    with written(run, {"leaf": leaf}) as file:
        assert file["leaf"][()].tolist() == read


def test_text(run: RunFacts) -> None:
    with written(run, {"one": "Kα µ", "many": ["Fe", "Nickel"], "none": ""}) as file:
        assert file["one"].asstr()[()] == "Kα µ"
        assert file["many"].asstr()[()].tolist() == ["Fe", "Nickel"]
        assert file["none"].asstr()[()] == ""


def test_axes_of_one_name_and_other_values(run: RunFacts) -> None:
    views = {
        name: ArrayView((n,), axes=(Axis("x", values=np.arange(n)),)) for name, n in (("a", 2), ("b", 3), ("c", 2))
    }
    with written(run, views) as file:
        assert sorted(file) == ["a", "b", "b_x", "c", "x"]
        assert file["b"].dims[0][0][()].tolist() == [0, 1, 2]


def test_names_of_axes_give_way_to_views(run: RunFacts) -> None:
    axes = (Axis("x", values=np.arange(2.0)),)
    views = {"a": ArrayView((2,), axes=axes), "x": ArrayView((2,), axes=axes, fill=5), "deep": {"x": {"n": 1}}}
    views["deep"]["b"] = ArrayView((2,), axes=axes)  # type: ignore[index]  # a tree
    with written(run, views) as file:
        assert file["x"][()].tolist() == [5, 5]
        assert file["a"].dims[0][0].name == "/a_x"
        assert file["x"].dims[0][0].name == "/x_x"
        assert file["deep/b"].dims[0][0].name == "/deep/b_x"


def test_a_view_may_be_the_axis_of_another(run: RunFacts) -> None:
    x, counts = ArrayView((None,), unit="mm"), ArrayView((None,), axes=("x",))
    strange = ArrayView((None,), axes=("counts",))  # what has an axis itself can be none
    for view in (x, counts, strange):
        view.append(3)
        view.append(4)
    tree = {"counts": counts, "x": x, "strange": strange, "short": ArrayView((1,), axes=("x",))}
    with written(run, tree) as file:
        assert list(file.attrs["axes"]) == ["x"]
        assert file["counts"].dims[0]["x"][()].tolist() == [3, 4]
        assert file["x"].attrs["units"] == "mm"
        assert not len(file["strange"].dims[0])
        assert not len(file["short"].dims[0])


def test_each_write_is_seen_at_once(run: RunFacts) -> None:
    sink = Hdf5Sink("{name}.h5")
    sink.open(run)
    for number in range(3):
        sink.write({"n": number})
        with h5py.File(sink.path) as file:
            assert file["n"][()] == number
            assert file.attrs["outcome"] == "running"
    sink.close(False, "incomplete")
    with h5py.File(sink.path) as file:
        assert file.attrs["outcome"] == "incomplete"
    assert [path.name for path in Path(run.folder).iterdir()] == ["xrf.h5"]


def test_a_run_without_views_leaves_nothing(run: RunFacts) -> None:
    sink = Hdf5Sink()
    sink.open(run)
    sink.close(False)
    assert list(Path(run.folder).iterdir()) == []


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (3, SinkError),
        ({"a": object()}, ResultTypeError),
        ({"": 1}, ResultTypeError),
        ({"a": np.zeros(1, [("t", "U2")])}, ResultTypeError),
    ],
)
def test_what_is_no_tree(run: RunFacts, item: Any, error: type[Exception]) -> None:
    sink = Hdf5Sink()
    sink.open(run)
    with pytest.raises(error):
        sink.write(item)
    sink.close(False)
    assert list(Path(run.folder).iterdir()) == []


def test_a_failed_write_keeps_what_was_published(run: RunFacts) -> None:
    sink = Hdf5Sink()
    sink.open(run)
    sink.write({"n": 1})
    with pytest.raises(ResultTypeError):
        sink.write({"n": object()})
    sink.close(False)
    with h5py.File(sink.path) as file:
        assert file["n"][()] == 1
        assert file.attrs["outcome"] == "failed"


FULL = """
import resource, signal, sys
import numpy as np
from penstock.elements.sink import RunFacts
from penstock.elements.sinks.hdf5 import Hdf5Sink
from penstock.errors import SinkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sink = Hdf5Sink()
sink.open(RunFacts(pipeline="p", run="r", folder=sys.argv[1]))
sink.write({"n": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    sink.write({"n": np.zeros(10**6)})
except SinkError as error:
    print(error)
sink.close(False)
"""


def test_a_file_that_cannot_grow(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert f"{tmp_path}/r.h5: not written: " in done.stdout
    assert "what was published before stays in r.h5" in done.stdout
    with h5py.File(tmp_path / "r.h5") as file:
        assert file["n"][()] == 1
        assert file.attrs["outcome"] == "failed"
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]
