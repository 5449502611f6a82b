"""Eiger stream v1: what DECTRIS' EIGER detectors push, ZeroMQ messages of JSON and binary parts.

=======  ============================================================================================================
start    ``{"htype": "dheader-1.0", "series": int, "header_detail": "all"}``, and, unless that is "none", the
         configuration as a JSON object; for "all" then three tables of two parts each, `TABLES`: a header
         ``{"htype": "dflatfield-1.0", "shape": [x, y], "type": "float32"}`` and the values
image    ``{"htype": "dimage-1.0", "series": int, "frame": int, "hash": md5}``, then ``{"htype": "dimage_d-1.0",
         "shape": [x, y], "type": "uint32", "encoding": "bs32-lz4<", "size": bytes}``, the pixels, and
         ``{"htype": "dconfig-1.0", "start_time": ns, "stop_time": ns, "real_time": ns}``
end      ``{"htype": "dseries_end-1.0", "series": int}``
=======  ============================================================================================================

A start and an image may have a further last part, the appendix that the user set: any text, mostly JSON. So a start has
1, 2 or 8 parts, an image 4, an end 1, and one more with an appendix. ``frame`` counts from 0 in a series; series may
mingle. Shapes are written x first, although the values come row by row, C order. Times are of the detector's own clock,
which does not begin at a known date. Source: DECTRIS, SIMPLON API manual, "stream interface".

An encoding is written ``[bs<bits>-][lz4]<``, with ``>`` for big endian. Behind ``bs``, bitshuffle, the bytes are framed
as HDF5's filter does; ``lz4`` alone is one bare block.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.decoder import Decoder, Traits
from penstock.core.encoding import Encoding
from penstock.core.image_header import json_object
from penstock.core.message import MAX_KEY, Kind, Message
from penstock.errors import RemoteProtocolError

__all__ = ["TABLES", "Detail", "EigerDecoder", "encode_end", "encode_image", "encode_start"]

Part = bytes | memoryview
Detail = Literal["all", "basic", "none"]

TABLES: Final[Mapping[str, str]] = {
    "flatfield": "dflatfield-1.0",
    "pixelmask": "dpixelmask-1.0",
    "countrate_table": "dcountrate_table-1.0",
}
"""What follows the configuration for ``header_detail`` "all", in this order: our name, and ``htype``."""
_PARTS: Final[Mapping[Any, int]] = {"none": 1, "basic": 2, "all": 2 + 2 * len(TABLES)}
"""By header_detail, without the appendix."""
_ENCODING = re.compile(r"(?:bs(?P<bits>8|16|32|64)-)?(?P<lz4>lz4)?(?P<order>[<>])?")
_TYPES: Final = (
    "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64",
)  # fmt: skip
_HEAD_BYTES: Final = 12
"""Of the frame of HDF5's bitshuffle filter: the size of what it becomes, 8 bytes, and of its blocks, 4, big endian."""


class EigerDecoder(Decoder):
    """Decode Eiger stream v1, one message each, for every ``header_detail`` and with or without appendix.

    An image has ``frame`` as ``key``; ``array`` is (y, x), in counts. One that is compressed is (bytes,) uint8 as it
    came, and ``encodings`` says what it becomes. ``metadata`` has all that its JSON parts say: ``series``, ``shape``
    (x first, as it came), ``start_time`` and the other times in ns, and so on.

    A start's ``metadata`` has ``series``, ``header_detail``, and the configuration as ``"config"``. Its tables are its
    buffers, (y, x), named by ``metadata["arrays"]``: those of `TABLES`. An appendix is ``metadata["appendix"]``: what
    its JSON says, else its text.
    """

    traits = Traits(number="frame", first=0, socket="pull")

    def feed(self, parts: Sequence[Part], received_ns: int) -> Iterator[Message]:
        """Decode one message; see the class."""
        if not parts:
            raise RemoteProtocolError("an empty message; at least a JSON header is needed")
        head = json_object(parts[0])
        htype = head.get("htype")
        if htype == "dimage-1.0":
            return iter((_image(head, parts, received_ns),))
        if htype == "dheader-1.0":
            return iter((_start(head, parts, received_ns),))
        if htype == "dseries_end-1.0":
            _check_count(len(parts), 1, "an end", most=1)
            _number(head, "series")
            return iter((Message(0, None, received_ns, head, kind=Kind.END),))
        raise RemoteProtocolError(
            f'htype {str(htype)[:40]!r} is none of "dheader-1.0", "dimage-1.0", "dseries_end-1.0"'
        )


def _image(head: dict[str, Any], parts: Sequence[Part], received_ns: int) -> Message:
    _check_count(len(parts), 4, "an image")
    frame = _number(head, "frame")
    _number(head, "series")
    described = _json_part(parts[1], "dimage_d-1.0", f"frame {frame}")
    times = _json_part(parts[3], "dconfig-1.0", f"frame {frame}")
    array, encoding = _pixels(frame, described, parts[2])
    metadata = times | described | head
    if len(parts) == 5:
        metadata["appendix"] = _appendix(parts[4])
    return Message(0, frame, received_ns, metadata, array, encodings=() if encoding is None else (encoding,))


def _pixels(frame: int, described: Mapping[str, Any], pixels: Part) -> tuple[NDArray[Any], Encoding | None]:
    """Return an image as it came, and what it becomes if it is compressed."""
    size = pixels.nbytes if isinstance(pixels, memoryview) else len(pixels)
    declared = described.get("size", size)
    if type(declared) is not int or declared != size:
        raise RemoteProtocolError(f"frame {frame} has {size} bytes where its header says {declared!r:.40}")
    layout = _layout_of(described, described.get("encoding"), f"frame {frame}")
    if layout.encoding is None:
        return _array(layout, pixels, f"frame {frame}"), None
    if layout.is_framed and (size < _HEAD_BYTES or int.from_bytes(pixels[:8], "big") != layout.nbytes):
        becomes = int.from_bytes(pixels[:8], "big")
        raise RemoteProtocolError(f"frame {frame} becomes {becomes} bytes where {_asked(layout)}")
    if not size:
        raise RemoteProtocolError(f"frame {frame} is compressed and has no bytes")
    array: NDArray[Any] = np.ndarray((size,), np.uint8, pixels)
    array.setflags(write=False)
    return array, layout.encoding


def _start(head: dict[str, Any], parts: Sequence[Part], received_ns: int) -> Message:
    detail = head.get("header_detail")
    if not isinstance(detail, str) or detail not in _PARTS:
        raise RemoteProtocolError(f'header_detail {str(detail)[:40]!r} is none of "all", "basic", "none"')
    _number(head, "series")
    count = _PARTS[detail]
    _check_count(len(parts), count, f"a start with header_detail {detail}")
    metadata = dict(head)
    if count > 1:
        metadata["config"] = json_object(parts[1], "the configuration")
    tables = [
        _table(htype, parts[at], parts[at + 1]) for at, htype in zip(range(2, count, 2), TABLES.values(), strict=False)
    ]
    if tables:
        metadata["arrays"] = list(TABLES)
    if len(parts) > count:
        metadata["appendix"] = _appendix(parts[count])
    array = tables[0] if tables else None
    return Message(0, None, received_ns, metadata, array, tuple(tables[1:]), Kind.START)


def _table(htype: str, head: Part, values: Part) -> NDArray[Any]:
    return _array(_layout_of(_json_part(head, htype, "a start"), "<", htype), values, htype)


class _Layout(msgspec.Struct, frozen=True, gc=False):
    """What an array is, or becomes when it is decompressed."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    """Rows first."""
    nbytes: int
    encoding: Encoding | None
    is_framed: bool


def _layout_of(described: Mapping[str, Any], written: Any, what: str) -> _Layout:
    shape = described.get("shape")
    try:
        return _layout(written, described.get("type"), *(shape if isinstance(shape, list) else ()))
    except TypeError as error:  # something that cannot be hashed
        raise RemoteProtocolError(f"{what}: a list or an object as encoding, type or length: {error}") from error
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"{what} {error}") from error


@lru_cache(maxsize=256, typed=True)
def _layout(written: Any, kind: Any, *shape: Any) -> _Layout:
    """Work out what encoding, type and shape say; the same for all images of a series."""
    found = _ENCODING.fullmatch(written) if isinstance(written, str) else None
    if found is None or (found["bits"] and not found["lz4"]):
        raise RemoteProtocolError(f"is encoded as {written!r:.40}, which is unknown; lz4< and bs32-lz4< are known")
    if not 1 <= len(shape) <= 8 or not all(type(length) is int and 0 < length < 2**32 for length in shape):
        raise RemoteProtocolError(f"has shape {list(shape)!r:.60}; [x, y] would be right")
    if kind not in _TYPES:
        raise RemoteProtocolError(f"has type {kind!r:.40}; such as uint32 would be right")
    dtype = np.dtype(kind).newbyteorder(found["order"] or "<")
    if found["bits"] and int(found["bits"]) != 8 * dtype.itemsize:
        raise RemoteProtocolError(f"is encoded as {written} and has pixels of {8 * dtype.itemsize} bits")
    name = "bslz4" if found["bits"] else found["lz4"]
    rows_first = shape[::-1]
    encoding = Encoding(name, dtype.str, rows_first) if name else None
    return _Layout(dtype, rows_first, math.prod(shape) * dtype.itemsize, encoding, name == "bslz4")


def _array(layout: _Layout, values: Part, what: str) -> NDArray[Any]:
    size = values.nbytes if isinstance(values, memoryview) else len(values)
    if size != layout.nbytes:
        raise RemoteProtocolError(f"{what} has {size} bytes where {_asked(layout)}")
    array: NDArray[Any] = np.ndarray(layout.shape, layout.dtype, values)
    array.setflags(write=False)
    return array


def _asked(layout: _Layout) -> str:
    return f"shape {list(layout.shape[::-1])} of {layout.dtype} asks for {layout.nbytes}"


def _json_part(part: Part, htype: str, where: str) -> dict[str, Any]:
    found = json_object(part, f"the {htype} part of {where}")
    if found.get("htype") != htype:
        raise RemoteProtocolError(f'{where}: htype {str(found.get("htype"))[:40]!r} where "{htype}" is due')
    return found


def _appendix(part: Part) -> Any:
    """Return what the user set: nobody but him knows what it is."""
    try:
        text = str(part, "utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"an appendix that is no text: {error}") from error
    if text[:1] in ("{", "["):
        try:
            return json_object(b'{"appendix":' + bytes(part) + b"}")["appendix"]
        except RemoteProtocolError:
            return text
    return text


def _number(head: Mapping[str, Any], key: str) -> int:
    value = head.get(key)
    if type(value) is not int or not 0 <= value <= MAX_KEY:
        raise RemoteProtocolError(f"{key} is {value!r:.60}; a number from 0 to 2**64 - 1 would be right")
    return value


def _check_count(found: int, least: int, what: str, *, most: int | None = None) -> None:
    most = least + 1 if most is None else most
    if not least <= found <= most:
        wanted = f"{least}" if least == most else f"{least}, or {most} with an appendix,"
        raise RemoteProtocolError(f"{what} of {found} parts; {wanted} would be right")


def encode_start(
    series: int,
    detail: Detail = "basic",
    *,
    config: Mapping[str, Any] | None = None,
    tables: Mapping[str, NDArray[Any]] | None = None,
    appendix: str | None = None,
) -> list[bytes]:
    """Return the message before the images of a series.

    Parameters
    ----------
    series
        Its number.
    detail
        How much it says.
    config
        The detector's configuration, sent unless ``detail`` is "none".
    tables
        All of `TABLES`, (y, x), sent if ``detail`` is "all".
    appendix
        What the user set; by default nothing.
    """
    parts = [msgspec.json.encode({"htype": "dheader-1.0", "series": series, "header_detail": detail})]
    if detail != "none":
        parts.append(msgspec.json.encode(config or {}))
    if detail == "all":
        for name, htype in TABLES.items():
            table = (tables or {})[name]
            parts.append(msgspec.json.encode({"htype": htype, "shape": table.shape[::-1], "type": table.dtype.name}))
            parts.append(_little(table))
    return [*parts, *_appended(appendix)]


def encode_image(
    series: int,
    frame: int,
    pixels: NDArray[Any] | bytes,
    *,
    encoding: str = "<",
    shape: tuple[int, ...] = (),
    dtype: str = "",
    hash: str = "",  # noqa: A002 - so it is called on the wire
    start_time: int = 0,
    stop_time: int = 0,
    real_time: int = 0,
    appendix: str | None = None,
) -> list[bytes]:
    """Return the message of one image.

    Parameters
    ----------
    series
        Its number.
    frame
        From 0 in a series.
    pixels
        The image, (y, x); or its compressed bytes, whose ``encoding``, ``shape`` (y, x) and ``dtype`` must be given.
    encoding
        As it is written; see the module.
    hash
        MD5 of the bytes, in hexadecimal.
    start_time, stop_time, real_time
        In ns, of the detector's clock.
    appendix
        What the user set; by default nothing.
    """
    if not isinstance(pixels, bytes):
        shape, dtype = pixels.shape, pixels.dtype.name
        pixels = _little(pixels)
    described = {
        "htype": "dimage_d-1.0", "shape": shape[::-1], "type": dtype, "encoding": encoding, "size": len(pixels),
    }  # fmt: skip
    times = {"htype": "dconfig-1.0", "start_time": start_time, "stop_time": stop_time, "real_time": real_time}
    head = {"htype": "dimage-1.0", "series": series, "frame": frame, "hash": hash}
    parts = [msgspec.json.encode(head), msgspec.json.encode(described), pixels, msgspec.json.encode(times)]
    return [*parts, *_appended(appendix)]


def encode_end(series: int) -> list[bytes]:
    """Return the message after the images of a series."""
    return [msgspec.json.encode({"htype": "dseries_end-1.0", "series": series})]


def _appended(appendix: str | None) -> list[bytes]:
    return [] if appendix is None else [appendix.encode()]


def _little(array: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
