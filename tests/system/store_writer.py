"""A process that appends to a stream until it is killed, and says after each block how much it has written.

``python -m tests.system.store_writer FOLDER SEED``: 8 bytes on its output are the number of messages written so far.
"""

import sys
from pathlib import Path

import numpy as np

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.streams.directory import DirectoryStore

ADDRESS = StreamAddress("c20261120", "eiger", "deaths")
SEGMENT_BYTES = 4 << 20
LARGE = 300
"""Every so manieth message is so large that it goes past the page cache."""


def pixels(message_id: int) -> int:
    """How many numbers a message holds."""
    return 200_000 if message_id % LARGE == 0 else message_id % 3000


def block(first_id: int, n: int) -> Block:
    """Messages that can be told from any others by each of their numbers."""
    ids = np.arange(first_id, first_id + n, dtype=np.uint64)
    if n == 1:
        column = np.full((1, pixels(first_id)), first_id, np.uint64)
        return Block(stream="any", ids=ids, keys=ids, timestamps=ids.astype(np.int64), columns=(column,))
    return Block(
        stream="any",
        ids=ids,
        timestamps=ids.astype(np.int64),
        metadata=[{"id": int(each)} for each in ids],
        columns=(np.repeat(ids, 16).reshape(n, 16),),
    )


def is_whole(found: Block) -> bool:
    """Whether a block is what ``block`` made of these ids."""
    made = block(int(found.ids[0]), len(found))
    column, wanted = found.columns[0], made.columns[0]
    assert isinstance(column, np.ndarray)
    assert isinstance(wanted, np.ndarray)
    has_metadata = made.metadata is None or list(found.metadata or ()) == list(made.metadata)
    return has_metadata and np.array_equal(column, wanted) and np.array_equal(found.ids, made.ids)


def main(folder: str, seed: str) -> None:
    """Append for ever."""
    random = np.random.default_rng(int(seed))
    with DirectoryStore(Path(folder), segment_bytes=SEGMENT_BYTES) as store, store.write(ADDRESS) as writer:
        while True:
            first = writer.last_id + 1
            n = 1 if first % LARGE == 0 else int(random.integers(1, 40))
            writer.append(block(first, min(n, LARGE - first % LARGE)))
            sys.stdout.buffer.write(writer.written.to_bytes(8, "little"))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
