"""The main job on what real instruments sent: two recordings, over sockets and from files, become a map."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.core import Kind, Message
from penstock.elements.recording_file import RecordingFile
from penstock.protocols.contrast import ContrastDecoder
from tests.system.commands import Said, assert_adds_up, assert_speaks_of_the_users_world, ledger_of, started

EXAMPLE = Path(__file__).parents[2] / "examples" / "nanomax"
FILES = ("contrast-dump.cbors", "xspress3-dump.cbors")
ANY = "tcp://127.0.0.1:0"

pytest.importorskip("matplotlib")


def play_and_run(recordings: Path, out: Path) -> tuple[Said, list[dict[str, Any]]]:
    """Put the recordings onto sockets, and run the example on them; return what it said, and what was played."""
    files = [str(recordings.absolute() / name) for name in FILES]
    with started("play", *files, "--to", ANY, "--to", ANY, "--json", folder=out) as player:
        addresses = [file["address"] for file in json.loads(player.line('{"state": "waiting"'))["files"]]
        environ = dict(zip(("CONTRAST", "XSPRESS3"), addresses, strict=True), OUT=str(out))
        said = run("pipeline.yaml", out, environ)
        played: list[dict[str, Any]] = json.loads(player.line('{"state": "finished"'))["files"]
        assert player.end().code == 0
    return said, played


def run(file: str, out: Path, environ: dict[str, str]) -> Said:
    report = out / "report.json"
    words = ("run", str(EXAMPLE / file), "--run", "r1", "--report", str(report))
    with started(*words, folder=out, environ=environ) as process:
        said = process.end(report)
    assert_speaks_of_the_users_world(said)
    assert (said.code, said.err) == (0, "")
    assert_adds_up(said)
    return said


def run_files(recordings: Path, out: Path) -> Said:
    return run("from-files.yaml", out, {"RECORDINGS": str(recordings.absolute()), "OUT": str(out)})


@pytest.fixture(scope="module")
def folders(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {way: tmp_path_factory.mktemp(way) for way in ("sockets", "files")}


@pytest.fixture(scope="module")
def over_sockets(recordings: Path, folders: dict[str, Path]) -> tuple[Said, list[dict[str, Any]]]:
    return play_and_run(recordings, folders["sockets"])


@pytest.fixture(scope="module")
def from_files(recordings: Path, folders: dict[str, Path]) -> Said:
    return run_files(recordings, folders["files"])


@pytest.fixture(params=["sockets", "files"])
def said(request: pytest.FixtureRequest, over_sockets: tuple[Said, Any], from_files: Said) -> Said:
    return over_sockets[0] if request.param == "sockets" else from_files


def test_everything_played_is_in_the_books(over_sockets: tuple[Said, list[dict[str, Any]]], recordings: Path) -> None:
    said, played = over_sockets
    assert [file["records"] for file in played] == [len(list(RecordingFile(recordings / name))) for name in FILES]
    assert said.edge("instrument", "contrast")["in"] == played[0]["records"]


def test_the_books_add_up(said: Said) -> None:
    assert said.report["outcome"] == "finished"
    assert said.report["joins"]["scan"] == {"formed": 20, "planned": 20, "unformed": 0, "partial": 0}
    assert said.edge("instrument", "contrast") == {"in": 26, "done": 22, "filtered": 4}
    assert said.edge("instrument", "xspress3") == {"in": 22, "done": 22}
    assert said.edge("contrast", "scan") == said.edge("xspress3", "scan") == {"in": 22, "joined": 22}
    assert said.edge("scan", "count") == said.edge("count", "image") == {"in": 20, "done": 20}


def test_the_printed_table_is_whole(said: Said) -> None:
    rows = ledger_of(said.out)
    assert len(rows) == 6
    assert rows["instrument", "contrast"] == {"in": 26, "done": 22, "joined": 0, "filtered": 4, "in-flight": 0}
    assert "finished, 20 of 20 events of scan" in said.out.splitlines()[-1]


def test_the_map_is_where_the_sample_was(said: Said, recordings: Path) -> None:
    with h5py.File(said.report["outputs"]["file"]) as file:
        assert file.attrs["outcome"] == "finished"
        assert file["map/counts"].shape == (5, 4, 4)
        assert file["map/counts"][()].sum(axis=(0, 1)).tolist() == [5, 7, 3, 32]
        assert file["total/counts"][()].tolist() == [5, 7, 3, 32]
        measured = np.stack([file["map/measured_x"][()], file["map/measured_y"][()]], axis=-1)
        nominal = np.stack(np.meshgrid(file["map/x"][()], file["map/y"][()]), axis=-1)
    asked = positions(recordings)
    # The scan is x by x, in each of them y by y; the map is (y, x).
    assert np.array_equal(measured.transpose(1, 0, 2).reshape(20, 2), asked)
    assert np.abs(measured - nominal).max() < 0.01


def positions(recordings: Path) -> NDArray[np.float64]:
    """(20, 2), x and y in µm, of the points as the scan software told them."""
    decoder = ContrastDecoder()
    messages: list[Message] = []
    for record in RecordingFile(recordings / FILES[0]):
        messages += decoder.feed(record.parts, 0)
    points = [message.metadata["pseudo"] for message in messages if message.kind is Kind.DATA]
    return np.array([[point["x"][0], point["y"][0]] for point in points])


def test_the_picture_shows_something(said: Said) -> None:
    width, height, values = read_png(Path(said.report["outputs"]["picture"]))
    assert width > 400
    assert height > 300
    assert len(values) > 10


def read_png(path: Path) -> tuple[int, int, set[int]]:
    """Return width, height and which bytes stand in the pixels (8 bits, not interlaced) of a PNG."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    assert [chunks[0][0], chunks[-1][0]] == [b"IHDR", b"IEND"]
    width, height, depth, color = struct.unpack_from(">IIBB", chunks[0][1])
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    assert (depth, color) == (8, 6)
    assert len(pixels) == height * (4 * width + 1)
    return width, height, set(pixels)


def test_sockets_and_files_give_the_same_views(over_sockets: tuple[Said, Any], from_files: Said) -> None:
    one, other = (views(Path(s.report["outputs"]["file"])) for s in (over_sockets[0], from_files))
    assert one == other
    assert len(one) > 5


def views(path: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Every dataset of a file, byte for byte."""
    found: dict[str, tuple[str, tuple[int, ...], bytes]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            value = item[()]
            data = value if isinstance(value, bytes) else np.asarray(value).tobytes()
            found[name] = (str(item.dtype), item.shape, data)

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def test_two_runs_at_once_do_not_take_each_others_files(recordings: Path, tmp_path: Path) -> None:
    environ = {"RECORDINGS": str(recordings.absolute()), "OUT": str(tmp_path)}
    words = ("run", str(EXAMPLE / "from-files.yaml"), "--run", "same")
    with (
        started(*words, folder=tmp_path, environ=environ) as one,
        started(*words, folder=tmp_path, environ=environ) as other,
    ):
        assert (one.end().code, other.end().code) == (0, 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["same-2.h5", "same-2.png", "same.h5", "same.png"]
    assert views(tmp_path / "same.h5") == views(tmp_path / "same-2.h5")
