"""Messages that become files, too, and messages that are only files."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConflictError, IntegrityError, MissingMessageError, StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.file_exposer import FileExposer
from penstock.streams.memory_store import MemoryStore
from penstock.streams.open_store import OpenStore, open_async_store, open_store
from penstock.streams.receipts import OutcomeKind

ADDRESS = "b/s/t"


def _path(path: str) -> dict[str, str]:
    return {"exposed_path": path}


def test_a_message_is_in_the_stream_and_in_its_file(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    with open_store("memory:") as store, store.producer(ADDRESS, exposer=FileExposer(tmp_path)) as out:
        out.send(b"abc", metadata=_path("raw/a.tif")).wait()
        assert (tmp_path / "raw" / "a.tif").read_bytes() == b"abc"
        out.send(array, metadata=_path("processed/deep/er/b.bin")).wait()
        out.send(b"", metadata=_path("raw/empty")).wait()
        out.send(b"only here").wait()
        assert bytes(store.consumer(ADDRESS).get(1).array) == b"abc"
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"raw/a.tif": b"abc", "processed/deep/er/b.bin": array.tobytes(), "raw/empty": b""}


def test_a_file_is_there_when_its_message_is(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path / "store") as below, OpenStore(below) as store:
        with store.producer(ADDRESS, exposer=FileExposer(tmp_path)) as out:
            receipts = [out.send(b"%d" % n, metadata=_path(f"raw/{n}")) for n in range(200)]
            with store.consumer(ADDRESS) as run:
                for _ in receipts:
                    message = run.next(30)
                    assert (tmp_path / "raw" / str(message.id - 1)).read_bytes() == bytes(message.array)
        assert {receipt.wait().kind for receipt in receipts} == {OutcomeKind.STORED}


def test_a_file_of_a_new_id_is_overwritten_and_that_is_said(tmp_path: Path) -> None:
    with open_store("memory:") as store, store.producer(ADDRESS, exposer=FileExposer(tmp_path)) as out:
        assert out.send(b"old", metadata=_path("raw/a")).wait().reason == ""
        outcome = out.send(b"new", metadata=_path("raw/a")).wait()
        assert (outcome.kind, outcome.is_safe) == (OutcomeKind.STORED, True)
        assert outcome.reason == "raw/a: the file that was there has been overwritten"
        assert (out.counts.stored, out.counts.failed) == (2, 0)
    assert (tmp_path / "raw" / "a").read_bytes() == b"new"


def test_a_duplicate_and_a_conflict_change_no_file(tmp_path: Path) -> None:
    with open_store("memory:") as store, store.producer(ADDRESS, exposer=FileExposer(tmp_path)) as out:
        out.send(b"old", id=1, metadata=_path("raw/a")).wait()
        (tmp_path / "raw" / "a").write_bytes(b"changed by hand")
        assert out.send(b"old", id=1, metadata=_path("raw/a")).wait().kind is OutcomeKind.DUPLICATE
        for data, path in ((b"new", "raw/a"), (b"old", "raw/b")):
            with pytest.raises(ConflictError):
                out.send(data, id=1, metadata=_path(path)).wait()
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a"]
    assert (tmp_path / "raw" / "a").read_bytes() == b"changed by hand"


@pytest.mark.parametrize(
    "path",
    ["a", "raw", "raw/", "other/a", "/raw/a", "raw/../a", "raw/./a", "raw//a", "raw/a/..", "RAW/a", "", "raw/\0", 7,
     "processed/../raw/a", "raw/link/a"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_and_its_neighbours_are_not(tmp_path: Path, path: object) -> None:
    (tmp_path / "in" / "raw").mkdir(parents=True)
    (tmp_path / "in" / "raw" / "link").symlink_to(tmp_path)
    with open_store("memory:") as store, store.producer(ADDRESS, exposer=FileExposer(tmp_path / "in")) as out:
        first = out.send(b"1", metadata=_path("raw/first"))
        bad = out.send(b"2", metadata={"exposed_path": path})
        last = out.send(b"3", metadata=_path("raw/last"))
        with pytest.raises(StreamError, match=r"is no path for a file|leads out of"):
            bad.wait()
        assert first.wait().is_safe
        assert last.wait().is_safe
        assert [message.id for message in store.consumer(ADDRESS).range(1, 9)] == [1, 3]
    assert sorted(path.name for path in (tmp_path / "in").rglob("*")) == ["first", "last", "link", "raw"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


@given(st.lists(st.sampled_from(["raw", "processed", "..", ".", "", "a", "b"]), max_size=6))
def test_no_path_leaves_its_folder(parts: list[str]) -> None:
    root = Path("/nowhere")
    exposer = FileExposer("/")
    exposer.root = root
    try:
        path = exposer.path_of("/".join(parts))
    except StreamError:
        return
    assert path.resolve().is_relative_to(root / parts[0])
    assert parts[0] in ("raw", "processed")


def test_the_first_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "elsewhere")
    assert not FileExposer(tmp_path).write("raw/x/a", b"1")
    assert (tmp_path / "elsewhere" / "x" / "a").read_bytes() == b"1"


def test_what_cannot_be_a_file_fails_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "raw" / "folder").mkdir(parents=True)
    with pytest.raises(StreamError, match="no such folder"):
        FileExposer(tmp_path / "none")
    with open_store("memory:") as store, store.producer(ADDRESS, exposer=FileExposer(tmp_path)) as out:
        for data, path, text in (
            ([b"1", b"2"], "raw/a", "one buffer"),
            (None, "raw/a", "one buffer"),
            (b"1", "raw/folder", "directory"),
        ):
            with pytest.raises(StreamError, match=text):
                out.send(data, metadata=_path(path)).wait()
        assert store.info(ADDRESS).count == 0
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["folder"]


def test_a_message_without_payload_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a").write_bytes(b"abc")
    here = {"folder": str(tmp_path / "raw"), "name": "a", "size": 3}
    with open_store("memory:") as store, store.producer(ADDRESS) as out, store.consumer(ADDRESS) as run:
        for metadata in (here, _path("raw/a"), {**here, "size": 4}, _path("raw/none"), _path("raw/../x"), {}):
            out.send(None, metadata=metadata).wait()
        assert bytes(run.retrieve(run.get(1))) == b"abc"
        assert bytes(run.retrieve(run.get(2), tmp_path)) == b"abc"
        with pytest.raises(IntegrityError, match="has 3 bytes, not 4"):
            run.retrieve(run.get(3))
        with pytest.raises(MissingMessageError, match="raw/none cannot be read"):
            run.retrieve(run.get(4), tmp_path)
        with pytest.raises(StreamError, match="say below which root"):
            run.retrieve(run.get(4))
        with pytest.raises(StreamError, match="is no path"):
            run.retrieve(run.get(5), tmp_path)
        with pytest.raises(StreamError, match="speaks of no file"):
            run.retrieve(run.get(6))
        out.send(np.arange(3), metadata=_path("raw/none")).wait()
        assert run.retrieve(run.get(7), tmp_path).tolist() == [0, 1, 2]


def test_coroutines_expose_and_retrieve_by_the_same_names(tmp_path: Path) -> None:
    async def main() -> bytes:
        async with open_async_store("memory:") as store:
            async with store.producer(ADDRESS, exposer=FileExposer(tmp_path)) as out:
                await (await out.send(b"abc", metadata=_path("raw/a")))
                await (await out.send(None, metadata={"folder": str(tmp_path / "raw"), "name": "a"}))
            async with store.consumer(ADDRESS) as run:
                return bytes(await run.retrieve(await run.get(2)))

    assert asyncio.run(main()) == b"abc"


def test_a_cache_forgets_the_oldest_and_says_so() -> None:
    with open_store(MemoryStore(most_bytes=40_000)) as store, store.producer(ADDRESS) as out:
        for _ in range(10):
            out.send(bytes(10_000)).wait()
        with store.consumer(ADDRESS) as run:
            ids = [run.next(0).id for _ in range(store.info(ADDRESS).count)]
            assert ids
            assert ids == list(range(11 - len(ids), 11))
            assert run.skipped == 10 - len(ids) == store.info(ADDRESS).removed
            with pytest.raises(MissingMessageError, match="removed"):
                run.get(1)
