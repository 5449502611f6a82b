"""What a beamtime's own file says, and that nothing else is believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.beamtime_file import BeamtimeFile, check_beamtime_id
from penstock.errors import StreamError

FULL = {"beamtimeId": "11001234", "beamline": "P07", "corePath": "/asap3/petra3/gpfs/p07/2026/data/11001234/", "pi": {}}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (FULL, ("11001234", "p07", "/asap3/petra3/gpfs/p07/2026/data/11001234")),
        ({"beamtimeId": 11001234, "core-path": "/a/b"}, ("11001234", "", "/a/b")),
        ({"id": "c20261120-000", "beamline": "P04", "corePath": "/a"}, ("c20261120-000", "p04", "/a")),
    ],
)
def test_old_and_new_files_are_read(said: dict[str, object], read: tuple[str, str, str]) -> None:
    file = BeamtimeFile.parse(json.dumps(said).encode(), "m.json")
    assert (file.id, file.beamline, file.core_path) == read
    assert file.metadata == said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"beamtimeId": "110', "no JSON"),
        (b"[]", "no JSON object"),
        (b"{}", 'it has no "beamtimeId"'),
        (b'{"beamtimeId": true}', '"beamtimeId" is no text'),
        (b'{"beamtimeId": "../1"}', "no beamtime"),
        (b'{"beamtimeId": "1", "corePath": "relative"}', "no absolute path"),
        (b'{"beamtimeId": "1", "corePath": "/a/../etc"}', "no absolute path"),
    ],
)
def test_what_is_no_such_file_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(StreamError, match=why):
        BeamtimeFile.parse(text, "m.json")


@given(st.text(max_size=300))
def test_an_id_that_is_taken_is_one_folder(beamtime: str) -> None:
    try:
        check_beamtime_id(beamtime)
    except StreamError:
        return
    assert "/" not in beamtime
    assert beamtime not in ("", ".", "..")
    assert len(beamtime.encode(errors="surrogatepass")) <= 200
