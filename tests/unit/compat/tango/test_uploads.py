"""Files that clients send."""

from pathlib import Path

import pytest

from penstock.compat.tango import uploads
from penstock.compat.tango.uploads import Uploads
from penstock.errors import ParameterError


def test_the_same_is_kept_once_and_what_is_there_is_never_changed(tmp_path: Path) -> None:
    kept = Uploads(str(tmp_path))
    first = kept.keep("p.geom", b"one", "fit.geometry")
    assert kept.keep("p.geom", b"one", "fit.geometry") == first
    second = kept.keep("p.geom", b"two", "fit.geometry")
    assert [Path(path).read_bytes() for path in (first, second)] == [b"one", b"two"]
    assert {path.name for path in tmp_path.iterdir()} == {Path(first).name, Path(second).name}
    assert first.endswith("-p.geom")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "", ".hidden", "a\0b", "C:\\x\\y.poni", "x" * 5000]
)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    path = Path(Uploads(str(tmp_path)).keep(name, b"x", "fit.geometry"))
    assert path.parent == tmp_path
    assert path.read_bytes() == b"x"


def test_without_a_folder_and_too_large_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ParameterError, match=r"fit\.geometry: no files are taken here; begin with penstock tango --upl"
    ):
        Uploads("").keep("a", b"", "fit.geometry")
    monkeypatch.setattr(uploads, "MOST_BYTES", 2)
    with pytest.raises(ParameterError, match="the file has 3 bytes; at most 2"):
        Uploads(str(tmp_path)).keep("a", b"abc", "fit.geometry")
    with pytest.raises(ParameterError, match=r"gone/.* cannot be written: No such file"):
        Uploads(str(tmp_path / "gone")).keep("a", b"a", "fit.geometry")
