"""Files of beamtimes appear whole, in the right folder, and nowhere else."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from penstock.compat.asapo.beamtime_files import BeamtimeFiles
from penstock.compat.asapo.beamtime_folders import BeamtimeFolders
from penstock.compat.asapo.beamtimes import Beamtime, Places
from penstock.errors import BeamtimeError, MissingMessageError, StateError, StreamError


@pytest.fixture
def beamtime(tmp_path: Path) -> Beamtime:
    (tmp_path / "core").mkdir()
    (tmp_path / "current").mkdir()
    return Beamtime(id="1", beamline="p07", offline=str(tmp_path / "core"), online=str(tmp_path / "current"))


@pytest.fixture(params=[True, False], ids=["without a name", "with a name"])
def files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BeamtimeFiles:
    """On a file system that has files without a name, and on one that has none, such as GPFS."""
    if not request.param:
        opened = os.open

        def refusing(path: str, flags: int, *args: int, **more: int) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "not here")
            return opened(path, flags, *args, **more)

        monkeypatch.setattr(os, "open", refusing)
    return BeamtimeFiles(BeamtimeFolders(Places(offline=f"{tmp_path}/{{beamtime}}", online=str(tmp_path))), sync=True)


def everything(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_a_file_appears_whole_in_its_folder(files: BeamtimeFiles, beamtime: Beamtime) -> None:
    with files.begin(beamtime, "raw", "raw/run 1/a.cbf") as draft:
        draft.write(b"fra")
        draft.write(np.array([[109, 101]], np.uint8))
        assert [path for path in everything(beamtime.online) if not Path(path).name.startswith(".")] == []
        assert draft.finish() is False
    assert everything(beamtime.online) == {"raw/run 1/a.cbf": b"frame"}
    assert files.write(beamtime, "raw", "raw/run 1/a.cbf", np.zeros((2, 2), np.uint16)) is True
    assert everything(beamtime.online) == {"raw/run 1/a.cbf": bytes(8)}
    files.write(beamtime, "raw", "raw/b", b"", to_offline=True)
    files.write(beamtime, "processed", "processed/c", np.arange(4, dtype=np.uint8)[::2])
    assert everything(beamtime.offline) == {"raw/b": b"", "processed/c": b"\0\2"}
    with pytest.raises(StateError):
        draft.write(b"more")


def test_what_is_discarded_leaves_nothing(files: BeamtimeFiles, beamtime: Beamtime) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with files.begin(beamtime, "processed", "processed/a") as draft:
        draft.write(b"half")
    (Path(beamtime.offline) / "processed/folder").mkdir()
    with pytest.raises(StreamError, match="processed/folder"):
        files.write(beamtime, "processed", "processed/folder", b"x")
    assert everything(beamtime.offline) == {}
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_is_read_where_it_was_written_first(files: BeamtimeFiles, beamtime: Beamtime) -> None:
    for root, text in [(beamtime.offline, "kept"), (beamtime.online, "first")]:
        for kind in ("raw", "processed"):
            (Path(root) / kind).mkdir()
            (Path(root) / kind / "a").write_text(text)
    (Path(beamtime.offline) / "raw/b").write_text("only here")

    def read(name: str) -> bytes:
        with files.open(beamtime, name) as opened:
            return os.read(opened.fd, opened.size)

    assert [read("raw/a"), read("processed/a"), read("raw/b")] == [b"first", b"kept", b"only here"]
    os.mkfifo(f"{beamtime.offline}/raw/pipe")
    for name in ("raw/none", "raw/none/a", "raw/pipe", "raw/a/b"):
        with pytest.raises(MissingMessageError, match=f"{name}: beamtime 1 has no such file"):
            files.open(beamtime, name)


@pytest.mark.parametrize(
    "use",
    [
        lambda files, beamtime, name: files.write(beamtime, "raw", name, b"x"),
        lambda files, beamtime, name: files.open(beamtime, name),
    ],
    ids=["write", "read"],
)
def test_links_lead_nowhere_else(
    files: BeamtimeFiles, beamtime: Beamtime, tmp_path: Path, use: Callable[[BeamtimeFiles, Beamtime, str], object]
) -> None:
    outside, elsewhere = tmp_path / "outside", tmp_path / "elsewhere"
    (outside / "there").mkdir(parents=True)
    (outside / "there/a").write_text("secret")
    (elsewhere / "true").mkdir(parents=True)
    (elsewhere / "true/a").write_text("data")
    raw = Path(beamtime.online) / "raw"
    raw.symlink_to(elsewhere)  # a facility may have it so
    (elsewhere / "out").symlink_to(outside)
    (elsewhere / "within").symlink_to("true")
    for name in ("raw/out/there/a", "raw/out/new/a", "raw/../core/a", "/etc/passwd"):
        with pytest.raises(StreamError):
            use(files, beamtime, name)
    use(files, beamtime, "raw/within/a")
    assert everything(str(outside)) == {"there/a": b"secret"}
    assert not (outside / "new").exists()
    (elsewhere / "true/b").symlink_to(outside / "there/a")  # of a file: it is replaced, and not read
    with pytest.raises(StreamError, match="a link leads out of raw/"):
        files.open(beamtime, "raw/true/b")
    assert files.write(beamtime, "raw", "raw/true/b", b"ours") is True
    assert (outside / "there/a").read_text() == "secret"


def test_a_beamtime_without_its_folder_is_waited_for(files: BeamtimeFiles, tmp_path: Path) -> None:
    gone = Beamtime(id="1", offline=str(tmp_path / "not mounted"))
    with pytest.raises(BeamtimeError, match="No such file") as caught:
        files.write(gone, "processed", "processed/a", b"x")
    assert caught.value.is_passing
    assert not (tmp_path / "not mounted").exists()
    made = Beamtime(id="1", offline=str(tmp_path / "made"), is_made=True)
    assert files.write(made, "processed", "processed/a", b"x") is False


def test_many_threads_write_into_the_same_new_folder(files: BeamtimeFiles, beamtime: Beamtime) -> None:
    names = [f"processed/a/b/c/{number}" for number in range(64)]
    threads = [
        Thread(target=lambda part=part: [files.write(beamtime, "processed", n, n.encode()) for n in names[part::4]])
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert everything(beamtime.offline) == {name: name.encode() for name in names}


def test_a_reader_may_have_its_own_folder(files: BeamtimeFiles, beamtime: Beamtime) -> None:
    assert files.folder(beamtime) == files.folder(beamtime, f"{beamtime.offline}/") == beamtime.offline
    assert files.folder(beamtime, beamtime.online) == beamtime.online
    with pytest.raises(BeamtimeError, match="no folder of beamtime 1"):
        files.folder(beamtime, "/etc")
