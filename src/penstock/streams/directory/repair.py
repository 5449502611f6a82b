"""Looking through a stream: what of it is not what was written, and the indexes made again from the segments."""

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import IntegrityError
from penstock.streams.directory.committed import Committed
from penstock.streams.directory.file_names import (
    REMOVED,
    STATE,
    index_name,
    replace_file,
    segment_name,
    segment_numbers,
)
from penstock.streams.directory.growing_index import token_of
from penstock.streams.directory.info import closed_state
from penstock.streams.directory.removed_ids import read_removed
from penstock.streams.directory.segment_view import SegmentView
from penstock.streams.directory.state_file import StateFile, decode_state, write_state
from penstock.streams.segment import (
    INDEX,
    RECORD_BYTES,
    SEGMENT,
    BlockHeader,
    FileHeader,
    content_crc,
    find_blocks,
    read_records,
)

__all__ = ["Found", "rebuild_stream", "repair_segment", "verify_stream"]


class Found(msgspec.Struct, kw_only=True):
    """What looking through a stream has shown."""

    segments: int = 0
    blocks: int = 0
    messages: int = 0
    nbytes: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    """Each names file and place; none: all is as it was written."""


def repair_segment(folder: Path, number: int) -> bool:
    """Make the index of a segment that nobody writes agree with it; return whether it did not.

    Blocks that were written and never got their record get it now; a block that was never written to its end is left
    out. The segment is not changed.
    """
    view = SegmentView(folder / segment_name(number), "")
    try:
        data = view.bytes()
        old = _read_index(folder, number)
        header, blocks = _sound(data, old, number)
    finally:
        view.close()
    new = header.encode(INDEX) + b"".join(block.encode() for block in blocks)
    if new == old:
        return False
    replace_file(folder / index_name(number), new, sync=True)
    return True


def _read_index(folder: Path, number: int) -> bytes:
    try:
        return (folder / index_name(number)).read_bytes()
    except FileNotFoundError:
        return b""


def _sound(data: NDArray[np.uint8], index: bytes, number: int) -> tuple[FileHeader, list[BlockHeader]]:
    """Return what an index of a segment should hold."""
    header = FileHeader.decode(data[:RECORD_BYTES].tobytes(), SEGMENT) or FileHeader.decode(index[:RECORD_BYTES], INDEX)
    if header is None or header.number != number:
        header = FileHeader(token=token_of(data), number=number, created_ns=0)
    found = {block.at: block for block in find_blocks(data, header.token, RECORD_BYTES, 0)}
    for record in read_records(index[RECORD_BYTES:], header.token, past_damage=True):
        block = BlockHeader.of(record)  # it may be good where the header in the segment is not
        found.setdefault(block.at, block)
    blocks = sorted(found.values(), key=lambda block: block.at)
    while blocks and not _is_whole(data, blocks[-1]):
        blocks.pop()
    return header, blocks


def _is_whole(data: NDArray[np.uint8], block: BlockHeader) -> bool:
    return block.end <= len(data) and content_crc(data, block) == block.content_crc


def rebuild_stream(folder: Path, now_ns: int) -> None:
    """Make all indexes, a damaged state and a damaged list of removed ids again; nobody may write it meanwhile."""
    numbers = segment_numbers(folder)
    for number in numbers:
        repair_segment(folder, number)
    try:
        read_removed(folder)
    except IntegrityError:
        (folder / REMOVED).unlink()
    try:
        state = decode_state((folder / STATE).read_bytes(), folder / STATE)
    except (FileNotFoundError, IntegrityError):
        if not numbers:
            return
        state = StateFile(made_ns=now_ns)
    committed = Committed(folder, "")
    try:
        committed.refresh()
        write_state(folder, closed_state(state, committed))
    finally:
        committed.close()


def verify_stream(folder: Path) -> Found:
    """Look at every byte of a stream that is read, and say what is not as it was written.

    What a writer appends meanwhile is not looked at.
    """
    found = Found()
    position = 0
    for number in segment_numbers(folder):
        found.segments += 1
        try:
            position = _verify_segment(folder, number, position, found)
        except FileNotFoundError:  # removed meanwhile, and maybe those behind it, too
            position = 0
    for read in (lambda: decode_state((folder / STATE).read_bytes(), folder / STATE), lambda: read_removed(folder)):
        try:
            read()
        except FileNotFoundError:
            found.problems.append(f"{folder / STATE}: there is none")
        except IntegrityError as error:
            found.problems.append(str(error))
    return found


def _verify_segment(folder: Path, number: int, position: int, found: Found) -> int:
    path, index_path = folder / segment_name(number), folder / index_name(number)
    index = _read_index(folder, number)  # before the segment, which is ahead of it
    view = SegmentView(path, "")
    try:
        data = view.bytes()
        header = FileHeader.decode(index[:RECORD_BYTES], INDEX)
        own = FileHeader.decode(data[:RECORD_BYTES].tobytes(), SEGMENT)
        if own is None and len(data) >= RECORD_BYTES:  # else its writer was killed before it had written anything
            found.problems.append(f"{path}: byte 0: its header is not what was written")
        if header is None or (own is not None and own.token != header.token):
            found.problems.append(f"{index_path}: {'its header is not what was written' if index else 'there is none'}")
            blocks = list(find_blocks(data, token_of(data), RECORD_BYTES, 0))
        else:
            blocks = _verify_index(index_path, index, header.token, found)
        for block in blocks:
            if position and block.position != position:
                found.problems.append(
                    f"{path}: byte {block.at}: {block.position - position} messages before it are lost"
                )
            _verify_block(path, data, block, found)
            position = block.position + block.rows
    finally:
        view.close()
    found.nbytes += len(data)
    return position


def _verify_index(path: Path, index: bytes, token: int, found: Found) -> list[BlockHeader]:
    records = read_records(index[RECORD_BYTES:], token, past_damage=True)
    lost = (len(index) - RECORD_BYTES) // RECORD_BYTES - len(records)
    if lost:
        found.problems.append(f"{path}: {lost} of its records are not what was written")
    if len(index) % RECORD_BYTES:
        found.problems.append(f"{path}: byte {len(index) & -RECORD_BYTES}: a record that was never written to its end")
    return [BlockHeader.of(record) for record in records]


def _verify_block(path: Path, data: NDArray[np.uint8], block: BlockHeader, found: Found) -> None:
    found.blocks += 1
    found.messages += block.rows
    if not _is_whole(data, block):
        which = f"the block of {block.rows} messages from id {block.first_id} on"
        found.problems.append(f"{path}: byte {block.at}: {which} is not what was written")
    elif data[block.at : block.at + RECORD_BYTES].tobytes() != block.encode():
        found.problems.append(f"{path}: byte {block.at}: the header is not what was written; the block is")
