"""DECTRIS stream v2: what EIGER2 and PILATUS4 detectors push, one CBOR map a ZeroMQ message of one part.

=======  ============================================================================================================
start    ``{"type": "start", "series_id": int, "series_unique_id": text, "channels": [text…], "image_size_x": int,
         "image_size_y": int, "image_dtype": "uint16", "arm_date": date, …}``; with ``header_detail`` "all" also
         ``flatfield`` and ``pixel_mask``, each an array by channel, and ``countrate_correction_lookup_table``
image    ``{"type": "image", "series_id": int, "series_unique_id": text, "image_id": int, "data": {channel: array…},
         "start_time": [n, d], "stop_time": [n, d], "real_time": [n, d], "series_date": date, "user_data": any}``
end      ``{"type": "end", "series_id": int, "series_unique_id": text}``
=======  ============================================================================================================

A channel is what was counted above one threshold, and an image has all of its exposure. ``image_id`` counts from 0 in a
series. Times are fractions of a second since ``series_date``. Series may mingle; ``series_id`` says whose a message is.

Arrays are those of RFC 8746, rows first: tag 40 around a typed array (tags 64 to 86). Its byte string may be
compressed, which is tag 56500 around ``[algorithm, size of an element, bytes]`` with the algorithms ``bslz4`` and
``lz4``, both framed as HDF5's filters do. Dates are tag 0. Source: https://github.com/dectris/documentation,
``stream_v2`` and ``cbor``.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.cbor_item import SELF_DESCRIBED, Tag, cbor_map
from penstock.core.decoder import Decoder, Traits
from penstock.core.encoding import Encoding
from penstock.core.message import MAX_KEY, Kind, Message
from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.errors import RemoteProtocolError
from penstock.extra import extra

with extra("run"):
    import cbor2

__all__ = ["DectrisDecoder", "encode_end", "encode_image", "encode_start"]

TYPES: Final[Mapping[int, str]] = {
    64: "u1", 65: ">u2", 66: ">u4", 67: ">u8", 68: "u1", 69: "<u2", 70: "<u4", 71: "<u8",
    72: "i1", 73: ">i2", 74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8",
    80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4", 86: "<f8",
}  # fmt: skip
"""Tags of typed arrays, RFC 8746, 2.1. Floats of 128 bits (83 and 87) are not NumPy's."""
DATE, ARRAY, COMPRESSED = 0, 40, 56500
FRAMED: Final = ("bslz4", "lz4")
"""Algorithms whose bytes begin with the size of what they become, 8 bytes, big endian."""
MAX_LENGTH: Final = 2**32
_NAME = re.compile(r"[a-z0-9_+-]{1,32}")

_TAG_OF: Final = {np.dtype(name): tag for tag, name in TYPES.items() if tag != 68}
_PLAIN = (str, int, float, bool, type(None))


class DectrisDecoder(Decoder):
    """Decode DECTRIS stream v2, one message each.

    An image has ``image_id`` as ``key`` and is dated by the detector: ``series_date`` and ``start_time``. ``array`` is
    the first channel, (image_size_y, image_size_x), in counts, and ``more`` are the others; ``metadata["channels"]``
    has their names. One that is compressed is (bytes,) uint8 as it came, and ``encodings`` says what it becomes.
    ``metadata`` is all else that the image says.

    What a start says is its ``metadata``. Its arrays are its buffers, named by ``metadata["arrays"]``, such as
    ``flatfield/threshold_1`` and ``countrate_correction_lookup_table``.
    """

    traits = Traits(number="image_id", first=0, clock="start_time", socket="pull")

    def __init__(self) -> None:
        self._date = "", 0
        """The latest ``series_date`` as text and in ns, because all images of a series have the same one."""

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode one message; see the class."""
        if len(parts) != 1:
            raise RemoteProtocolError(f"a message of {len(parts)} parts; stream v2 has one part")
        said = cbor_map(parts[0], _TAGS)
        kind = said.get("type")
        if kind not in ("start", "image", "end"):
            raise RemoteProtocolError(f'type {str(kind)[:40]!r} is none of "start", "image", "end"')
        _number(said, "series_id")
        if kind == "image":
            return iter((self._image(said, received_ns),))
        if kind == "start":
            return iter((_start(said, received_ns),))
        return iter((Message(0, None, received_ns, _plain_map(said), kind=Kind.END),))

    def _image(self, said: dict[str, Any], received_ns: int) -> Message:
        number = _number(said, "image_id")
        data = said.pop("data", None)
        if not isinstance(data, dict) or not data or not all(isinstance(found, _Array) for found in data.values()):
            raise RemoteProtocolError(f"image {number}: data is no map of channels, each an array (tag 40)")
        date_ns = self._started_ns(said, number)
        metadata = _plain_map(said)
        metadata["channels"] = list(data)
        return _with_buffers(
            Message(0, number, received_ns if date_ns is None else date_ns, metadata), list(data.values())
        )

    def _started_ns(self, said: Mapping[str, Any], number: int) -> int | None:
        """Return when an image began, by the detector's clock; ``None`` if it does not say."""
        date, start = said.get("series_date"), said.get("start_time")
        if date is None or start is None:
            return None
        if not (type(start) is list and len(start) == 2 and all(type(part) is int for part in start) and start[1] > 0):
            raise RemoteProtocolError(f"image {number}: start_time is {start!r:.60}; [numerator, denominator] is right")
        if date != self._date[0]:
            try:
                self._date = str(date), Timestamp.from_iso(date).ns
            except (ValueError, OverflowError, AttributeError) as error:
                raise RemoteProtocolError(f"image {number}: series_date is {date!r:.60}, no date") from error
        found: int = self._date[1] + start[0] * NS_PER_S // start[1]
        if not 0 <= found < 2**63:
            raise RemoteProtocolError(f"image {number}: it would have begun {found} ns after 1970")
        return found


class _Array(msgspec.Struct, frozen=True, eq=False):
    """An array as it came."""

    array: NDArray[Any]
    """Read-only, shares memory with what was received; if it is compressed (bytes,) uint8."""
    encoding: Encoding | None = None
    """If it is compressed."""


class _Compressed(msgspec.Struct, frozen=True, eq=False):
    """A compressed byte string, tag 56500."""

    name: str
    element_bytes: Any
    data: Any


def _compressed(content: Any) -> _Compressed:
    if not (isinstance(content, list) and len(content) == 3 and isinstance(content[2], (bytes, memoryview))):
        raise RemoteProtocolError(f"tag {COMPRESSED} is not around [algorithm, size of an element, bytes]")
    name, element_bytes, data = content
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise RemoteProtocolError(f"{name!r:.60} is no name of a compression, such as bslz4")
    return _Compressed(name, element_bytes, data)


def _typed(dtype: np.dtype[Any], content: Any) -> _Array:
    """Return a typed array, which has one dimension."""
    if isinstance(content, _Compressed):
        return _encoded(dtype, content)
    if not isinstance(content, (bytes, memoryview)) or len(content) % dtype.itemsize:
        raise RemoteProtocolError(f"an array of {dtype} that is no byte string of a multiple of {dtype.itemsize} bytes")
    array: NDArray[Any] = np.frombuffer(content, dtype)
    array.setflags(write=False)
    return _Array(array)


def _encoded(dtype: np.dtype[Any], content: _Compressed) -> _Array:
    if content.name == "bslz4" and content.element_bytes != dtype.itemsize:
        text = f"bslz4 with elements of {content.element_bytes!r:.20} bytes in an array of {dtype}"
        raise RemoteProtocolError(f"{text}; {dtype.itemsize} would be right")
    array: NDArray[np.uint8] = np.frombuffer(content.data, np.uint8)
    array.setflags(write=False)
    shape: tuple[int, ...] = ()
    if content.name in FRAMED:
        if array.nbytes < 12:
            raise RemoteProtocolError(f"{array.nbytes} bytes of {content.name}, which has a head of 12")
        size = int.from_bytes(content.data[:8], "big")
        if size % dtype.itemsize:
            raise RemoteProtocolError(f"{content.name} of {size} bytes in an array of {dtype}")
        shape = (size // dtype.itemsize,)
    return _Array(array, Encoding(content.name, dtype.str, shape))


def _shaped(content: Any) -> _Array:
    """Return an array of several dimensions."""
    if not (isinstance(content, list) and len(content) == 2 and isinstance(content[1], _Array)):
        raise RemoteProtocolError(f"tag {ARRAY} is not around [dimensions, typed array]")
    dimensions, flat = content
    if not isinstance(dimensions, list) or not 1 <= len(dimensions) <= 8:
        raise RemoteProtocolError(f"{dimensions!r:.60} are no dimensions; 1 to 8 lengths are")
    if not all(type(length) is int and 0 < length < MAX_LENGTH for length in dimensions):
        raise RemoteProtocolError(f"{dimensions!r:.60} are no dimensions; lengths are whole numbers from 1")
    shape, encoding = tuple(dimensions), flat.encoding
    came = flat.array.shape if encoding is None else encoding.shape
    if came and math.prod(shape) != came[0]:
        raise RemoteProtocolError(f"an array of {came[0]} values, where {dimensions} asks for {math.prod(shape)}")
    if encoding is None:
        return _Array(flat.array.reshape(shape))
    return _Array(flat.array, Encoding(encoding.name, encoding.dtype, shape))


def _text(content: Any) -> str:
    if not isinstance(content, str):
        raise RemoteProtocolError("a date that is no text")
    return content


def _typed_tag(name: str) -> Tag:
    dtype = np.dtype(name)
    return lambda content: _typed(dtype, content)


_TAGS: Final[Mapping[int, Tag]] = {
    DATE: _text,
    ARRAY: _shaped,
    COMPRESSED: _compressed,
    **{tag: _typed_tag(name) for tag, name in TYPES.items()},
}


def _start(said: dict[str, Any], received_ns: int) -> Message:
    arrays: dict[str, _Array] = {}
    for key, value in list(said.items()):
        if isinstance(value, _Array):
            arrays[key] = said.pop(key)
        elif isinstance(value, dict) and value and all(isinstance(found, _Array) for found in value.values()):
            arrays |= {f"{key}/{channel}": found for channel, found in said.pop(key).items()}
    metadata = _plain_map(said)
    if arrays:
        metadata["arrays"] = list(arrays)
    return _with_buffers(Message(0, None, received_ns, metadata, kind=Kind.START), list(arrays.values()))


def _with_buffers(message: Message, found: Sequence[_Array]) -> Message:
    if not found:
        return message
    encodings = tuple(each.encoding for each in found) if any(each.encoding for each in found) else ()
    return Message(
        0,
        message.key,
        message.timestamp_ns,
        message.metadata,
        found[0].array,
        tuple(each.array for each in found[1:]),
        message.kind,
        encodings,
    )


def _number(said: Mapping[str, Any], key: str) -> int:
    value = said.get(key)
    if type(value) is not int or not 0 <= value <= MAX_KEY:
        raise RemoteProtocolError(f"{key} is {value!r:.60}; a number from 0 to 2**64 - 1 would be right")
    return value


def _plain_map(said: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value if type(value) in _PLAIN else _plain(value) for key, value in said.items()}


def _plain(value: Any) -> Any:
    """Return what a message can carry as metadata: whatever users have put there is plain, but for bytes and arrays."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return _plain_map(value)
    if isinstance(value, _Array) and value.encoding is None:
        return value.array
    if isinstance(value, (_Array, _Compressed)):
        raise RemoteProtocolError("something compressed where no array is due")
    return value


Sendable = NDArray[Any] | tuple[Encoding, bytes]
"""An array; or its compressed bytes, framed as HDF5's filter does, with what they become."""


def encode_start(
    series_id: int,
    *,
    series_unique_id: str,
    channels: Sequence[str],
    shape: tuple[int, int],
    dtype: str,
    flatfield: Mapping[str, Sendable] | None = None,
    pixel_mask: Mapping[str, Sendable] | None = None,
    countrate_correction_lookup_table: NDArray[Any] | None = None,
    **more: Any,
) -> list[bytes]:
    """Return the message before the images of a series.

    Parameters
    ----------
    series_id, series_unique_id
        Number and name of the series.
    channels
        Their names, in the order of an image's data.
    shape
        Of each image: height and width.
    dtype
        Of its pixels, such as ``uint16``.
    flatfield, pixel_mask, countrate_correction_lookup_table
        What ``header_detail`` "all" adds; each is left out by default. The first two by channel.
    more
        Further keys; one that ends with ``_date`` is ISO 8601.
    """
    said = {
        "type": "start",
        "series_id": series_id,
        "series_unique_id": series_unique_id,
        "channels": list(channels),
        "image_size_x": shape[1],
        "image_size_y": shape[0],
        "image_dtype": dtype,
    }
    for key, arrays in (("flatfield", flatfield), ("pixel_mask", pixel_mask)):
        if arrays is not None:
            said[key] = {channel: _tagged(array) for channel, array in arrays.items()}
    if countrate_correction_lookup_table is not None:
        said["countrate_correction_lookup_table"] = _tagged_flat(countrate_correction_lookup_table)
    return _encoded_map(said, more)


def encode_image(
    series_id: int,
    image_id: int,
    data: Mapping[str, Sendable],
    *,
    series_unique_id: str,
    series_date: str,
    start_time: tuple[int, int],
    stop_time: tuple[int, int],
    real_time: tuple[int, int],
    **more: Any,
) -> list[bytes]:
    """Return the message of one image.

    Parameters
    ----------
    series_id, series_unique_id
        Number and name of the series.
    image_id
        From 0 in a series.
    data
        By channel, (height, width).
    series_date
        When the series began: ISO 8601.
    start_time, stop_time
        Since then, in s, as numerator and denominator.
    real_time
        Of exposure, likewise.
    more
        Further keys, such as ``user_data``.
    """
    said = {
        "type": "image",
        "series_id": series_id,
        "series_unique_id": series_unique_id,
        "image_id": image_id,
        "real_time": list(real_time),
        "series_date": series_date,
        "start_time": list(start_time),
        "stop_time": list(stop_time),
    }
    return _encoded_map(said, more | {"data": {channel: _tagged(array) for channel, array in data.items()}})


def encode_end(series_id: int, *, series_unique_id: str) -> list[bytes]:
    """Return the message after the images of a series."""
    return _encoded_map({"type": "end", "series_id": series_id, "series_unique_id": series_unique_id}, {})


def _encoded_map(said: Mapping[str, Any], more: Mapping[str, Any]) -> list[bytes]:
    dated = {key: cbor2.CBORTag(DATE, value) if key.endswith("_date") else value for key, value in said.items()}
    dated |= {key: cbor2.CBORTag(DATE, value) if key.endswith("_date") else value for key, value in more.items()}
    encoded: bytes = cbor2.dumps(dated)
    return [SELF_DESCRIBED + encoded]


def _tagged(array: Sendable) -> Any:  # a tag of the library
    if isinstance(array, tuple):
        encoding, data = array
        dtype = np.dtype(encoding.dtype)
        element_bytes = dtype.itemsize if encoding.name == "bslz4" else 0
        compressed = cbor2.CBORTag(COMPRESSED, [encoding.name, element_bytes, data])
        return cbor2.CBORTag(ARRAY, [list(encoding.shape), cbor2.CBORTag(_TAG_OF[dtype], compressed)])
    return cbor2.CBORTag(ARRAY, [list(array.shape), _tagged_flat(array)])


def _tagged_flat(array: NDArray[Any]) -> Any:  # a tag of the library
    return cbor2.CBORTag(_TAG_OF[array.dtype], np.ascontiguousarray(array).tobytes())
