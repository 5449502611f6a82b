"""Dumps: what ingesters wrote of the events that passed through them, and write here too.

A file is a row of CBOR items, each with the tags 55799 (RFC 8949, 3.4.6) and 42877 around a list: the number of an
event, a mapping from stream to tag 42878 around [typ, list of frames], and, in newer files, the time, as ISO 8601 text
with tag 0.
"""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from penstock.compat.dranspose.served.event import InternalWorkerMessage, StreamData, as_bytes
from penstock.errors import RemoteProtocolError, SourceError
from penstock.extra import extra

with extra("run"):
    import cbor2

__all__ = ["encode_event", "read_dump"]

SELF_DESCRIBED: Final = 55799
EVENT: Final = 42877
STREAM: Final = 42878


def read_dump(path: Path) -> Iterator[InternalWorkerMessage]:
    """Read a dump, also one that is gzipped.

    Raises
    ------
    SourceError
        If it cannot be opened, holds something else, or ends in the midst of an event.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith(".pkls"):
        raise SourceError(f"{path}: pickles of dranspose's own classes are not read; dump it as .cbors")
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from _events(file, path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def encode_event(
    number: int, streams: Mapping[str, tuple[str, Sequence[bytes]]], created_at: datetime | None = None
) -> bytes:
    """Return one event as it stands in a dump.

    Parameters
    ----------
    streams
        By name, typ and frames.
    created_at
        By default now.
    """
    when = (datetime.now(UTC) if created_at is None else created_at).isoformat()
    content = {name: cbor2.CBORTag(STREAM, [typ, list(frames)]) for name, (typ, frames) in streams.items()}
    tagged = cbor2.CBORTag(EVENT, [number, content, cbor2.CBORTag(0, when)])
    return cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, tagged))


def _events(file: Any, path: Path) -> Iterator[InternalWorkerMessage]:  # a file that can be peeked into
    decoder, count = cbor2.CBORDecoder(file), 0
    while file.peek(1):
        try:
            yield _event(decoder.decode())
        except cbor2.CBORDecodeEOF as error:
            raise SourceError(f"{path} ends in the midst of event {count} of it") from error
        except (cbor2.CBORDecodeError, RemoteProtocolError, ValueError) as error:
            raise SourceError(f"{path}, event {count} of it: {error}") from error
        count += 1


def _event(item: Any) -> InternalWorkerMessage:
    item = _within(item, SELF_DESCRIBED)
    if not (isinstance(item, cbor2.CBORTag) and item.tag == EVENT):
        raise RemoteProtocolError(_NO_DUMP)
    match item.value:
        case [int(number), Mapping() as streams] | [int(number), Mapping() as streams, datetime()] if number >= 0:
            found = {_text(name): _stream(stream) for name, stream in streams.items()}
            message = InternalWorkerMessage(event_number=number, streams=found)
            if len(item.value) > 2:
                message.created_at = item.value[2]
            return message
    raise RemoteProtocolError("an event is a number, streams and perhaps a time")


def _stream(item: Any) -> StreamData:
    if isinstance(item, cbor2.CBORTag) and item.tag == STREAM:
        match item.value:
            case [str(typ), [*frames]] if all(isinstance(each, bytes | str) for each in frames):
                return StreamData(typ=typ, frames=[as_bytes(frame) for frame in frames])
    raise RemoteProtocolError("a stream is its typ and a list of frames")


def _within(item: Any, tag: int) -> Any:
    return item.value if isinstance(item, cbor2.CBORTag) and item.tag == tag else item


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise RemoteProtocolError(f"a stream is called {name!r:.40}; its name is a text")
    return name


_NO_DUMP: Final = (
    "this is no dump of events; a recording of what an instrument sent is played with penstock play, or by the source "
    "recording"
)
