"""Output files: names, claims, and nothing half-written under a final name."""

import errno
from pathlib import Path

import pytest

from penstock.elements.output_file import OutputFile, expanded
from penstock.elements.sink import RunFacts
from penstock.errors import SinkError


@pytest.fixture
def run(tmp_path: Path) -> RunFacts:
    return RunFacts(pipeline="xrf", run="r1", sink="file", folder=str(tmp_path))


def test_templates_are_filled(run: RunFacts) -> None:
    assert expanded("{name}/{run}-{sink}.h5", run) == "xrf/r1-file.h5"


def test_a_run_cannot_leave_its_folder_by_its_name() -> None:
    assert expanded("out/{run}.h5", RunFacts(pipeline="p", run="../x")) == "out/..-x.h5"


def test_unknown_names_are_answered(run: RunFacts) -> None:
    with pytest.raises(SinkError, match=r"\{date\} is not known; there are \{run\}, \{name\}, \{sink\}"):
        expanded("{date}.h5", run)


def test_folders_are_made_and_files_published(run: RunFacts, tmp_path: Path) -> None:
    output = OutputFile("a/b/{run}.h5", run)
    output.part.write_text("whole")
    output.publish()
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.h5*")] == ["a/b/r1.h5"]


def test_nothing_under_the_final_name_before(run: RunFacts, tmp_path: Path) -> None:
    output = OutputFile("{run}.h5", run)
    assert not output.path.exists()
    output.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_next_free_name(run: RunFacts, tmp_path: Path) -> None:
    (tmp_path / "map.h5").touch()
    (tmp_path / "map-2.h5").touch()
    assert OutputFile("map.h5", run).path.name == "map-3.h5"


def test_two_runs_at_once_get_two_names(run: RunFacts) -> None:
    first, second = OutputFile("map.h5", run), OutputFile("map.h5", run)
    assert (first.path.name, second.path.name) == ("map.h5", "map-2.h5")


def test_refusing(run: RunFacts, tmp_path: Path) -> None:
    (tmp_path / "map.h5").touch()
    with pytest.raises(SinkError, match=r"map\.h5 exists; move it"):
        OutputFile("map.h5", run, "refuse")


def test_replacing(run: RunFacts, tmp_path: Path) -> None:
    (tmp_path / "map.h5").write_text("old")
    output = OutputFile("map.h5", run, "replace")
    output.part.write_text("new")
    assert output.path.read_text() == "old"
    output.publish()
    assert output.path.read_text() == "new"


@pytest.mark.parametrize("existing", ["refuse", "replace"])
def test_what_a_killed_run_left(run: RunFacts, tmp_path: Path, existing: str) -> None:
    (tmp_path / "map.h5.part").touch()
    with pytest.raises(SinkError, match=r"another run writes map\.h5, or was killed; remove it"):
        OutputFile("map.h5", run, existing)  # type: ignore[arg-type]  # one of the two


def test_a_folder_is_no_file(run: RunFacts, tmp_path: Path) -> None:
    (tmp_path / "map.h5").mkdir()
    with pytest.raises(SinkError, match="is a folder; name a file"):
        OutputFile("map.h5", run)


def test_a_file_is_no_folder(run: RunFacts, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(SinkError, match=r"out/map\.h5: cannot be written: .*; name a folder you may write to"):
        OutputFile("out/map.h5", run)


def test_a_folder_nobody_may_write(run: RunFacts) -> None:
    with pytest.raises(SinkError, match=r"/proc/self/out/map\.h5: cannot be written: "):
        OutputFile("/proc/self/out/map.h5", run)


def test_a_full_disk_is_named(run: RunFacts) -> None:
    output = OutputFile("map.h5", run)
    with pytest.raises(SinkError, match=r"map\.h5: not written: the disk is full$"), output.writing():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_what_was_published_before_stays(run: RunFacts) -> None:
    output = OutputFile("map.h5", run)
    output.part.write_text("first")
    output.publish()
    with pytest.raises(SinkError, match=r"what was published before stays in map\.h5"), output.writing():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert output.path.read_text() == "first"
