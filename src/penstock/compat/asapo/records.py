"""A message as ASAPO's clients see it, and what they send as a message of ours.

What a producer says of a message stands in its metadata, where our own readers find it. Three names more are there:
``exposed_path``, where its file is or is to be; ``size`` of a message whose payload was not sent; ``asapo``, its ingest
mode. What a user says under those names is kept apart, and given back. A payload is an array of bytes, or of the type
that the metadata say: ``dtype`` as NumPy writes it, and ``shape``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.wire import Mode
from penstock.core.block import Block, RaggedColumn
from penstock.core.message import NO_METADATA, Message
from penstock.core.stream_metadata import plain_json
from penstock.errors import DecodingError, StreamError
from penstock.streams.reading import ENDED
from penstock.streams.store import StoredBlock, StreamInfo

__all__ = ["Record", "file_name", "metadata_of", "payload_of", "record_of", "stream_entry", "typed_array"]

EXPOSED: Final = "exposed_path"
SIZE: Final = "size"
OWN: Final = "asapo"
_RESERVED: Final = frozenset((EXPOSED, SIZE, OWN))
_MODE: Final = "mode"
_META: Final = "meta"


class Record(msgspec.Struct, frozen=True, gc=False):
    """What a client is told of a message; names are those of the protocol."""

    _id: int
    timestamp: int
    name: str
    size: int
    source: str
    """Where its payload is to be had."""
    buf_id: int
    """By which it is asked for there; 0: not at all."""
    dataset_substream: int
    meta: Mapping[str, Any]
    stream: str
    ingest_mode: int
    ib_source: str = ""
    time_id: int = 0


def metadata_of(user: Mapping[str, Any], name: str, mode: int, size: int | None) -> dict[str, Any]:
    """Return the metadata of a message that a producer sends.

    Parameters
    ----------
    user
        What its user says.
    name
        Its exposed path.
    size
        Bytes of the payload, if that was not sent.

    >>> metadata_of({"run": 7, "size": "large"}, "processed/a", 10, 5)
    {'run': 7, 'exposed_path': 'processed/a', 'size': 5, 'asapo': {'mode': 10, 'meta': {'size': 'large'}}}

    Raises
    ------
    StreamError
        If JSON of ours cannot hold it.
    """
    if _RESERVED.isdisjoint(user):
        metadata = dict(user)
        own: dict[str, Any] = {_MODE: mode}
    else:
        metadata = {key: value for key, value in user.items() if key not in _RESERVED}
        own = {_MODE: mode, _META: {key: value for key, value in user.items() if key in _RESERVED}}
    metadata[EXPOSED] = name
    if size is not None:
        metadata[SIZE] = size
    metadata[OWN] = own
    return metadata


def said_of(message: Mapping[str, Any]) -> tuple[dict[str, Any], str, int, int | None]:
    """Return what ``metadata_of`` was given; of a message that our own producer sent, what comes nearest.

    >>> said_of(metadata_of({"run": 7, "size": "large"}, "processed/a", 10, 5))
    ({'run': 7, 'size': 'large'}, 'processed/a', 10, 5)
    """
    own = message.get(OWN)
    if not isinstance(own, Mapping) or not isinstance(own.get(_MODE), int):
        name = message.get(EXPOSED, "")
        mode = Mode.TRANSFER | Mode.RECORD | (Mode.STORE_FILE if name else 0)
        return dict(message), name if isinstance(name, str) else "", int(mode), None
    user = {key: value for key, value in message.items() if key not in _RESERVED}
    kept = own.get(_META)
    if isinstance(kept, Mapping):
        user.update(kept)
    return user, str(message.get(EXPOSED, "")), int(own[_MODE]), message.get(SIZE)


def typed_array(data: NDArray[np.uint8], user: Mapping[str, Any]) -> NDArray[Any]:
    """Return a payload as the array that its sender says it is, if it can be that; else its bytes.

    Parameters
    ----------
    data
        (n,)
    user
        ``dtype``, of numbers, such as ``"<u2"`` or ``"float32"``, and ``shape``; both must be there, and fit.

    >>> typed_array(np.arange(4, dtype=np.uint8), {"dtype": "<u2", "shape": [1, 2]})
    array([[256, 770]], dtype=uint16)
    """
    dtype, shape = user.get("dtype"), user.get("shape")
    if not isinstance(dtype, str) or not isinstance(shape, list) or len(shape) > 32:
        return data
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        return data
    if kind.kind not in "biufc" or not all(type(side) is int and side >= 0 for side in shape):
        return data
    total = kind.itemsize
    for side in shape:
        total *= side
    return data.view(kind).reshape(shape) if total == data.size and data.size else data


def checked_metadata(user: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a user says, if it can be stored.

    Raises
    ------
    StreamError
        If a number is too large, or something lies too deep.
    """
    plain_json(user, "metadata")
    try:
        msgspec.msgpack.encode(user)
    except OverflowError:
        raise StreamError("metadata: an integer takes more than 64 bits; write it as a text") from None
    return user


def record_of(stored: StoredBlock, row: int, *, stream: str, part: int, source: str, buf_id: int) -> Record:
    """Return what is told of one message of a block; its payload is not looked at.

    Parameters
    ----------
    stream
        Its name, as clients know it.
    part
        Which of a dataset; 0: it is no part.
    source, buf_id
        Where its payload is to be had.
    """
    block = stored.encoded_block
    metadata = NO_METADATA if block.metadata is None else block.metadata[row]
    user, name, mode, size = said_of(metadata)
    nbytes, buffers = _sizes(block, row)
    if buffers:
        if OWN not in metadata:
            user.update({key: value for key, value in _typed(buffers).items() if key not in user})
        size = nbytes
    number = int(block.ids[row])
    return Record(
        number,
        max(int(block.timestamps[row]), 0),
        _plain_name(name or f"{stream}/{number}"),
        size or 0,
        source,
        buf_id if buffers else 0,
        part,
        user,
        _plain_name(stream),
        mode,
    )


def file_name(metadata: Mapping[str, Any]) -> str:
    """Return under which name clients ask for the file of a message; empty if it has none.

    >>> file_name(metadata_of({}, 'processed/a "b"', 13, None))
    "processed/a 'b'"
    """
    name = metadata.get(EXPOSED)
    return _plain_name(name) if isinstance(name, str) else ""


def _plain_name(name: str) -> str:
    """Return a name that clients can read: they put it into JSON as it is."""
    return name.replace('"', "'").replace("\\", "/") if '"' in name or "\\" in name else name


def _typed(buffers: Sequence[tuple[str, list[int], int]]) -> dict[str, Any]:
    if len(buffers) == 1:
        return {"dtype": buffers[0][0], "shape": buffers[0][1]}
    return {"buffers": [{"dtype": dtype, "shape": shape, "size": size} for dtype, shape, size in buffers]}


def _sizes(block: Block, row: int) -> tuple[int, list[tuple[str, list[int], int]]]:
    """Return how many bytes a message has when it is decoded, and what each buffer is."""
    found: list[tuple[str, list[int], int]] = []
    for column in block.columns:
        if isinstance(column, RaggedColumn):
            code = int(column.type_of[row])
            if code < 0:
                continue
            dtype, shape = column.types[code]
            encoding = column.encoding(row)
            if encoding is not None and encoding.dtype and encoding.shape:
                dtype, shape = np.dtype(encoding.dtype), encoding.shape
        else:
            dtype, shape = column.dtype, column.shape[1:]
        found.append((dtype.str, list(shape), dtype.itemsize * int(np.prod(shape, dtype=np.int64))))
    return sum(size for _, _, size in found), found


def payload_of(message: Message) -> memoryview:
    """Return the bytes of a message, decoded; those of several buffers one after the other.

    Raises
    ------
    StreamError
        If they cannot be decoded.
    """
    try:
        arrays = [message.array, *message.more] if message.array is not None else []
        buffers = [np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays if array.nbytes]
    except DecodingError as error:
        raise StreamError(f"message {message.id} cannot be decoded: {error}") from error
    if len(buffers) == 1:
        return buffers[0].data
    return memoryview(b"".join(buffer.data for buffer in buffers))


def stream_entry(info: StreamInfo, last_id: int) -> dict[str, Any]:
    """Return what a list of streams says of one, whose last id this is."""
    return {
        "lastId": last_id,
        "name": _plain_name(info.address.stream),
        "timestampCreated": max(info.created_ns, 0),
        "timestampLast": max(info.last_ns, 0),
        "finished": info.state in ENDED,
        "nextStream": _plain_name(info.next_stream),
    }


def json_bytes(value: Any) -> bytes:
    """Return JSON; what only our own messages can hold is written as JSON can."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)
