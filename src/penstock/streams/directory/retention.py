"""Removing the oldest segments of a stream, by age, size and count; those who hold a view of one keep it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.id_ranges import Range, joined, of_ids, put
from penstock.core.id_set import IdSet
from penstock.core.retention import Piece, Retained, Retention, removals
from penstock.errors import ConflictError, IntegrityError
from penstock.streams.directory.committed import Committed
from penstock.streams.directory.file_names import STATE, index_name, segment_name, segment_numbers
from penstock.streams.directory.growing_segment import FULL, disk_errors
from penstock.streams.directory.info import closed_state
from penstock.streams.directory.removed_ids import read_removed, write_removed
from penstock.streams.directory.repair import repair_segment
from penstock.streams.directory.state_file import StateFile, decode_state, write_state
from penstock.streams.directory.stream_lock import StreamLock

__all__ = ["retain"]


def retain(
    folder: Path,
    retention: Retention,
    now_ns: int,
    *,
    unread: Callable[[], Mapping[str, Sequence[Range]]],
    keep: int | None = None,
) -> Retained:
    """Remove what exceeds limits, also while somebody writes; when two do so they take turns.

    Parameters
    ----------
    unread, keep
        As ``removals`` takes them.

    Raises
    ------
    IntegrityError
        If the state of a stream that nobody writes is damaged.
    StoreFullError
        If the disk is so full that it cannot even be noted which ids are gone; then nothing is.
    """
    lock = StreamLock(folder, "retain", waits=True)
    committed = Committed(folder, "")
    try:
        writing = _try_to_write(folder)
        try:
            state = _state(folder) if writing is not None else _ended(folder)
            committed.refresh()
            if state is not None:
                state = closed_state(state, committed, state.totals.synced)
            pieces = _pieces(committed)
            numbers, retained = removals(
                pieces,
                retention,
                now_ns,
                ids_of=lambda number: _ids_of(committed, number),
                unread=unread,
                is_growing=state is None and bool(pieces) and pieces[-1].number == committed.last_segment,
                keep=keep,
            )
            with disk_errors(folder):
                _remove(folder, committed, numbers)
                if numbers and state is not None:
                    write_state(folder, closed_state(state, committed, state.totals.synced))
            return retained
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


def _pieces(committed: Committed) -> list[Piece]:
    """Return the segments that have blocks."""
    blocks = committed.blocks
    found: list[Piece] = []
    for number in range(blocks.segment(blocks.first), committed.last_segment + 1) if len(blocks) else ():
        records = blocks.records(number)
        if len(records):
            found.append(
                Piece(
                    number=number,
                    messages=int(records["rows"].sum()),
                    nbytes=int(records["body"].sum() + records["head"].sum()) + records.nbytes,
                    newest_ns=int(records["appended_ns"].max()),
                    end=int(records["position"][-1] + records["rows"][-1]),
                )
            )
    return found


def _remove(folder: Path, committed: Committed, numbers: list[int]) -> None:
    if not numbers:
        return
    removed = read_removed(folder)
    for number in numbers:
        put(removed, _ids_of(committed, number))
    _note_removed(folder, removed, numbers)  # first: an id that was there is never there again
    for number in numbers:
        # The segment first: an index without one is passed over, a segment without an index looked through.
        (folder / segment_name(number)).unlink(missing_ok=True)
        (folder / index_name(number)).unlink(missing_ok=True)
    committed.drop_removed()


def _note_removed(folder: Path, removed: IdSet, numbers: list[int]) -> None:
    try:
        write_removed(folder, removed)
    except OSError as error:
        if error.errno not in FULL:
            raise
        # The note is what has no room, and removing is what would make some. An index can always be done without.
        for number in numbers:
            (folder / index_name(number)).unlink(missing_ok=True)
        write_removed(folder, removed)


def _ids_of(committed: Committed, segment: int) -> list[Range]:
    """Return the ids of a segment; of a damaged block all that may have been in it."""
    records = committed.blocks.records(segment)
    # Together, as there may be very many: one by one would take the interpreter from who appends meanwhile.
    is_dense = records["last_id"] - records["first_id"] == records["rows"] - np.uint32(1)
    others = np.flatnonzero(~is_dense) + committed.blocks.of_segment(segment).start
    return joined(_runs(records[is_dense]), *[_ids_of_block(committed, number) for number in others.tolist()])


def _runs(records: NDArray[Any]) -> list[Range]:
    """Return the ids of blocks without holes."""
    if not len(records):
        return []
    records = records[np.argsort(records["first_id"], kind="stable")]
    reach = np.maximum.accumulate(records["last_id"])
    cuts = np.flatnonzero(records["first_id"][1:] > reach[:-1] + np.uint64(1)) + 1
    firsts = records["first_id"][np.concatenate(([0], cuts))].tolist()
    return list(zip(firsts, reach[np.concatenate((cuts - 1, [len(records) - 1]))].tolist(), strict=True))


def _ids_of_block(committed: Committed, number: int) -> list[Range]:
    header = committed.blocks.header(number)
    try:
        return of_ids(committed.read(number).block.ids)
    except IntegrityError:
        return [(header.first_id, header.last_id)]


def _ended(folder: Path) -> StateFile | None:
    """Return the state of a stream that has ended, though its writer has not let go of it; he says no more."""
    try:
        state = decode_state((folder / STATE).read_bytes(), folder / STATE)
    except (FileNotFoundError, IntegrityError):
        return None
    return state if state.has_ended else None


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
