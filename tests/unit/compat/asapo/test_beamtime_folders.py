"""Which beamtime is meant and which is current, in folders as at DESY."""

import json
from pathlib import Path

import pytest

from penstock.compat.asapo.beamtime_files import BeamtimeFiles
from penstock.compat.asapo.beamtime_folders import PASSING_S, BeamtimeFolders
from penstock.compat.asapo.beamtimes import Places
from penstock.errors import BeamtimeError, StreamError


class Facility:
    """Folders of beamtimes and beamlines, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now_s = 100.0
        self.add("11001234", "p07")
        self.add("11001235", "p07")
        self.add("c20261120-000", "p07", "commissioning")
        self.add("11005555", "p08")
        (root / "asap3/petra3/gpfs/common/2026/data/11001234").mkdir(parents=True)
        self.current = root / "beamline/p07/current"
        self.current.mkdir(parents=True)
        self.folders = BeamtimeFolders(
            Places(
                offline=f"{root}/asap3/*/gpfs/{{beamline}}/*/*/{{beamtime}}", online=f"{root}/beamline/{{beamline}}"
            ),
            now_s=lambda: self.now_s,
        )

    def add(self, beamtime: str, beamline: str, kind: str = "data") -> None:
        self.path_of(beamtime, beamline, kind).mkdir(parents=True)

    def path_of(self, beamtime: str, beamline: str = "p07", kind: str = "data") -> Path:
        return self.root / "asap3/petra3/gpfs" / beamline / "2026" / kind / beamtime

    def begin(self, beamtime: str) -> Path:
        """Make a beamtime the current one."""
        for old in self.current.glob("beamtime-metadata-*"):
            old.unlink()
        return self.say(self.current / f"beamtime-metadata-{beamtime}.json", beamtime)

    def say(self, path: Path, beamtime: str) -> Path:
        said = {"beamtimeId": beamtime, "beamline": "p07", "corePath": str(self.path_of(beamtime))}
        path.write_text(json.dumps(said))
        return path


@pytest.fixture
def facility(tmp_path: Path) -> Facility:
    return Facility(tmp_path)


def test_a_beamtime_is_found_by_its_id(facility: Facility) -> None:
    found = facility.folders.resolve("11001234")
    assert (found.id, found.beamline, found.offline) == ("11001234", "p07", str(facility.path_of("11001234")))
    assert found.online == ""
    facility.path_of("11001234").rmdir()
    assert facility.folders.resolve("11001234") == found, "what was found stays known"


def test_wrong_names_are_refused(facility: Facility) -> None:
    folders = facility.folders
    for beamtime, beamline, why in [
        ("auto", "auto", 'both "auto"'),
        ("", "", 'both "auto"'),
        ("99", "auto", "no beamtime 99"),
        ("11001234", "p08", "no beamtime 11001234 is known at beamline p08"),
        ("*", "auto", r"no beamtime \* is known"),
        ("../11001234", "auto", "is no beamtime"),
        ("11001234", "../p07", "is no beamline"),
        ("auto", "p99", "has no current beamtime"),
    ]:
        with pytest.raises(StreamError, match=why):
            folders.resolve(beamtime, beamline)


def test_the_current_beamtime_is_followed(facility: Facility) -> None:
    folders = facility.folders
    facility.begin("11001234")
    assert folders.resolve("auto", "p07", "raw").online == str(facility.current)
    before = folders.resolve("11001234", kind="raw")
    assert before.online == str(facility.current)
    files = BeamtimeFiles(folders)
    files.write(before, "raw", "raw/a", b"of 11001234")
    facility.begin("11001235")
    with pytest.raises(BeamtimeError, match="is not the current one of p07 any more") as caught:
        files.write(before, "raw", "raw/b", b"of 11001234")
    assert caught.value.is_passing
    assert [path.name for path in (facility.current / "raw").iterdir()] == ["a"]
    facility.now_s += 0.9
    assert folders.resolve("auto", "p07").id == "11001234"
    facility.now_s += 0.2
    assert folders.resolve("auto", "p07").id == "11001235"
    with pytest.raises(BeamtimeError, match="11001234 is not online"):
        folders.resolve("11001234", kind="raw")
    assert folders.resolve("11001234").offline == str(facility.path_of("11001234"))
    facility.say(facility.current / "beamtime-metadata-11001235.json", "11001234")  # the same file, with another text
    facility.now_s += 1.1
    assert folders.resolve("auto", "p07").id == "11001234"


def test_while_files_are_replaced_clients_try_again_and_not_for_ever(facility: Facility) -> None:
    folders = facility.folders
    old = facility.begin("11001234")
    new = facility.say(facility.current / "beamtime-metadata-11001235.json", "11001235")
    for when_s, is_passing in [(0.0, True), (PASSING_S - 1, True), (PASSING_S + 1, False)]:
        facility.now_s = 100.0 + when_s
        with pytest.raises(BeamtimeError, match="2 files that say so") as caught:
            folders.resolve("auto", "p07")
        assert caught.value.is_passing is is_passing
    old.unlink()
    new.write_text(new.read_text()[:20])
    facility.now_s += 2
    with pytest.raises(BeamtimeError, match="no JSON"):
        folders.resolve("auto", "p07")
    with pytest.raises(BeamtimeError, match="not online"):
        folders.resolve("11001235", kind="raw")
    facility.say(new, "11001235")
    facility.now_s += 2
    assert folders.resolve("auto", "p07").id == "11001235"
    new.unlink()
    facility.now_s += 2
    with pytest.raises(BeamtimeError, match="has no file that says so") as caught:
        folders.resolve("auto", "p07")
    assert caught.value.is_passing


def test_a_commissioning_is_online_by_its_own_file(facility: Facility) -> None:
    folder = facility.root / "beamline/p07/commissioning"
    folder.mkdir()
    said = {"id": "c20261120-000", "beamline": "P07", "corePath": str(facility.path_of("c20261120-000"))}
    (folder / "commissioning-metadata-c20261120-000.json").write_text(json.dumps(said))
    assert facility.folders.resolve("c20261120-000", kind="raw").online == str(folder)


def test_without_a_facility_each_beamtime_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folders = BeamtimeFolders(Places(offline=f"{tmp_path}/files/{{beamtime}}"))
    found = folders.resolve("test", "p07", "raw")
    assert (found.offline, found.is_made) == (f"{tmp_path}/files/test", True)
    with pytest.raises(BeamtimeError, match="no folders of beamlines"):
        folders.resolve("auto", "p07")


def test_a_beamline_of_one_needs_no_name(tmp_path: Path) -> None:
    current = tmp_path / "gpfs/current"
    current.mkdir(parents=True)
    folders = BeamtimeFolders(Places(offline=f"{tmp_path}/core/{{beamtime}}", online=f"{tmp_path}/gpfs"))
    said = {"beamtimeId": "7", "beamline": "p07", "corePath": f"{tmp_path}/core/7"}
    (current / "beamtime-metadata-7.json").write_text(json.dumps(said))
    assert folders.resolve("7", kind="raw").online == str(current)
    with pytest.raises(BeamtimeError, match="of beamline p07, not p08"):
        folders.resolve("auto", "p08")
