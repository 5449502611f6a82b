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
            stores = list(pool.map(penstock.open_store, [tmp_path / f"store {turn}"] * 8))
            for store in stores:
                store.close()


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

    with penstock.open_store(tmp_path / "a") as store:
        with monkeypatch.context() as patch:
            patch.setattr(DirectoryStore, "set_metadata", full)
            with pytest.raises(StoreFullError):
                store.group("c2026/eiger/run 7", "fit", pin=True)
        with store.group("c2026/eiger/run 7", "fit", attempts=3) as fit:  # other rules: nobody else is there
            assert len(fit.snapshot().members) == 1
