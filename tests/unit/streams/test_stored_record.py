"""A stored record is what `message_record` says of the same message, read only as far as somebody asks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.query import Query, message_record
from penstock.streams.store import StoredBlock
from penstock.streams.stored_record import stored_records

UNIFORM = [Message(id=n, key=n + 10, timestamp_ns=n, metadata={"n": n}, array=np.zeros((2, 3))) for n in (1, 5)]
RAGGED = [
    Message(id=1, timestamp_ns=5),
    Message(id=2, array=np.zeros(3, "u1"), more=(np.zeros((2, 2)), np.zeros(0))),
    Message(id=9, metadata={"n": 1}, array=np.float32(1)),
]


@pytest.mark.parametrize("messages", [UNIFORM, RAGGED])
def test_it_says_what_the_message_says(messages: list[Message]) -> None:
    block = Block.of("", messages)
    records = list(stored_records(StoredBlock(block=block)))
    assert [dict(record) for record in records] == [message_record(message) for message in block.messages()]
    assert [next(record.stored.block.messages()).id for record in records] == [m.id for m in messages]
    assert records[0].get("other") is None
    assert len(records[0]) == 5


class Watched(list[Mapping[str, Any]]):
    """Metadata that says how often it was read."""

    reads = 0

    def __getitem__(self, row: Any) -> Any:
        Watched.reads += 1
        return super().__getitem__(row)


def test_metadata_is_not_read_unless_the_query_asks() -> None:
    def records() -> Iterator[Mapping[str, Any]]:
        block = Block(
            stream="",
            ids=np.arange(1, 9, dtype=np.uint64),
            timestamps=np.zeros(8, np.int64),
            metadata=Watched({"n": n} for n in range(1, 9)),
        )
        return iter(stored_records(StoredBlock(block=block)))

    Watched.reads = 0
    assert [r["_id"] for r in Query.parse("_id > 3 AND size = 0 ORDER BY _id DESC LIMIT 2").select(records())] == [8, 7]
    assert Watched.reads == 0
    assert [r["_id"] for r in Query.parse("_id > 6 AND meta.n = 8").select(records())] == [8]
    assert Watched.reads == 2
