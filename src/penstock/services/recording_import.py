"""Makes a stream of a recording; what was begun and cut short goes on behind what is there."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.elements.recording_file import RecordingFile
from penstock.errors import ConflictError, StateError
from penstock.formats.recording import Record
from penstock.streams.store import Store, StreamState, StreamWriter

__all__ = ["import_packets"]

BLOCK_BYTES: Final = 1 << 20
BLOCK_MESSAGES: Final = 1024


def import_packets(
    recording: RecordingFile,
    store: Store,
    address: StreamAddress,
    progress: Callable[[int], object] = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Append what a recording holds, and end the stream: finished, or aborted if the recording is cut off.

    Returns
    -------
    dict
        ``messages`` appended, those there ``before``, ``state``, ``trouble`` of the recording, empty if none.

    Raises
    ------
    ConflictError
        If something else is there.
    StateError
        If it has ended already.
    """
    info = store.info(address)
    if info.state in (StreamState.FINISHED, StreamState.ABORTED):
        raise StateError(f"{address} is {info.state} already; import to another stream, or delete this one")
    done: dict[str, Any] = {"messages": 0, "before": info.count + info.removed, "state": "stalled", "trouble": ""}
    records = iter(recording)
    first = next(records, None)  # what it says of itself is known only then
    traits = recording.traits
    said = {"timed": recording.is_timed, **msgspec.structs.asdict(traits)}
    with store.write(address) as writer:
        store.set_metadata(address, {"recording": said}, "update")
        rest = records if first is None else chain([first], records)
        _pass_over(rest, done["before"], store, address)
        progress(done["before"])
        for block in _blocks(rest, done["before"] + 1, address.stream):
            if is_stopped():
                recording.close()
                return done
            writer.append(block)
            done["messages"] += len(block)
            progress(len(block))
        _end(writer, recording.trouble, done)
    return done


def _end(writer: StreamWriter, trouble: str, done: dict[str, Any]) -> None:
    if trouble:
        writer.abort(f"the recording: {trouble}")
    else:
        writer.finish()
    done |= {"trouble": trouble, "state": "aborted" if trouble else "finished"}


def _pass_over(records: Iterator[Record], before: int, store: Store, address: StreamAddress) -> None:
    """Pass over the packets that are there, and make sure that the last of them is that of the recording."""
    if not before:
        return
    last = next(islice(records, before - 1, None), None)
    with store.read(address) as reader:
        there = reader.message(before)
    if last is None or there is None or tuple(b.tobytes() for b in there.buffers) != last.parts:
        raise ConflictError(f"{address} holds something else than this recording; import to another stream")


def _blocks(records: Iterator[Record], first_id: int, stream: str) -> Iterator[Block]:
    messages: list[Message] = []
    nbytes = 0
    for number, record in enumerate(records, first_id):
        buffers = tuple(map(_array, record.parts))
        messages.append(Message(id=number, timestamp_ns=record.received_ns or 0, array=buffers[0], more=buffers[1:]))
        nbytes += sum(map(len, record.parts))
        if nbytes >= BLOCK_BYTES or len(messages) == BLOCK_MESSAGES:
            yield Block.of(stream, messages)
            messages, nbytes = [], 0
    if messages:
        yield Block.of(stream, messages)


def _array(part: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(part, np.uint8) if part else np.empty(0, np.uint8)
