"""A store is named in one way; what names none is refused with a reason."""

from pathlib import Path
from typing import get_args

import pytest

from penstock.errors import IntegrityError, StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.store_at import Absent, store_at


def test_a_folder_is_made_only_if_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    with pytest.raises(StreamError, match="is not there"):
        store_at(str(folder))
    assert not folder.exists()
    store_at(str(folder), absent="make").close()
    monkeypatch.setenv("HOME", str(tmp_path))
    with store_at("~/store") as store:
        assert isinstance(store, DirectoryStore)
        assert store.path == folder


def test_what_is_no_store_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StreamError, match="holds no store"):
        store_at(str(tmp_path))
    with pytest.raises(StreamError, match="something else in it"):
        store_at(str(tmp_path), absent="make")
    with pytest.raises(StreamError, match="is no folder"):
        store_at(str(tmp_path / "file"))
    with pytest.raises(StreamError, match="cannot be opened"):
        store_at(str(tmp_path / "file"), absent="make")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_store_that_does_not_say_what_it_is_is_damaged(tmp_path: Path) -> None:
    store_at(str(tmp_path / "store"), absent="make").close()
    (tmp_path / "store" / "penstock-store.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"penstock-store\.json"):
        store_at(str(tmp_path / "store"))


@pytest.mark.parametrize(
    ("where", "error", "text"),
    [
        ("memory:", StreamError, "nothing of it would be left"),
        ("s3://bucket", StreamError, 'the kind "s3:"'),
        ("", StreamError, "no store is named"),
    ],
)
def test_other_kinds_are_refused(where: str, error: type[Exception], text: str) -> None:
    for absent in get_args(Absent):
        with pytest.raises(error, match=text):
            store_at(where, absent=absent)
