"""What the tests of the directory store share: blocks, a store with some, and reading past damage."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.errors import IntegrityError
from penstock.streams.directory import DIRECT_BYTES, SEGMENT_BYTES, DirectoryStore
from penstock.streams.directory.state_file import Totals, decode_state, write_state

ADDRESS = StreamAddress("c20261120", "eiger", "run 1")
FOLDER = Path("streams/c20261120/eiger/run 1")


def block(*ids: int, size: int = 4, metadata: bool = False) -> Block:
    """Messages whose numbers all are their id."""
    column = np.array(ids, np.uint64)
    return Block(
        stream="any",
        ids=column,
        timestamps=column.astype(np.int64) * 1000,
        metadata=[{"id": each} for each in ids] if metadata else None,
        columns=(np.repeat(column, size).reshape(len(ids), size),),
    )


def is_right(found: Block) -> bool:
    """Whether a block is one of ``block``, or a part of one."""
    column = found.columns[0]
    assert isinstance(column, np.ndarray)
    return (
        bool((column == found.ids[:, np.newaxis]).all())
        and bool((found.timestamps == found.ids.astype(np.int64) * 1000).all())
        and (found.metadata is None or [m["id"] for m in found.metadata] == found.ids.tolist())
    )


def fill(folder: Path, *blocks: Block, segment_bytes: int = SEGMENT_BYTES, direct_bytes: int = DIRECT_BYTES) -> None:
    """Write blocks, and let go."""
    store = DirectoryStore(folder, segment_bytes=segment_bytes, direct_bytes=direct_bytes)
    with store, store.write(ADDRESS) as writer:
        for each in blocks:
            writer.append(each)


def as_if_killed(folder: Path) -> None:
    """Let a stream look as if its writer had been killed: its state says that somebody writes it."""
    state = decode_state((folder / FOLDER / "state").read_bytes(), folder)
    killed = msgspec.structs.replace(state, is_written=True, totals=Totals(), first_ns=0, last_segment=0)
    write_state(folder / FOLDER, killed, sync=False)


def ids_of(store: DirectoryStore, damaged: Callable[[IntegrityError], None] | None = None) -> list[int]:
    """Return all ids that can be read, in the order of arrival, and see that what they belong to is right."""
    found: list[int] = []
    position = 0
    with store.read(ADDRESS) as reader:
        while True:
            try:
                for stored in reader.blocks(position):
                    assert is_right(stored.block)
                    found += stored.block.ids.tolist()
                return found
            except IntegrityError as error:
                if damaged is None:
                    raise
                damaged(error)
                if error.after <= position:
                    raise
                position = error.after
