"""Makes a recording of a stream, whole or not at all."""

import gzip
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import numpy as np

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import SinkError
from penstock.formats.recording import RecordingTraits, encode_closing, encode_opening, encode_record
from penstock.streams.store import Store, StreamReader, StreamState

__all__ = ["export_packets"]


class _Lost:
    """What of messages has no place in a recording."""

    def __init__(self) -> None:
        self.counts = {"keys": 0, "metadata": 0, "arrays": 0}

    def look(self, message: Message) -> None:
        self.counts["keys"] += message.key is not None
        self.counts["metadata"] += bool(message.metadata)
        self.counts["arrays"] += any(b.dtype != np.uint8 or b.ndim != 1 for b in message.buffers)

    def said(self) -> list[str]:
        return [
            f"{name} of {count:,} message{'' if count == 1 else 's'}" for name, count in self.counts.items() if count
        ]


def export_packets(
    store: Store,
    address: StreamAddress,
    path: Path,
    plain: bool | None = None,
    progress: Callable[[int], object] = lambda _: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Write what there is of a stream to a file, in the order of arrival.

    Parameters
    ----------
    plain
        Whether to leave out the times; ``None``: as it was imported, else with times.
    is_stopped
        Asked before each message; then there is no file.

    Returns
    -------
    dict
        ``packets`` written; what was ``lost``, in words.

    Raises
    ------
    SinkError
        If the file cannot be written, or a message has no buffer.
    IntegrityError
        If something stored is not what was written.
    """
    said = (store.metadata(address) or {}).get("recording")
    said = said if isinstance(said, Mapping) else {}
    is_timed = bool(said.get("timed", True)) if plain is None else not plain
    lost = _Lost()
    with store.read(address) as reader, _whole_file(path, is_stopped) as stream:
        # One that is not closed says that more may have been there: so does a stream that was aborted.
        is_closed = is_timed and reader.info.state != StreamState.ABORTED
        packets = 0
        if is_timed:
            stream.write(encode_opening(_traits(said)))
        for message in _messages(reader):
            if is_stopped():
                break
            if not message.buffers:
                raise SinkError(f"message {message.id} of {address} has no buffer, and a packet has at least one part")
            lost.look(message)
            parts = [np.ascontiguousarray(buffer).tobytes() for buffer in message.buffers]
            stream.write(encode_record(parts, message.timestamp_ns if is_timed else None))
            packets += 1
            progress(1)
        if is_closed:
            stream.write(encode_closing(packets))
    return {"packets": packets, "timed": is_timed, "lost": lost.said()}


def _traits(said: Mapping[str, Any]) -> RecordingTraits:
    known = {name: said[name] for name in RecordingTraits.__struct_fields__ if isinstance(said.get(name), str)}
    return msgspec.convert(known, RecordingTraits)


def _messages(reader: StreamReader) -> Iterator[Message]:
    for stored in reader.blocks():
        yield from stored.block.messages()


@contextmanager
def _whole_file(path: Path, is_stopped: Callable[[], bool]) -> Iterator[IO[bytes]]:
    """Open a file that appears under its name when it is whole."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with cast("IO[bytes]", gzip.open(half, "xb") if path.suffix == ".gz" else half.open("xb")) as stream:
                yield stream
            if not is_stopped():
                half.replace(path)
        except OSError as error:
            raise SinkError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        half.unlink(missing_ok=True)
