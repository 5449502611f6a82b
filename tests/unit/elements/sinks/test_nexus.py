"""The NeXus sink writes what comes as columns that others read meanwhile; neither a kill nor a full disk undoes it."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.block import Block
from penstock.core.encoding import Encoding
from penstock.core.message import Kind, Message
from penstock.core.result_range import ResultRange
from penstock.elements.hdf5_superblock import mark_closed
from penstock.elements.sinks.nexus import NexusSink
from penstock.errors import SinkError
from penstock.views import ArrayView, Axis
from tests.unit.elements.sinks.nexus_frames import facts, frames

READER = """
import h5py, sys
with h5py.File(sys.argv[1], "r", swmr=True) as file:
    data = file["entry/instrument/eiger/data"]
    for line in sys.stdin:
        data.refresh()
        print(data.shape[0], int(data[-1].sum()), flush=True)
"""
WRITER = """
import os, signal, sys
sys.path[:0] = {path!r}
from tests.unit.elements.sinks.nexus_frames import facts, frames
from penstock.elements.sinks.nexus import NexusSink
sink = NexusSink()
sink.open(facts(sys.argv[1]))
for first in range(0, 40, 8):
    sink.write_flow(frames(first, 8))
print("written", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
CROWDED = """
import ast, resource, signal, sys
sys.path[:0] = {path!r}
from tests.unit.elements.sinks.nexus_frames import facts, frames
from penstock.elements.sinks.nexus import NexusSink
from penstock.errors import SinkError
shape = ast.literal_eval(sys.argv[2])
count = 100 if len(shape) == 1 else 1
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))  # as a full disk
sink = NexusSink()
sink.open(facts(sys.argv[1]))
done = 0
try:
    while True:
        sink.write_flow(frames(done, count, shape))
        done += count
except SinkError as error:
    print(done)
    print(error)
sink.close(False)
"""


def in_process(code: str, *arguments: Any) -> subprocess.CompletedProcess[str]:
    path = [path for path in sys.path if path]
    command = [sys.executable, "-c", code.format(path=path), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def opened(folder: Path, **options: Any) -> NexusSink:
    sink = NexusSink(**options)
    sink.open(facts(folder))
    return sink


def written(folder: Path, flows: Sequence[Any], **options: Any) -> h5py.File:
    sink = opened(folder, **options)
    for flow in flows:
        sink.write_flow(flow)
    sink.close(True)
    return h5py.File(sink.path)


def test_frames_and_what_is_said_of_them(tmp_path: Path) -> None:
    start = Block.of("eiger", [Message(kind=Kind.START, metadata={"beam": [1, 2]}, array=np.arange(4))], 1)
    with written(tmp_path, [start, frames(0, 5), frames(5, 3)]) as file:
        group = file["entry/instrument/eiger"]
        assert group["data"][:, 0, 0].tolist() == list(range(8))
        assert group["id"][()].tolist() == list(range(1, 9))
        assert group["key"][()].tolist() == list(range(8))
        assert group["timestamp"][-1] == 7 * 10**9
        assert group["exposure"][()].tolist() == [k / 4 for k in range(8)]
        ends = group["json_end"][()].tolist()
        assert group["json"][ends[0] : ends[1]].tobytes() == b'{"exposure":0.25,"name":"frame 1"}'
        assert group["start/data"][()].tolist() == [0, 1, 2, 3]
        assert group["start/beam"][()] == b"[1,2]"


def test_it_is_laid_out_as_nexus_has_it(tmp_path: Path) -> None:
    told = {"sample/name": "lysozyme", "instrument/eiger/distance": {"value": 0.15, "units": "m"},
            "instrument/eiger/data": {"units": "counts"}}  # fmt: skip
    with written(tmp_path, [frames(0, 2)], title="first light", fields=told) as file:
        assert [file[path].attrs["NX_class"] for path in ("/", "entry", "entry/instrument", "entry/eiger")] == [
            "NXroot", "NXentry", "NXinstrument", "NXdata",
        ]  # fmt: skip
        assert file["entry/instrument/eiger"].attrs["NX_class"] == "NXdetector"
        plot = file[f"{file.attrs['default']}/{file['entry'].attrs['default']}"]
        assert (plot.attrs["signal"], plot.attrs["axes"].tolist()) == ("data", ["id", ".", "."])
        assert plot["data"].shape == (2, 20, 30)
        assert plot["data"].attrs["units"] == "counts"
        assert file["entry/sample"].attrs["NX_class"] == "NXsample"
        assert file["entry/sample/name"][()] == b"lysozyme"
        assert file["entry/instrument/eiger/distance"].attrs["units"] == "m"
        assert file["entry/title"][()] == b"first light"
        assert file["entry/start_time"][()] == b"2001-09-09T01:46:40.000000000Z"
        assert file.attrs["outcome"] == "finished"


def test_large_frames_are_chunks_and_small_ones_share_them(tmp_path: Path) -> None:
    with written(tmp_path, [frames(0, 3, (300, 200))]) as file:
        data = file["entry/instrument/eiger/data"]
        assert data.chunks == (1, 300, 200)
        assert data[2, 299, 199] == 2
    with written(tmp_path, [frames(0, 3, (8,))]) as file:
        assert file["entry/instrument/eiger/data"].chunks == (4096, 8)


def test_what_changes_its_shape_has_another_group(tmp_path: Path) -> None:
    with written(tmp_path, [frames(0, 2), frames(2, 2, (4,)), frames(4, 2)]) as file:
        assert file["entry/instrument/eiger/id"][()].tolist() == [1, 2, 5, 6]
        assert file["entry/instrument/eiger_2/data"].shape == (2, 4)


def test_tables_are_one_behind_the_other(tmp_path: Path) -> None:
    kind = np.dtype([("TTLIN", "f8"), ("COUNT", "i4")])
    messages = [Message(array=np.ones(n, kind)) for n in (3, 0, 2)]
    with written(tmp_path, [Block.of("panda", messages, 1), Block.of("panda", messages[:1], 4)]) as file:
        group = file["entry/instrument/panda"]
        assert group["COUNT"].shape == (8,)
        assert group["TTLIN_end"][()].tolist() == [3, 3, 5, 8]


def test_compressed_frames_go_in_as_they_came(tmp_path: Path) -> None:
    packed = [np.frombuffer(bytes([k] * (10 + k)), np.uint8) for k in range(3)]
    encoding = Encoding("bslz4", "<u2", (20, 30))
    messages = [Message(id=k + 1, array=each, encodings=(encoding,)) for k, each in enumerate(packed)]
    sink = opened(tmp_path)
    assert sink.write_numbered(np.arange(1, 4), messages).done == 3
    sink.close(True)
    with h5py.File(sink.path) as file:
        data = file["entry/instrument/file/data"]
        assert (data.shape, data.dtype, data.chunks) == ((3, 20, 30), np.dtype("u2"), (1, 20, 30))
        number, _, told, _ = data.id.get_create_plist().get_filter(0)
        assert (number, told[2:]) == (32008, (2, 0, 2))
        assert [data.id.read_direct_chunk((k, 0, 0))[1] for k in range(3)] == [each.tobytes() for each in packed]


@pytest.mark.parametrize("name", ["bslz4", "lz4", "zstd", "blosc"])
def test_the_filters_of_the_field_read_them(tmp_path: Path, name: str) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin, with the filters, is not installed")
    filters = {
        "bslz4": hdf5plugin.Bitshuffle,
        "lz4": hdf5plugin.LZ4,
        "zstd": hdf5plugin.Zstd,
        "blosc": hdf5plugin.Blosc,
    }
    frame = (np.arange(600, dtype="u2") // 50).reshape(20, 30)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        theirs = file.create_dataset("data", data=frame[None], chunks=(1, 20, 30), **filters[name]())
        packed = np.frombuffer(theirs.id.read_direct_chunk((0, 0, 0))[1], np.uint8)
    as_they_come = [packed, packed[16:]] if name == "lz4" else [packed]  # that may be a block without its header
    sink = opened(tmp_path)
    encoding = Encoding(name, "<u2", (20, 30))
    messages = [Message(id=k, array=each, encodings=(encoding,)) for k, each in enumerate(as_they_come, 1)]
    sink.write_numbered(np.arange(1, len(messages) + 1), messages)
    sink.close(True)
    with h5py.File(sink.path) as file:
        data = file["entry/instrument/file/data"]
        assert len(data) == len(messages)
        assert (data[()] == frame).all()


def test_results_by_their_fields(tmp_path: Path) -> None:
    values = [{"is_hit": True, "peaks": 3, "profile": np.arange(3.0)}, {"is_hit": False, "profile": np.zeros(3)}]
    more = [{"is_hit": False, "profile": np.zeros(3), "I0": 0.5, "why": "dark"}]
    flows = [
        ResultRange(stage="find", numbers=np.array([4, 5]), values=values),
        ResultRange(stage="find", numbers=np.array([9]), values=more),
    ]
    with written(tmp_path, flows) as file:
        group = file["entry/find"]
        assert group["event"][()].tolist() == [4, 5, 9]
        assert group["is_hit"][()].tolist() == [1, 0, 0]
        assert np.isnan(group["peaks"][1:]).all()
        assert np.isnan(group["I0"][:2]).all()
        assert group["profile"].shape == (3, 3)
        assert group["json_end"][()].tolist()[:2] == [0, 0]


def test_tables_among_results_are_one_behind_the_other(tmp_path: Path) -> None:
    peaks = [np.array([(n, k) for k in range(n)], [("y", "i4"), ("x", "f4")]) for n in (2, 0, 3, 3, 1)]
    values = [{"peaks": table, "gain": 1.5} for table in peaks]
    sink = opened(tmp_path)
    sink.write_flow(ResultRange(stage="find", numbers=np.arange(4), values=values[:4]))
    sink.write_flow(ResultRange(stage="find", numbers=np.array([4]), values=values[4:]))
    sink.close(True)
    with h5py.File(sink.path) as file:
        assert "find_2" not in file["entry"]
        found = file["entry/find"]
        assert found["y"][()].tolist() == [2, 2, 3, 3, 3, 3, 3, 3, 1]
        assert found["x"][()].tolist() == [0, 1, 0, 1, 2, 0, 1, 2, 0]
        assert found["x_end"][()].tolist() == found["y_end"][()].tolist() == [2, 2, 5, 8, 9]
        assert found["gain"][()].tolist() == [1.5] * 5


def test_views_go_into_the_file_of_the_same_path(tmp_path: Path) -> None:
    tree = {"map": {"counts": ArrayView((2, 3), axes=(Axis("y"), Axis("x", "mm", np.arange(3.0))))}, "hits": 7}
    raw, views = opened(tmp_path), NexusSink()
    views.open(replace(facts(tmp_path, is_views=True), sink="views"))
    raw.write_flow(frames(0, 2))
    views.write(tree)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r7.nxs", "r7.views.views.nxs"]
    raw.close(True)
    views.close(True)
    with h5py.File(tmp_path / "r7.nxs") as file:
        assert file["entry/map"].attrs["signal"] == "counts"
        assert file["entry/map/x"].attrs["units"] == "mm"
        assert file["entry/hits/hits"][()] == 7
        assert file["entry/instrument/eiger/data"].shape == (2, 20, 30)
    assert [path.name for path in tmp_path.iterdir()] == ["r7.nxs"]
    assert views.path == raw.path


def test_views_that_end_first_wait_for_the_file(tmp_path: Path) -> None:
    raw, views = opened(tmp_path), NexusSink()
    views.open(replace(facts(tmp_path, is_views=True), sink="views"))
    raw.write_flow(frames(0, 2))
    views.write({"hits": 7})
    views.close(True)
    raw.close(True)
    assert [path.name for path in tmp_path.iterdir()] == ["r7.nxs"]
    with h5py.File(tmp_path / "r7.nxs") as file:
        assert file["entry/hits/hits"][()] == 7


def test_views_alone(tmp_path: Path) -> None:
    sink = NexusSink()
    sink.open(facts(tmp_path, is_views=True))
    for k in range(3):
        sink.write({"hits": k})
        with h5py.File(sink.path) as file:
            assert file["entry/hits/hits"][()] == k
    sink.close(True)
    assert [path.name for path in tmp_path.iterdir()] == ["r7.nxs"]
    with h5py.File(sink.path) as file:
        assert file.attrs["outcome"] == "finished"


def test_it_is_read_while_it_grows(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    sink.write_flow(frames(0, 2))
    command = [sys.executable, "-c", READER, sink.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for first in (2, 4, 6):
            sink.write_flow(frames(first, 2))
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline().split() == [str(first + 2), str(600 * (first + 1))]
            sink.write_flow(ResultRange(stage=f"new{first}", numbers=np.array([1]), values=[1.0]))  # it is opened anew
        reader.stdin.close()
    sink.write_flow(frames(8, 1))
    command[2] = READER.replace("entry/instrument/eiger/data", "entry/new6/value")
    assert subprocess.run(command, input="\n", capture_output=True, text=True, check=True).stdout.split() == ["1", "1"]
    command[2] = READER
    assert subprocess.run(command, input="\n", capture_output=True, text=True, check=True).stdout.split()[0] == "9"
    sink.close(True)


def test_what_was_written_outlives_a_kill(tmp_path: Path) -> None:
    found = in_process(WRITER, tmp_path)
    assert (found.returncode, found.stdout) == (-signal.SIGKILL, "written\n"), found.stderr
    path = tmp_path / "r7.nxs"
    with h5py.File(path, "r", swmr=True) as file:
        assert file["entry/instrument/eiger/data"][:, 0, 0].tolist() == list(range(40))
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path)
    assert mark_closed(path)
    with h5py.File(path) as file:  # as any program opens it
        assert file["entry/instrument/eiger/data"][:, 19, 29].tolist() == list(range(40))
        assert file["entry/instrument/eiger/exposure"][39] == 39 / 4
    assert not mark_closed(path)


def test_a_successor_writes_on_and_knows_what_is_there(tmp_path: Path) -> None:
    in_process(WRITER, tmp_path)
    sink = NexusSink()
    sink.open(facts(tmp_path, goes_on=True))
    again = sink.write_flow(frames(32, 8))
    half = sink.write_flow(frames(36, 8))
    assert (again.done, again.duplicates, half.done, half.duplicates) == (0, 8, 4, 4)
    sink.close(True)
    assert Path(sink.path).name == "r7.nxs"
    with h5py.File(sink.path) as file:
        group = file["entry/instrument/eiger"]
        assert group["key"][()].tolist() == list(range(44))
        assert group["data"][:, 0, 0].tolist() == list(range(44))
        ends = group["json_end"][()].tolist()
        assert group["json"][ends[42] : ends[43]].tobytes() == b'{"exposure":10.75,"name":"frame 43"}'


@pytest.mark.parametrize("shape", [(300, 200), (100,)])
def test_a_file_that_cannot_grow_is_named_and_what_is_in_it_can_be_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    found = in_process(CROWDED, tmp_path, str(shape))
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[1].endswith(
        "r7.nxs: not written: File too large; what was written before can be read"
    )
    done = int(found.stdout.splitlines()[0])
    with h5py.File(tmp_path / "r7.nxs") as file:
        data = file["entry/instrument/eiger/data"]
        assert done
        assert len(data) >= done
        assert data[:done].reshape(done, -1)[:, 0].tolist() == list(range(done))


def test_without_anything_there_is_no_file(tmp_path: Path) -> None:
    opened(tmp_path).close(True)
    assert not list(tmp_path.iterdir())


def test_files_that_are_there(tmp_path: Path) -> None:
    for _ in range(2):
        written(tmp_path, [frames(0, 1)]).close()
    with pytest.raises(SinkError, match="say existing: next"):
        opened(tmp_path, existing="refuse")
    written(tmp_path, [frames(0, 1)], existing="replace").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r7-2.nxs", "r7.nxs"]
    with pytest.raises(SinkError, match="no-such"):
        opened(tmp_path, path="/proc/no-such/x.nxs")


@settings(max_examples=12)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.sampled_from([(), (3,), (70, 500)]))
def test_however_it_is_cut_the_rows_are_the_same(
    tmp_path_factory: Any, sizes: list[int], shape: tuple[int, ...]
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    firsts = np.cumsum([0, *sizes]).tolist()
    flows = [frames(first, size, shape) for first, size in zip(firsts, sizes, strict=False)]
    with written(folder, flows) as file:
        group = file["entry/instrument/eiger"]
        assert group["key"][()].tolist() == list(range(firsts[-1]))
        assert group["data"][()].reshape(firsts[-1], -1)[:, 0].tolist() == list(range(firsts[-1]))
        assert len(group["json_end"]) == firsts[-1]
    (folder / "r7.nxs").unlink()


def test_nexusformat_reads_it(tmp_path: Path) -> None:
    with np.printoptions():  # which it sets for everybody
        nexusformat = pytest.importorskip("nexusformat.nexus", reason="nexusformat is not installed")
    written(tmp_path, [frames(0, 3)], fields={"sample/name": "lysozyme"}).close()
    root = nexusformat.nxload(tmp_path / "r7.nxs")
    assert root.entry.nxclass == "NXentry"
    assert root.entry.instrument.eiger.nxclass == "NXdetector"
    assert root.entry.sample.name.nxvalue == "lysozyme"
    plotted = root.plottable_data
    assert plotted.nxsignal.shape == (3, 20, 30)
    assert plotted.nxaxes[0].nxdata.tolist() == [1, 2, 3]


def test_silx_opens_it_while_it_grows_and_afterwards(tmp_path: Path) -> None:
    pytest.importorskip("silx", reason="silx is not installed")
    sink = opened(tmp_path)
    sink.write_flow(frames(0, 3))
    code = (
        "import sys, silx.io\n"
        "from silx.io.nxdata import get_default\n"
        "from silx.io.h5py_utils import File\n"
        "with File(sys.argv[1], mode='r', swmr=sys.argv[2] == 'grows') as file:\n"
        "    plot = get_default(file)\n"
        "    print(plot.signal_name, plot.signal.shape, plot.is_valid)\n"
    )
    grows = subprocess.run(
        [sys.executable, "-c", code, sink.path, "grows"], capture_output=True, text=True, check=False
    )
    sink.close(True)
    ended = subprocess.run(
        [sys.executable, "-c", code, sink.path, "ended"], capture_output=True, text=True, check=False
    )
    assert (grows.stdout, ended.stdout) == ("data (3, 20, 30) True\n",) * 2, grows.stderr + ended.stderr


@pytest.mark.parametrize("goes_on", [False, True])
def test_parts_are_seen_as_one(tmp_path: Path, goes_on: bool) -> None:
    start = Block.of("eiger", [Message(kind=Kind.START, metadata={"beam": 7})], 1)
    flows = [start, frames(0, 4), frames(4, 3), frames(7, 3, (4,)), frames(10, 5), frames(15, 1)]
    sink = opened(tmp_path, part_rows=6)
    for flow in flows[:4]:
        sink.write_flow(flow)
    if goes_on:  # as of a process that is killed
        sink._writer.abandon()
        sink = NexusSink(part_rows=6)
        sink.open(facts(tmp_path, goes_on=True))
        sink.write_flow(flows[2])
    with h5py.File(sink.path) as file:
        assert file["entry/instrument/eiger/key"][()].tolist() == list(range(7))
    for flow in flows[3:]:
        if goes_on or flow is not flows[3]:
            sink.write_flow(flow)
    sink.close(True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r7.nxs", "r7_000001.nxs", "r7_000002.nxs"]
    with h5py.File(sink.path) as file:
        group = file["entry/instrument/eiger"]
        assert group["data"].is_virtual
        assert group["key"][()].tolist() == [*range(7), *range(10, 16)]
        assert group["data"][:, 3, 3].tolist() == [*range(7), *range(10, 16)]
        ends = group["json_end"][()].tolist()
        assert group["json"][ends[6] : ends[7]].tobytes() == b'{"exposure":2.5,"name":"frame 10"}'
        assert file["entry/instrument/eiger_2/data"].shape == (3, 4)
        assert group["start/beam"][()] == 7
        assert file["entry/parts/r7_000002/instrument/eiger/key"][0] == 10
        assert file.attrs["outcome"] == "finished"


FULL = """
import sys
sys.path[:0] = {path!r}
import h5py
from tests.unit.elements.sinks.nexus_frames import facts, frames
from penstock.elements.sinks.nexus import NexusSink
from penstock.errors import SinkError
sink = NexusSink()
sink.open(facts(sys.argv[1]))
done = 0
try:
    while True:
        sink.write_flow(frames(done, 100, (100,)))
        done += 100
except SinkError as error:
    print(error)
sink.trouble = "no room"
sink.close(False)
with h5py.File(sink.path) as file:
    group = file["entry/instrument/eiger"]
    assert done > 4096
    assert group["key"][()].tolist() == list(range(done)), group["key"].shape
    assert group["data"][:, 0].tolist() == list(range(done))
    print(file.attrs["outcome"], file["entry/penstock/trouble"].asstr()[()])
"""


def test_a_full_disk_is_seen_before_and_the_file_finished(tmp_path: Path) -> None:
    inside = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        'mount -t tmpfs -o size=6m none "$1" && shift && exec "$@"',
        "sh",
        str(tmp_path),
    ]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    code = FULL.format(path=[path for path in sys.path if path])
    command = [*inside, sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
    first, last = found.stdout.splitlines()
    assert first.endswith("r7.nxs: not written: the disk is full; what was written before can be read")
    assert last == "failed no room"
