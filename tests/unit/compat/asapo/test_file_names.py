"""Which message a client means by the name of a file."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from penstock.compat.asapo.file_names import FileNames
from penstock.compat.asapo.records import metadata_of, record_of
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.streams.dataset import part_address
from penstock.streams.memory_reader import MemoryReader
from penstock.streams.memory_store import MemoryStore
from penstock.streams.store import StoredBlock

ALL, RUN = StreamAddress("bt"), StreamAddress("bt", "det", "run")


def put(store: MemoryStore, number: int, name: str, data: bytes | None, address: StreamAddress = RUN) -> None:
    metadata = metadata_of({}, name, 13, None if data is not None else 4)
    array = None if data is None else np.frombuffer(data, np.uint8)
    with store.write(address) as writer:
        writer.append(Block.of(address.stream, [Message(number, None, number, metadata, array)]))


def get(names: FileNames, name: str, stream: str = "run", within: StreamAddress = ALL) -> bytes | None:
    found = names.payload("bt", stream, name, lambda address: address in within)
    return None if found is None else bytes(found)


def tell(store: MemoryStore, names: FileNames, number: int, address: StreamAddress = RUN, part: int = 0) -> None:
    """Tell a client of a message, as the broker does."""
    with store.read(part_address(address, part) if part else address) as reader:
        stored = next(reader.get(number))
    record = record_of(stored, 0, stream=address.stream, part=part, source="", buf_id=0)
    names.note(address, record)


def test_the_latest_of_a_name_is_found_also_when_it_came_later_or_the_stream_was_made_anew() -> None:
    with MemoryStore() as store:
        names = FileNames(store)
        assert get(names, "raw/a") is None
        put(store, 1, "raw/a", b"1")
        put(store, 2, 'raw/"b"', b"2")
        assert (get(names, "raw/a"), get(names, "raw/'b'"), get(names, "raw/c")) == (b"1", b"2", None)
        put(store, 5, "raw/a", b"5")
        put(store, 6, "raw/a", None)  # was only announced
        assert get(names, "raw/a") == b"5"
        assert get(names, "raw/a", stream="other") is None
        assert get(names, "raw/a", stream="") == b"5"
        assert get(names, "raw/a", within=StreamAddress("bt", "else")) is None
        store.delete(RUN)
        put(store, 1, "raw/c", b"new")
        assert (get(names, "raw/a"), get(names, "raw/c")) == (None, b"new")


def test_what_a_client_was_told_of_is_meant_and_found_without_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    with MemoryStore() as store:
        names = FileNames(store, most_told=2)
        put(store, 1, "raw/a", b"1")
        put(store, 2, "raw/a", b"2")
        put(store, 3, "raw/part", b"3", part_address(RUN, 2))
        tell(store, names, 1)
        tell(store, names, 3, part=2)
        with monkeypatch.context() as patched:
            patched.delattr(MemoryStore, "streams")
            assert (get(names, "raw/a"), get(names, "raw/part")) == (b"1", b"3")
        assert get(names, "raw/a", within=StreamAddress("bt", "else")) is None
        put(store, 4, "raw/b", b"4")
        tell(store, names, 4)
        assert get(names, "raw/a") == b"2"  # what was told longest ago is not known any more


def test_which_streams_there_are_is_looked_at_once_a_second_and_when_nothing_is_found() -> None:
    now = 0.0
    with MemoryStore() as store:
        names = FileNames(store, clock=lambda: now)
        put(store, 1, "raw/a", b"1")
        assert get(names, "raw/a") == b"1"
        other = StreamAddress("bt", "other", "run")
        for number, name in ((2, "raw/a"), (3, "raw/b")):
            put(store, number, name, b"of the other", other)
        assert get(names, "raw/a") == b"1"
        now = 1.0
        assert get(names, "raw/a") == b"of the other"
        put(store, 4, "raw/c", b"4", StreamAddress("bt", "third", "run"))
        assert get(names, "raw/c") == b"4"


def test_what_was_looked_at_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    blocks = MemoryReader.blocks

    def counted(self: Any, position: int = 0) -> Iterator[StoredBlock]:
        for stored in blocks(self, position):
            looked.append(stored.position)
            yield stored

    monkeypatch.setattr(MemoryReader, "blocks", counted)
    with MemoryStore() as store:
        names = FileNames(store, most_bytes=0)  # of one stream all the same
        for number in (1, 2):
            put(store, number, f"raw/{number}", b"data")
        assert get(names, "raw/1") == get(names, "raw/2") == b"data"
        put(store, 3, "raw/3", b"data")
        assert get(names, "raw/3") == b"data"
        assert looked == [0, 1, 2]
        put(store, 1, "raw/1", b"other", StreamAddress("bt", "det", "other"))
        assert get(names, "raw/1", stream="other") == b"other"
        assert get(names, "raw/1") == b"data"
        assert looked == [0, 1, 2, 0, 0, 1, 2]  # the first made room for the other
