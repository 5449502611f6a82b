"""Recordings as sources: the same messages every time, and files that are missing, cut or something else."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from penstock.core import Block, Kind
from penstock.elements.source import Source
from penstock.elements.sources.recording import RecordingSource
from penstock.errors import SourceError
from penstock.formats.recording import RecordingTraits, encode_closing, encode_opening, encode_record
from penstock.protocols import DECODERS, stins

PACKETS = [
    stins.encode_start("a.h5"),
    *[stins.encode_image(n, np.full((2, 2), n, np.uint16)) for n in range(5)],
    stins.encode_end(),
]
PLAIN = b"".join(map(encode_record, PACKETS))
RECORDS = b"".join(encode_record(packet, 1000 + n) for n, packet in enumerate(PACKETS)) + encode_closing(len(PACKETS))
TIMED = encode_opening(RecordingTraits(protocol="stins")) + RECORDS


def drain(source: Source, at_most: int = 1000) -> tuple[list[Block], list[str]]:
    blocks: list[Block] = []
    lost: list[str] = []
    for _ in range(at_most):
        reading = source.read(7)
        blocks += reading.blocks
        lost += reading.unparsable
        if reading.ended:
            assert source.read(7).ended, "an end is not taken back"
            source.close()
            return blocks, lost
    raise AssertionError(f"no end after {at_most} readings")


def opened(path: Path, protocol: str = "") -> RecordingSource:
    source = RecordingSource(str(path), protocol=protocol)
    source.stream = "det"
    source.open()
    return source


def written(folder: Path, raw: bytes, name: str = "a.cbors") -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


def test_a_plain_recording_is_decoded(tmp_path: Path) -> None:
    blocks, lost = drain(opened(written(tmp_path, PLAIN), "stins"))
    assert not lost
    assert [(block.kind, len(block)) for block in blocks] == [(Kind.START, 1), (Kind.DATA, 5), (Kind.END, 1)]
    assert np.concatenate([block.ids for block in blocks]).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert blocks[1].keys is not None
    assert blocks[1].keys.tolist() == [0, 1, 2, 3, 4]
    assert {block.stream for block in blocks} == {"det"}


def test_a_timed_recording_says_what_it_is_and_when_it_was(tmp_path: Path) -> None:
    source = opened(written(tmp_path, TIMED))
    assert source.traits.number == "frame"
    blocks, lost = drain(source)
    assert not lost
    assert np.concatenate([block.timestamps for block in blocks]).tolist() == list(range(1000, 1007))


def test_a_compressed_recording_is_read(tmp_path: Path) -> None:
    blocks, lost = drain(opened(written(tmp_path, gzip.compress(TIMED), "a.cbors.gz")))
    assert (sum(map(len, blocks)), lost) == (7, [])


def test_a_relative_path_starts_at_the_pipeline(tmp_path: Path) -> None:
    written(tmp_path, TIMED)
    source = RecordingSource("a.cbors")
    source.folder = str(tmp_path)
    source.open()
    assert sum(map(len, drain(source)[0])) == 7


@pytest.mark.parametrize("raw", [PLAIN, TIMED])
def test_a_cut_file_ends_and_says_so(tmp_path: Path, raw: bytes) -> None:
    blocks, lost = drain(opened(written(tmp_path, raw[: -len(raw) // 3]), "stins"))
    assert 0 < sum(map(len, blocks)) < 7
    assert len(lost) == 1
    assert "a.cbors: it is cut off in the middle of record" in lost[0]


def test_a_cut_compressed_file_ends_and_says_so(tmp_path: Path) -> None:
    blocks, lost = drain(opened(written(tmp_path, gzip.compress(PLAIN * 500, 1)[:-9], "a.gz"), "stins"))
    assert blocks
    assert len(lost) == 1


def test_garbage_in_the_middle_ends_it_and_is_reported(tmp_path: Path) -> None:
    blocks, lost = drain(opened(written(tmp_path, PLAIN + b"garbage" + PLAIN), "stins"))
    assert sum(map(len, blocks)) == 7
    assert len(lost) == 1


def test_a_bad_packet_is_lost_alone(tmp_path: Path) -> None:
    raw = PLAIN + encode_record([b"nonsense"]) + PLAIN
    blocks, lost = drain(opened(written(tmp_path, raw), "stins"))
    assert sum(map(len, blocks)) == 14
    assert len(lost) == 1


def test_an_empty_file_is_an_empty_stream(tmp_path: Path) -> None:
    assert drain(opened(written(tmp_path, b""), "stins")) == ([], [])


def test_a_long_recording_is_read_in_pieces(tmp_path: Path) -> None:
    source = opened(written(tmp_path, PLAIN * 2000), "stins")
    assert not source.read(0).ended
    blocks, _ = drain(source)
    assert blocks[-1].ids[-1] == 14000


OWN = encode_opening(RecordingTraits(protocol="camera:CameraDecoder")) + RECORDS


@pytest.mark.usefixtures("imports_end_here")
@pytest.mark.parametrize("raw", [PLAIN, OWN], ids=["plain", "timed"])
def test_a_decoder_of_ones_own_is_found_beside_the_pipeline(tmp_path: Path, raw: bytes) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        code = (
            "from penstock.elements import Traits\n"
            "from penstock.protocols.stins import StinsDecoder\n"
            "class CameraDecoder(StinsDecoder):\n"
            f"    traits = Traits(number={folder.name!r}, socket='pull')\n"
        )
        (folder / "camera.py").write_text(code)
        written(folder, raw)
        source = RecordingSource("a.cbors", protocol="camera:CameraDecoder" if raw is PLAIN else "")
        source.folder = str(folder)
        assert source.traits.number == folder.name
        source.open()
        blocks, lost = drain(source)
        assert (sum(map(len, blocks)), lost) == (7, [])


@pytest.mark.parametrize(
    ("raw", "protocol", "says"),
    [
        (None, "stins", "cannot be read: No such file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "stins", "holds no recording"),
        (b"text, nothing else", "stins", "holds no recording"),
        (PLAIN, "", f"add protocol: {' or '.join(sorted(DECODERS))}"),
        (PLAIN, "stinks", "no protocol is called 'stinks'; there are "),
        (PLAIN, "nowhere:Decoder", 'there is no module "nowhere"'),
        (PLAIN, "math:pi", "a float is no Decoder; subclass penstock.elements.Decoder"),
    ],
)
def test_what_cannot_be_read_is_said_at_once(tmp_path: Path, raw: bytes | None, protocol: str, says: str) -> None:
    path = tmp_path / "a.cbors"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(SourceError, match=says):
        opened(path, protocol)


def test_the_recorded_scan_is_the_same_every_time(recordings: Path) -> None:
    first, lost = drain(opened(recordings / "xspress3-dump.cbors", "xspress3"))
    second, _ = drain(opened(recordings / "xspress3-dump.cbors", "xspress3"))
    assert not lost
    assert [bytes_of(block) for block in first] == [bytes_of(block) for block in second]


def bytes_of(block: Block) -> list[bytes]:
    return [column.tobytes() for column in block.columns if isinstance(column, np.ndarray)]
