"""Copies a stream with its ids, metadata and end; a copy that was cut short goes on behind what is there."""

from collections.abc import Callable
from typing import Any

import msgspec
from numpy.typing import NDArray

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError
from penstock.streams.declared_end import declare_last_id, declared_last_id
from penstock.streams.past_damage import blocks_past_damage
from penstock.streams.store import Store, StoredBlock, StreamInfo, StreamReader, StreamState, StreamWriter
from penstock.wire.metadata import encode_metadata

__all__ = ["Copied", "copy_stream"]


class Copied(msgspec.Struct, kw_only=True):
    """What copying has done."""

    before: int = 0
    """Messages that were there already, since the stream began."""
    messages: int = 0
    """That were copied now."""
    state: StreamState = StreamState.OPEN
    """How the copy stands: ended as the original, if that has and all of it is copied; else stalled."""
    damaged: list[str] = msgspec.field(default_factory=list)
    """What could not be copied because it is not what was written."""


def copy_stream(
    store: Store,
    address: StreamAddress,
    to_store: Store,
    to: StreamAddress,
    *,
    past_damage: bool = False,
    progress: Callable[[int], object] = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Copied:
    """Copy what there is of a stream now; once more: what has come since.

    Parameters
    ----------
    past_damage
        Whether to leave out what is damaged, and copy the rest.
    progress
        Called with how many further messages are there.
    is_stopped
        Asked before each block; what was copied until then stays.

    Raises
    ------
    ConflictError
        If somebody writes the copy, or there is something else in its place.
    IntegrityError
        At what is damaged, unless ``past_damage``; what stands before it is copied.
    StateError
        If the copy has ended and is another stream.
    """
    with store.read(address) as reader:
        info = reader.info  # before its messages: if it has ended by now, they are all there
        there = to_store.info(to)
        done = Copied(before=there.count + there.removed)
        if _is_all(info, there):
            done.state = there.state
            return done
        with to_store.write(to) as writer:
            begin = _begin(reader, to_store, to) if writer.written else 0
            progress(max(begin - info.removed, 0))
            metadata = store.metadata(address)
            if metadata is not None:
                to_store.set_metadata(to, metadata, "update")
            if _copy_blocks(reader, begin, writer, done, past_damage, progress, is_stopped):
                declare_last_id(to_store, to, declared_last_id(store, address))  # before who waits for the end sees it
                _end(writer, info)
        done.state = to_store.info(to).state
    return done


def _is_all(info: StreamInfo, there: StreamInfo) -> bool:
    """Tell whether a copy has ended as the original has, with as many messages."""

    def end(of: StreamInfo) -> tuple[Any, ...]:
        return of.state, of.next_stream, of.reason, of.count, of.first_id, of.last_id

    return there.state in (StreamState.FINISHED, StreamState.ABORTED) and end(info) == end(there)


def _copy_blocks(
    reader: StreamReader,
    begin: int,
    writer: StreamWriter,
    done: Copied,
    past_damage: bool,
    progress: Callable[[int], object],
    is_stopped: Callable[[], bool],
) -> bool:
    """Copy from a position on; return whether it came to the end."""
    damage = lambda error: done.damaged.append(str(error))  # noqa: E731
    for stored in blocks_past_damage(reader, damage, begin) if past_damage else reader.blocks(begin):
        if is_stopped():
            return False
        writer.append(stored.block, stored.encodings)
        done.messages += len(stored.block)
        progress(len(stored.block))
    return True


def _end(writer: StreamWriter, info: StreamInfo) -> None:
    if info.state == StreamState.FINISHED:
        writer.finish(info.next_stream)
    elif info.state == StreamState.ABORTED:
        writer.abort(info.reason)


def _begin(reader: StreamReader, to_store: Store, to: StreamAddress) -> int:
    """Return the position, in the original, behind the message that came last into the copy."""
    with to_store.read(to) as copy:
        there = copy.info
        last = next(copy.blocks(there.count + there.removed - 1), None)
        if last is None:
            raise ConflictError(f"{to}: what it has last cannot be read any more; copy to another stream")
        message = next(last.take(slice(0, 1)).block.messages())
        found = _position_of(reader, message.id, last.position)
        if found is None or not _is_same(message, found[1]):
            raise ConflictError(
                f"{to} is no copy of {reader.info.address}: message {message.id}, which it has last, is "
                f"{'another one' if found else 'not there'}; copy to another stream, or delete this one"
            )
        return found[0] + 1


def _position_of(reader: StreamReader, message_id: int, guess: int) -> tuple[int, Message] | None:
    """Return where in the order of arrival a message is, with the message."""
    try:
        near = next(reader.blocks(guess), None)
    except IntegrityError:
        near = None
    if near is not None and (found := _within(near, message_id)) is not None:
        return found
    # Elsewhere than in the copy: something was removed before copying began, or damage was left out.
    for stored in blocks_past_damage(reader, lambda _: None):
        if (found := _within(stored, message_id)) is not None:
            return found
    return None


def _within(stored: StoredBlock, message_id: int) -> tuple[int, Message] | None:
    row = int(stored.block.ids.searchsorted(message_id))
    if row == len(stored.block) or int(stored.block.ids[row]) != message_id:
        return None
    return stored.position + row, next(stored.messages(slice(row, row + 1)))


def _is_same(one: Message, other: Message) -> bool:
    facts = [(m.key, m.timestamp_ns, m.kind, encode_metadata([m.metadata]), len(m.buffers)) for m in (one, other)]
    return facts[0] == facts[1] and all(map(_is_same_buffer, one.buffers, other.buffers))


def _is_same_buffer(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes()
