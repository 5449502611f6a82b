"""The last id with which a producer has ended a stream, though not all up to it have come."""

from pathlib import Path

import pytest

from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError
from penstock.streams.dataset import check_stream_name
from penstock.streams.declared_end import declare_last_id, declared_address, declared_last_id
from penstock.streams.directory import DirectoryStore
from penstock.streams.memory_store import MemoryStore
from penstock.streams.stream_copy import copy_stream

RUN, COPY = StreamAddress("bt", "det", "run"), StreamAddress("bt", "det", "copy")


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_it_is_kept_with_the_stream_copied_with_it_and_goes_with_it(kind: str, tmp_path: Path) -> None:
    with MemoryStore() if kind == "memory" else DirectoryStore(tmp_path / "store", make=True) as store:
        assert declared_last_id(store, RUN) == 0
        declare_last_id(store, RUN, 0)
        assert store.metadata(declared_address(RUN)) is None
        declare_last_id(store, RUN, 7)
        with store.write(RUN) as writer:
            writer.finish()
        copy_stream(store, RUN, store, COPY)
        assert (declared_last_id(store, RUN), declared_last_id(store, COPY)) == (7, 7)
        assert [info.address for info in store.streams()] == [RUN, COPY]
        declare_last_id(store, COPY, 0)
        store.delete(RUN)
        assert (declared_last_id(store, RUN), declared_last_id(store, COPY)) == (0, 0)


def test_a_stream_with_a_very_long_name_has_none_and_no_stream_is_called_so() -> None:
    longest = StreamAddress("bt", "det", "s" * 195)
    with MemoryStore() as store:
        declare_last_id(store, longest, 7)
        assert declared_last_id(store, longest) == 0
    with pytest.raises(StreamError, match="meaning of their own"):
        check_stream_name(declared_address(RUN))
