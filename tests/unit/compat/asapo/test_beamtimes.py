"""Which folder a file belongs to, by rules alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.asapo.beamtimes import DESY, Beamtime, FolderPattern, Kind, Places, root_of, wanted_path
from penstock.errors import BeamtimeError, StreamError

OFFLINE = Beamtime(id="1", offline="/core/1")
ONLINE = Beamtime(id="1", offline="/core/1", online="/beamline/p07/current")


@pytest.mark.parametrize(
    ("places", "why"),
    [
        ({"offline": "data/{beamtime}"}, "no absolute path"),
        ({"offline": "/data"}, "all beamtimes would have one folder"),
        ({"offline": "/data/../{beamtime}"}, r"without any \. or \.\."),
        ({"offline": "/data/{proposal}/{beamtime}"}, "what is '{proposal}'"),
        ({"offline": "/data/b{beamtime}"}, "what is 'b{beamtime}'"),
        ({"offline": "/{beamtime}/{beamtime}"}, "there twice"),
        ({"offline": "/data/{beamtime}", "online": "/beamline/*"}, "which folder is it"),
    ],
)
def test_places_that_say_nothing_are_refused(places: dict[str, str], why: str) -> None:
    with pytest.raises(StreamError, match=why):
        Places(**places)


def test_a_path_tells_its_beamline() -> None:
    pattern = DESY.offline_pattern
    assert pattern.beamline_of("/asap3/petra3/gpfs/p07/2026/data/11001234") == "p07"
    assert pattern.beamline_of("/asap3/petra3/elsewhere/p07/2026/data/11001234") == ""
    assert not pattern.may_be(pattern.parts.index("{beamline}"), "common")
    assert FolderPattern.parse("/data/{beamtime}").beamline_of("/data/1") == ""


@pytest.mark.parametrize(
    ("kind", "to_offline", "has_online", "root"),
    [
        ("raw", False, True, "/beamline/p07/current"),
        ("raw", True, True, "/core/1"),
        ("raw", False, False, "/core/1"),
        ("processed", False, True, "/core/1"),
    ],
)
def test_raw_data_go_to_the_beamline_first(kind: Kind, to_offline: bool, has_online: bool, root: str) -> None:
    assert root_of(ONLINE, kind, to_offline=to_offline, has_online=has_online) == root


def test_raw_data_of_a_beamtime_that_is_over_are_refused() -> None:
    with pytest.raises(BeamtimeError, match="beamtime 1 is not online"):
        root_of(OFFLINE, "raw")
    assert ONLINE.roots("raw") == ("/beamline/p07/current", "/core/1")
    assert ONLINE.roots("processed") == ("/core/1", "/beamline/p07/current")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "raw",
        "raw/",
        "/raw/a",
        "raw//a",
        "raw/../a",
        "raw/./a",
        "raw/a/..",
        "processed/a",
        "other/a",
        "raw/a\0b",
        "raw/" + 256 * "x",
    ],
)
def test_paths_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(StreamError):
        wanted_path(name, "raw")


@given(st.text(st.sampled_from("raw/.\0é x"), max_size=20))
def test_a_path_that_is_taken_stays_below_its_kind(tail: str) -> None:
    try:
        parts = wanted_path(f"raw/{tail}", "raw")
    except StreamError:
        return
    assert "/".join(parts) == f"raw/{tail}"
    assert not {"", ".", ".."} & set(parts)
