"""Opening stores: by path, in memory, and by several at once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import penstock
from penstock.core.retention import Retention
from penstock.core.stream_address import StreamAddress
from penstock.errors import StoreFullError, StreamError
from penstock.streams.directory import DirectoryStore
from penstock.streams.kept_retention import pinned_groups
from penstock.streams.memory_store import MemoryStore


def test_a_store_is_a_folder_or_in_memory_or_given(tmp_path: Path) -> None:
    with penstock.open_store(tmp_path / "a") as store:
        assert isinstance(store.store, DirectoryStore)
    with penstock.open_store("memory:") as store:
        assert isinstance(store.store, MemoryStore)
        assert penstock.open_store(store.store).store is store.store
    with pytest.raises(StreamError, match='no store of the kind "s3:"'):
        penstock.open_store("s3://bucket")


def test_many_may_open_a_new_folder_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            path = tmp_path / f"store {turn}"
            stores = list(pool.map(lambda path: penstock.open_store(path, make=True), [path] * 8))
            for store in stores:
                store.close()
            assert sorted(file.name for file in path.iterdir()) == ["penstock-store.json", "streams"]


def test_a_group_is_pinned_when_it_is_opened(tmp_path: Path) -> None:
    with penstock.open_store(tmp_path / "a") as store:
        with store.producer("c2026/eiger") as out:
            out.send(b"x", stream="run 7").wait()
        store.set_retention("c2026/eiger", Retention(count=0))
        assert store.retention("c2026/eiger") == Retention(count=0)
        assert store.retention("c2026/eiger/run 7") is None
        with store.group("c2026/eiger/run 7", "fit", pin=True) as fit, store.group("c2026/eiger/run 7", "other"):
            address = StreamAddress.parse("c2026/eiger/run 7")
            assert isinstance(store.store, DirectoryStore)
            assert [hold.group for hold in store.store.retain(address).held_by] == ["fit"]
            fit.ack(fit.next(0))
            fit.flush()
            assert store.store.retain(address).messages == 1
        store.pin_group(address, "fit", is_pinned=False)
        assert not pinned_groups(store.store, address)


async def _pinned() -> list[str]:
    async with penstock.open_async_store("memory:") as store:
        async with store.producer("c2026/eiger") as out:
            await out.send(b"x", stream="run 7")
        await store.set_retention("c2026/eiger", Retention(count=0))
        assert await store.retention("c2026/eiger") == Retention(count=0)
        async with store.group("c2026/eiger/run 7", "fit", pin=True) as fit:
            await fit.ack(await fit.next(0))
        await store.pin_group("c2026/eiger/run 7", "other")
        return pinned_groups(store.store, StreamAddress.parse("c2026/eiger/run 7"))


def test_a_group_is_pinned_by_coroutines() -> None:
    assert asyncio.run(_pinned()) == ["fit", "other"]


def test_who_cannot_pin_a_group_is_no_member_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreFullError("no room")

    with penstock.open_store(tmp_path / "a", make=True) as store:
        with monkeypatch.context() as patch:
            patch.setattr(DirectoryStore, "set_metadata", full)
            with pytest.raises(StoreFullError):
                store.group("c2026/eiger/run 7", "fit", pin=True)
        with store.group("c2026/eiger/run 7", "fit", attempts=3) as fit:  # other rules: nobody else is there
            assert len(fit.snapshot().members) == 1


def test_the_first_producer_makes_a_store_and_who_reads_before_is_told(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with penstock.open_store(path) as store, penstock.open_store(path) as writes:
        reads = (
            lambda: store.consumer("c/s/1"), lambda: store.datasets("c/s/1"), lambda: store.group("c/s/1", "fit"),
            store.streams, lambda: store.info("c/s/1"), lambda: store.metadata("c"), lambda: store.delete("c/s/1"),
        )  # fmt: skip
        for read in reads:
            with pytest.raises(StreamError, match=f"{path} is not there; a store is made by who sends first"):
                read()
        assert not path.exists()
        with writes.producer("c/s/1") as out, store.consumer("c/s/1") as run:
            out.send(b"a")
            assert run.next(timeout_s=50).id == 1


def test_coroutines_are_told_the_same(tmp_path: Path) -> None:
    async def read() -> None:
        async with penstock.open_async_store(tmp_path / "store") as store:
            with pytest.raises(StreamError, match="is not there"):
                store.consumer("c/s/1")
            with pytest.raises(StreamError, match="is not there"):
                await store.streams()
            async with store.producer("c/s/1") as out:
                await out.send(b"a")
            assert [info.count for info in await store.streams()] == [1]

    asyncio.run(read())
