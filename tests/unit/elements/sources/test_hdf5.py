"""HDF5 files as sources: whichever rows, with what belongs to them, and wrong files are told apart."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import Kind, Message
from penstock.core.encoding import Encoding
from penstock.elements import hdf5_rows
from penstock.elements.sources.hdf5 import Hdf5Source
from penstock.errors import SourceError

NOW_NS = 1_700_000_000_000_000_000
IMAGES = np.arange(7 * 4 * 3, dtype=">u2").reshape(7, 4, 3)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Return a NeXus file of seven images with what belongs to them."""
    path = tmp_path / "scan.nxs"
    with h5py.File(path, "w") as file:
        entry, sample = file.create_group("entry"), file.create_group("entry/sample")
        group = entry.create_group("camera")
        file.attrs["default"] = "entry"
        entry.attrs["NX_class"], group.attrs["NX_class"] = "NXentry", "NXdata"
        group.attrs["signal"], group.attrs["axes"] = "image", ["x", ".", "."]
        images = group.create_dataset("image", data=IMAGES, chunks=(3, 4, 3), compression="gzip")
        images.attrs["units"] = "counts"
        group["x"] = np.linspace(0, 1, 7)
        sample["name"] = np.array([b"iron"] * 4 + [b"gold"] * 3)
        sample["position"] = np.arange(14.0).reshape(7, 2)
        sample["energy"] = np.array([12.5])
        sample["frame"] = np.arange(100, 107, dtype=np.int32)
        sample["time"] = np.arange(7) * 0.25
        sample["time"].attrs["start"] = "2026-11-20T12:00:00Z"
        sample["when"] = [f"2026-11-20T12:00:0{n}Z" for n in range(7)]
        sample["short"] = np.arange(6.0)
    return path


def opened(path: Path, **arguments: Any) -> Hdf5Source:
    source = Hdf5Source(path.name, **arguments)
    source.stream, source.folder = "camera", str(path.parent)
    source.open()
    return source


def drain(source: Hdf5Source) -> list[Message]:
    messages: list[Message] = []
    for _ in range(1000):
        reading = source.read(NOW_NS)
        assert not reading.unparsable
        messages += [message for block in reading.blocks for message in block.messages()]
        if reading.ended:
            assert source.read(NOW_NS).ended
            return messages
    raise AssertionError("no end after 1000 readings")


def test_rows_are_messages(scan: Path) -> None:
    source = opened(
        scan,
        data="/entry/camera/image",
        fields={"sample": "/entry/sample/name", "at": "/entry/sample/position", "energy": "/entry/sample/energy"},
    )
    start, *images, end = drain(source)
    assert start.kind is Kind.START
    assert dict(start.metadata) == {
        "file": "scan.nxs", "data": "/entry/camera/image", "rows": 7, "units": "counts", "shape": [4, 3],
        "dtype": "uint16", "energy": 12.5,
    }  # fmt: skip
    assert [m.key for m in images] == list(range(7))
    assert all(
        np.array_equal(m.array, image) and m.array.dtype == np.uint16 for m, image in zip(images, IMAGES, strict=True)
    )
    assert [m.metadata["sample"] for m in images] == ["iron"] * 4 + ["gold"] * 3
    assert [m.metadata["at"].tolist() for m in images] == np.arange(14.0).reshape(7, 2).tolist()
    assert {m.timestamp_ns for m in images} == {NOW_NS}
    assert (end.kind, dict(end.metadata)) == (Kind.END, {"rows": 7})
    assert (source.traits.number, source.traits.first) == ("row", 0)


def test_nexus_says_what_data_there_are(scan: Path) -> None:
    _, *images, _ = drain(opened(scan))
    assert np.array_equal([m.array for m in images], IMAGES)
    assert [m.metadata["x"] for m in images] == pytest.approx(np.linspace(0, 1, 7))


@pytest.mark.parametrize(("time", "step_ns"), [("time", 250_000_000), ("when", 1_000_000_000)])
def test_keys_and_times_are_those_of_the_file(scan: Path, time: str, step_ns: int) -> None:
    source = opened(scan, key="/entry/sample/frame", time=f"/entry/sample/{time}")
    _, *images, _ = drain(source)
    assert [m.key for m in images] == list(range(100, 107))
    assert [m.timestamp_ns - images[0].timestamp_ns for m in images] == [n * step_ns for n in range(7)]
    assert images[0].timestamp.isoformat() == "2026-11-20T12:00:00.000000000Z"
    assert (source.traits.number, source.traits.first) == ("frame", None)


def test_times_without_a_start_count_from_1970_and_whole_ones_are_exact(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["d"], file["s"], file["ns"] = np.zeros((2, 1)), [0.0, 0.5], [0, NOW_NS + 1]
        file["ns"].attrs["units"] = "ns"
    for name, second in (("s", 500_000_000), ("ns", NOW_NS + 1)):
        start, *rows, end = drain(opened(tmp_path / "a.h5", data="d", time=name))
        assert [m.timestamp_ns for m in rows] == [0, second]
        assert {start.timestamp_ns, end.timestamp_ns} == {NOW_NS}


@settings(max_examples=30)
@given(
    rows=st.integers(0, 40),
    chunk=st.integers(1, 12),
    start=st.integers(0, 45),
    n=st.none() | st.integers(0, 45),
    piece=st.integers(1, 100),
)
def test_any_rows_in_any_chunks_come_whole(
    tmp_path_factory: pytest.TempPathFactory, rows: int, chunk: int, start: int, n: int | None, piece: int
) -> None:
    path = tmp_path_factory.mktemp("h5") / "a.h5"
    data = np.arange(rows * 2.0).reshape(rows, 2)
    with h5py.File(path, "w") as file:
        file.create_dataset("d", data=data, chunks=(chunk, 2), maxshape=(None, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_rows, "PIECE_BYTES", piece)
        _, *found, end = drain(opened(path, data="d", start=start, n=n))
    wanted = data[start:] if n is None else data[start : start + n]
    assert [m.array.tolist() for m in found] == wanted.tolist()
    assert end.metadata["rows"] == len(wanted)


def test_it_keeps_its_rate(scan: Path) -> None:
    source = opened(scan, every_s=0.01)
    given = 0
    for ms in range(0, 100, 5):
        now = NOW_NS + ms * 1_000_000
        if source.wait_s(now) == 0:
            given += sum(map(len, source.read(now).blocks))
        assert given == min(9, ms // 10 + 1)
    source.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"data": "/entry/camera/imag"}, r'/entry/camera/imag is not there; did you mean "/entry/camera/image"\?'),
        ({"data": "/entry/camera"}, "/entry/camera is a group, no dataset"),
        ({"data": "/entry/sample/name"}, "rows of numbers are due"),
        ({"fields": ["/entry/sample/short"]}, r"short has shape \(6,\); /entry/camera/image has 7 rows"),
        ({"key": "/entry/sample/time"}, "/entry/sample/time gives no keys, which are whole numbers"),
        ({"time": "/entry/sample/name"}, "/entry/sample/name gives no times"),
        ({"time": "/entry/sample/energy"}, "/entry/sample/energy gives no times"),
    ],
)
def test_what_is_not_in_the_file_is_named(scan: Path, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        drain(opened(scan, **arguments))


def test_what_is_no_file_of_rows_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the HDF5 file .*none.h5 cannot be read: No such file or directory"):
        opened(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(SourceError, match=r"the HDF5 file .*text.h5 cannot be read"):
        opened(tmp_path / "text.h5")
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["counts"] = np.zeros(3)
    with pytest.raises(SourceError, match="no NXdata with a signal says what data there are; as data: write /counts"):
        opened(tmp_path / "plain.h5")


def test_a_filter_that_is_not_installed_is_named(tmp_path: Path) -> None:
    path, unknown = tmp_path / "a.h5", 32999
    with h5py.File(path, "w") as file:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((1, 4))
        made.set_filter(unknown, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((2, 4))
        h5py.h5d.create(file.id, b"d", h5py.h5t.NATIVE_UINT16, space, made)
    with pytest.raises(SourceError, match=r"/d is compressed by filter 32999, .*; pip install hdf5plugin"):
        opened(path, data="d")


def written_by_a_detector(path: Path, chunks: list[bytes], *arguments: int, code: int = 32008) -> None:
    """Write rows of (2, 8) uint16 as they came, each a chunk, but for one more that is never written."""
    if h5py.h5z.filter_avail(code):  # another test has brought the plug-in, which says its own arguments by itself
        arguments = arguments[3:]
    with h5py.File(path, "w") as file:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((1, 2, 8))
        made.set_filter(code, h5py.h5z.FLAG_OPTIONAL, arguments)
        space = h5py.h5s.create_simple((len(chunks) + 1, 2, 8))
        dataset = h5py.h5d.create(file.id, b"d", h5py.h5t.STD_U16LE, space, made)
        for row, chunk in enumerate(chunks):
            dataset.write_direct_chunk((row, 0, 0), chunk, 0)


@pytest.mark.parametrize(
    ("code", "arguments", "name"),
    [(32008, (0, 4, 2, 0, 2), "bslz4"), (32008, (0, 4, 2, 0, 3), "bszstd"), (32004, (), "lz4"), (32015, (), "zstd")],
)
def test_compressed_rows_are_given_as_they_lie(tmp_path: Path, code: int, arguments: Any, name: str) -> None:
    chunks = [b"one", b"another one"]
    written_by_a_detector(tmp_path / "a.h5", chunks, *arguments, code=code)
    rows = hdf5_rows.Hdf5Rows(tmp_path / "a.h5", "d", {}, count=2, compressed=True)
    (some,) = rows
    assert [bytes(row) for row in some.data] == chunks
    assert list(some.encodings) == [Encoding(name, "<u2", (2, 8))] * 2
    rows.close()


def test_a_row_that_was_never_written_is_no_compressed_one(tmp_path: Path) -> None:
    written_by_a_detector(tmp_path / "a.h5", [b"one"], 0, 4, 2, 0, 2)
    rows = hdf5_rows.Hdf5Rows(tmp_path / "a.h5", "d", {}, compressed=True)
    (some,) = rows
    assert list(some.encodings) == [Encoding("bslz4", "<u2", (2, 8)), None]
    assert some.data[1].tolist() == [[0] * 8] * 2
    rows.close()


def test_compressed_rows_are_decoded_where_they_are_asked_for(tmp_path: Path) -> None:
    codecs: Any = pytest.importorskip("penstock.core.codecs", reason="frames are not decoded yet")
    images = [np.full((2, 8), n, np.uint16) for n in range(3)]
    written_by_a_detector(
        tmp_path / "a.h5", [bytes(codecs.encoded(each, "bslz4")[0]) for each in images], 0, 4, 2, 0, 2
    )
    _, *found, _ = drain(opened(tmp_path / "a.h5", data="d", compressed=True, n=3))
    assert [m.array.tolist() for m in found] == [each.tolist() for each in images]
    assert all(m.encodings for m in found)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"data": "/entry/camera/image"}, r"has chunks \(3, 4, 3\) and 1 filters; compressed is for rows"),
        ({"data": "/entry/sample/frame"}, "has chunks None and 0 filters"),
        ({"data": "/gzipped"}, "is compressed by filter 1; leave out compressed, which is for blosc, lz4, zstd, bslz4"),
    ],
)
def test_rows_that_are_not_compressed_one_by_one_are_refused(scan: Path, arguments: Any, says: str) -> None:
    with h5py.File(scan, "a") as file:
        file.create_dataset("gzipped", data=IMAGES, chunks=(1, 4, 3), compression="gzip")
    with pytest.raises(SourceError, match=says):
        opened(scan, compressed=True, **arguments)


@pytest.mark.parametrize(
    "arguments", [{"start": -1}, {"n": -1}, {"every_s": -1.0}, {"fields": ["/a/x", "/b/x"]}], ids=str
)
def test_arguments_that_cannot_be_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="write"):
        Hdf5Source("a.h5", **arguments)


def test_what_can_be_seen_is_known_before_there_is_a_file() -> None:
    traits = Hdf5Source.traits_with({"file": "a.h5", "key": "/entry/frame", "time": "/entry/time"})
    assert (traits.number, traits.first, traits.clock) == ("frame", None, "/entry/time")
    assert Hdf5Source.traits_with({"file": "a.h5", "start": 5}) == Hdf5Source("a.h5", start=5).traits
