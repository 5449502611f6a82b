"""Removing the oldest segments of a stream, by age, size and count; those who hold a view of one keep it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from penstock.core.id_set import IdSet
from penstock.errors import ConflictError, IntegrityError
from penstock.streams.directory.committed import Committed
from penstock.streams.directory.file_names import STATE, index_name, segment_name, segment_numbers
from penstock.streams.directory.info import closed_state
from penstock.streams.directory.removed_ids import read_removed, write_removed
from penstock.streams.directory.repair import repair_segment
from penstock.streams.directory.state_file import StateFile, decode_state, write_state
from penstock.streams.directory.stream_lock import StreamLock

__all__ = ["Limits", "retain"]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What of a stream is kept. Whole segments are removed, oldest first, as long as one of them is exceeded."""

    age_ns: int | None = None
    """A segment goes when its newest message was appended longer ago than this."""
    nbytes: int | None = None
    """Segments go until the stream takes no more; but the one that grows stays."""
    count: int | None = None
    """A segment goes when as many messages as this follow it."""
    keep: int | None = None
    """Messages of this position and later stay, whatever the others say: somebody has not read them yet."""


def retain(folder: Path, limits: Limits, now_ns: int) -> int:
    """Remove what exceeds limits, also while somebody writes; return how many messages that were.

    Raises
    ------
    ConflictError
        If somebody else does so just now.
    IntegrityError
        If the state of a stream that nobody writes is damaged.
    """
    lock = StreamLock(folder, "retain")
    committed = Committed(folder, "")
    try:
        writing = _try_to_write(folder)
        try:
            state = _state(folder) if writing is not None else None
            committed.refresh()
            if state is not None:
                state = closed_state(state, committed, state.totals.synced)
            removed = _remove(folder, committed, list(_exceeding(committed, limits, now_ns, is_written=state is None)))
            if removed and state is not None:
                write_state(folder, closed_state(state, committed, state.totals.synced))
            return removed
        finally:
            if writing is not None:
                writing.close()
    finally:
        committed.close()
        lock.close()


def _try_to_write(folder: Path) -> StreamLock | None:
    try:
        return StreamLock(folder)
    except ConflictError:
        return None


def _exceeding(committed: Committed, limits: Limits, now_ns: int, *, is_written: bool) -> Iterator[int]:
    blocks = committed.blocks
    if not len(blocks):
        return
    nbytes, count = blocks.nbytes, blocks.count
    for number in range(blocks.segment(blocks.first), committed.last_segment + (not is_written)):
        records = blocks.records(number)
        if not len(records):
            continue
        rows = int(records["rows"].sum())
        end = int(records["position"][-1] + records["rows"][-1])
        if limits.keep is not None and end > limits.keep:
            return
        is_old = limits.age_ns is not None and int(records["appended_ns"].max()) < now_ns - limits.age_ns
        is_too_much = limits.nbytes is not None and nbytes > limits.nbytes
        is_enough = limits.count is not None and count - rows >= limits.count
        if not (is_old or is_too_much or is_enough):
            return
        nbytes -= int(records["body"].sum() + records["head"].sum()) + records.nbytes
        count -= rows
        yield number


def _remove(folder: Path, committed: Committed, numbers: list[int]) -> int:
    if not numbers:
        return 0
    before = committed.blocks.count
    removed = read_removed(folder)
    for number in numbers:
        _add_ids(removed, committed, number)
    write_removed(folder, removed)  # first: an id that was there is never there again
    for number in numbers:
        # The segment first: an index without one is passed over, a segment without an index looked through.
        (folder / segment_name(number)).unlink(missing_ok=True)
        (folder / index_name(number)).unlink(missing_ok=True)
    committed.drop_removed()
    return before - committed.blocks.count


def _add_ids(removed: IdSet, committed: Committed, segment: int) -> None:
    for number in committed.blocks.of_segment(segment):
        header = committed.blocks.header(number)
        if not header.is_dense:
            with suppress(IntegrityError):
                removed.add_all(committed.read(number).block.ids)
                continue
        removed.add_range(header.first_id, header.last_id)  # of a damaged block, all might have been there


def _state(folder: Path) -> StateFile:
    """Return the state of a stream that nobody writes; if its last writer was killed, its index is made complete."""
    try:
        state = decode_state((folder / STATE).read_bytes(), folder / STATE)
    except FileNotFoundError:
        state = StateFile(is_written=True)
    numbers = segment_numbers(folder)
    if state.is_written and numbers:
        repair_segment(folder, numbers[-1])
    return state
