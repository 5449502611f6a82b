"""The JSON header before an image, as several instruments send it: what it must say, and the array it describes.

Knows neither which protocol it is in nor what comes before or after.
"""

import math
import re
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.core.message import MAX_KEY
from penstock.errors import RemoteProtocolError

__all__ = ["ImageHeader", "flat_object", "image_array", "image_encodings", "image_header", "image_of", "json_object"]

MAX_JSON_DEPTH = 200
"""Far below what Python's own recursion bears; a text of fewer than twice as many bytes cannot reach it."""
MAX_JSON_BYTES = 16 << 20
MAX_NAME = 64
"""Letters of a compression; every block carries it."""
_DTYPE = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)|[<>|=]?(b1|[iu][1248]|f[248]|c8|c16)"
)  # only booleans and numbers: neither objects nor text nor records travel as pixels

Bytes = bytes | memoryview


class ImageHeader(msgspec.Struct, gc=False):
    """What every image's header must say; other keys are kept beside it."""

    htype: str
    frame: int
    shape: tuple[int, ...]
    type: str
    compression: str


_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_flat = msgspec.json.Decoder(dict[str, str | bool | int | float | None]).decode
_decode_image = msgspec.json.Decoder(ImageHeader).decode

_Geometry = tuple[np.dtype[Any], tuple[int, ...], int]
_geometries: dict[tuple[str, tuple[int, ...]], _Geometry] = {}


def json_object(part: Bytes, what: str = "the header") -> dict[str, Any]:
    """Decode one JSON object.

    Raises
    ------
    RemoteProtocolError
        If it is not one, is larger than 16 MB or nested deeper than 200 levels.
    """
    if len(part) > MAX_JSON_BYTES:
        raise RemoteProtocolError(f"{what} has {len(part)} bytes, more than {MAX_JSON_BYTES}")
    try:
        decoded = _decode_object(part)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"{what} is not a JSON object: {error}; it begins {_excerpt(part)}") from error
    if len(part) > 2 * MAX_JSON_DEPTH and _is_deeper(decoded, MAX_JSON_DEPTH):
        raise RemoteProtocolError(f"{what} is nested deeper than {MAX_JSON_DEPTH} levels")
    return decoded


def flat_object(part: Bytes, what: str = "the header") -> dict[str, Any]:
    """Decode one JSON object; sooner than `json_object` where none of its values is a list or an object.

    Raises
    ------
    RemoteProtocolError
        What that one raises.
    """
    try:
        return _decode_flat(part)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return json_object(part, what)


def image_header(part: Bytes) -> ImageHeader:
    """Decode what an image's header must say.

    Raises
    ------
    RemoteProtocolError
        If a key is missing or of a wrong type, or the frame number is not a u64.
    """
    try:
        header = _decode_image(part)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"the image's header is wrong: {error}; it begins {_excerpt(part)}") from error
    if not 0 <= header.frame <= MAX_KEY:
        raise RemoteProtocolError(f"frame {header.frame} is not a number from 0 to 2**64 - 1")
    return header


def image_of(part: Bytes, pixels: Bytes) -> tuple[int, NDArray[Any], tuple[Encoding, ...]]:
    """Return an image's frame number, its pixels, and what they are if they are compressed.

    They are ``image_array(image_header(part), pixels)`` and ``image_encodings`` of that header, but sooner.

    Every call and attribute in it was counted: small images come 100,000 times a second.

    Raises
    ------
    RemoteProtocolError
        What those two raise.
    """
    try:
        header = _decode_image(part)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        header = image_header(part)  # which says what is wrong
    geometry = _geometries.get((header.type, header.shape))
    if (
        geometry is None
        or geometry[2] != (pixels.nbytes if isinstance(pixels, memoryview) else len(pixels))
        or header.compression != "none"
        or not 0 <= header.frame <= MAX_KEY
    ):
        header = image_header(part)
        return header.frame, image_array(header, pixels), image_encodings(header)
    array: NDArray[Any] = np.ndarray(geometry[1], geometry[0], pixels)
    array.setflags(write=False)
    return header.frame, array, ()


def image_array(header: ImageHeader, pixels: Bytes) -> NDArray[Any]:
    """Return the pixels as the header describes them, without a copy.

    Returns
    -------
    ndarray
        The header's shape and type, C order; for compressed images (bytes,) uint8, as they came.

    Raises
    ------
    RemoteProtocolError
        If shape or type are impossible, or there are more or fewer bytes than they ask for.
    """
    dtype, shape, expected = _geometries.get((header.type, header.shape)) or _geometry(header)
    size = pixels.nbytes if isinstance(pixels, memoryview) else len(pixels)
    if header.compression != "none":
        if len(header.compression) > MAX_NAME:
            raise RemoteProtocolError(f"frame {header.frame} has a compression of {len(header.compression)} letters")
        if not size:
            raise RemoteProtocolError(f"frame {header.frame} is compressed ({header.compression}) and has no bytes")
        shape, dtype = (size,), _BYTE
    elif size != expected:
        raise RemoteProtocolError(
            f"frame {header.frame} has {size} bytes where shape {list(shape)} of {header.type} asks for {expected}"
        )
    array: NDArray[Any] = np.ndarray(shape, dtype, pixels)
    array.setflags(write=False)
    return array


def image_encodings(header: ImageHeader) -> tuple[Encoding, ...]:
    """Return what the bytes of a compressed image are; nothing for one that is not compressed.

    Raises
    ------
    RemoteProtocolError
        What ``image_array`` raises.
    """
    if header.compression == "none":
        return ()
    dtype, shape, _ = _geometries.get((header.type, header.shape)) or _geometry(header)
    return (Encoding(header.compression, dtype.str, shape),)


_BYTE = np.dtype(np.uint8)


def _geometry(header: ImageHeader) -> _Geometry:
    if not _DTYPE.fullmatch(header.type):
        raise RemoteProtocolError(
            f"frame {header.frame} has type {header.type[:40]!r}; booleans and numbers are possible, such as uint16"
        )
    if len(header.shape) > 8 or not all(0 < length < 2**32 for length in header.shape):
        raise RemoteProtocolError(
            f"frame {header.frame} has shape {str(list(header.shape))[:80]}; up to 8 lengths of at least 1 are possible"
        )
    dtype = np.dtype(header.type)
    if len(_geometries) >= 256:  # a sender of ever new shapes must not fill the memory
        _geometries.clear()
    geometry = (dtype, header.shape, math.prod(header.shape) * dtype.itemsize)
    _geometries[header.type, header.shape] = geometry
    return geometry


def _is_deeper(value: Any, levels: int) -> bool:
    if type(value) is dict:
        return levels == 0 or any(_is_deeper(inner, levels - 1) for inner in value.values())
    if type(value) is list:
        return levels == 0 or any(_is_deeper(inner, levels - 1) for inner in value)
    return False


def _excerpt(part: Bytes) -> str:
    return repr(bytes(part[:60]))
