"""Reading a file whole, or saying why not."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from penstock.errors import StreamError
from penstock.streams.file_reading import read_file, shape_of


def test_a_file_is_read_with_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    file = read_file(str(path))
    assert file is not None
    assert (file.data, file.shape) == (b"abc", shape_of(str(path)))
    assert file.shape == (3, path.stat().st_mtime_ns)


def test_an_empty_file_has_an_empty_payload(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    file = read_file(str(tmp_path / "a"))
    assert file is not None
    assert file.data == b""


def test_of_a_file_whose_payload_is_not_wanted_nothing_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"no array")
    file = read_file(str(tmp_path / "a.npy"), payload=False, arrays=True)
    assert file is not None
    assert (file.data, file.shape.size) == (None, 8)


def test_arrays_keep_their_type_and_other_files_their_bytes(tmp_path: Path) -> None:
    array = np.arange(6, dtype=">u2").reshape(2, 3)
    np.save(tmp_path / "a.npy", array)
    (tmp_path / "a.txt").write_bytes(b"text")
    file, other = (read_file(str(tmp_path / name), arrays=True) for name in ("a.npy", "a.txt"))
    assert file is not None
    assert other is not None
    assert file.data.dtype == array.dtype
    assert (file.data == array).all()
    assert other.data == b"text"


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize("data", [b"", b"no array", b"\x93NUMPY\x01\x00", _pickled()])
def test_what_says_that_it_is_an_array_and_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(StreamError, match=r"a\.npy: it holds no array"):
        read_file(str(tmp_path / "a.npy"), arrays=True)


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StreamError, match="it is no file"):
        read_file(str(tmp_path / "pipe"))
    assert shape_of(str(tmp_path / "pipe")) is None
    assert shape_of(str(tmp_path / "gone")) is None
    assert shape_of(str(tmp_path / "pipe" / "x")) is None
    with pytest.raises(FileNotFoundError):
        read_file(str(tmp_path / "gone"))
