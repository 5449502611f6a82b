"""EPICS NTNDArray, the images of areaDetector: from a value as PVAccess has it to a message.

Facts: the normative types document of EPICS (NTNDArray), and areaDetector's ADCore. There ``dimension`` begins with the
fastest one, ``codec.parameters`` is the number of the scalar type that the pixels have when they are decoded, and
``uniqueId`` is a signed number of 32 bits that goes on below 0 behind the largest.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.core.message import Message
from penstock.errors import RemoteProtocolError

__all__ = ["NTNDARRAY", "message_of_ntndarray", "time_of"]

NTNDARRAY: Final = "epics:nt/NTNDArray:"
"""How the identity of the type begins; its version follows."""
_SCALARS: Final = {1: "i1", 2: "<i2", 3: "<i4", 4: "<i8", 5: "u1", 6: "<u2", 7: "<u4", 8: "<u8", 9: "<f4", 10: "<f8"}
"""Number of the scalar type in EPICS → dtype."""
_HEADER_BYTES: Final = 12
_MOST_DIMENSIONS: Final = 10


def message_of_ntndarray(value: Any, received_ns: int) -> Message | None:
    """Return the message of one image, whose pixels are not copied.

    ``key`` is ``uniqueId`` modulo 2**32. ``timestamp_ns`` is ``timeStamp``, or when it was received if that is 0.
    ``array`` has the dimensions with the fastest one last, as NumPy has them; if the image is compressed, it is the
    bytes as (n,) uint8, with their encoding. ``metadata`` has the attributes by name. What areaDetector says beside
    stands in ``metadata["ntndarray"]``, where it is not what it mostly is: ``dimension``, a list of mappings as EPICS
    names them, for a region, binned or reversed pixels; ``data_timestamp_ns``; ``alarm`` with ``severity``, ``status``
    and ``message``.

    Parameters
    ----------
    value
        A ``p4p.Value``, or nested mappings of the same names.
    received_ns
        Nanoseconds UTC.

    Returns
    -------
    Message or None
        ``None`` if there are no pixels, as before the first image.

    Raises
    ------
    RemoteProtocolError
        If there are fewer or more pixels than the dimensions say, the encoded dtype is unknown, or a field is not what
        the type says.
    """
    try:
        pixels = value["value"]
        if pixels is None or not len(pixels):
            return None
        shape = tuple(int(each["size"]) for each in reversed(value["dimension"]))
        array, encodings = _array(value, np.asarray(pixels), shape)
        return Message(
            key=int(value["uniqueId"]) % 2**32,
            timestamp_ns=time_of(value["timeStamp"]) or received_ns,
            metadata=_metadata(value),
            array=array,
            encodings=encodings,
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"no NTNDArray as EPICS defines it: {type(error).__name__}: {error}") from error


def time_of(stamp: Any) -> int:
    """Return an EPICS time in ns UTC; 0 if it is not set."""
    return int(stamp["secondsPastEpoch"]) * 1_000_000_000 + int(stamp["nanoseconds"])


def _array(value: Any, pixels: NDArray[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], tuple[Encoding, ...]]:
    if not 0 < len(shape) <= _MOST_DIMENSIONS or min(shape) < 1:
        raise RemoteProtocolError(f"an image of shape {shape}")
    codec = str(value["codec"]["name"])
    if not codec:
        if math.prod(shape) != pixels.size:
            raise RemoteProtocolError(f"{pixels.size} pixels, where shape {shape} asks for {math.prod(shape)}")
        return pixels.reshape(shape), ()
    number = value["codec"]["parameters"]
    dtype = _SCALARS.get(int(number)) if isinstance(number, int | np.integer) else None
    if dtype is None:
        raise RemoteProtocolError(f"codec {codec} with parameters {number!r}; the number of a scalar type is due")
    nbytes, whole = math.prod(shape) * np.dtype(dtype).itemsize, int(value["uncompressedSize"])
    if whole not in (0, nbytes):
        raise RemoteProtocolError(f"{whole} bytes uncompressed, where shape {shape} of {dtype} asks for {nbytes}")
    compressed = pixels.view(np.uint8)[: int(value["compressedSize"]) or None]
    if codec == "bslz4":
        compressed = _with_header(compressed, nbytes, np.dtype(dtype).itemsize)
    return compressed, (Encoding(codec, dtype, shape),)


def _with_header(compressed: NDArray[np.uint8], nbytes: int, itemsize: int) -> NDArray[np.uint8]:
    """Return bitshuffle-LZ4 as HDF5 and DECTRIS have it: behind the size of the whole and of a block, big endian.

    areaDetector leaves that out and takes the block size that bitshuffle has by default: 8 kB, and whole eights of
    elements. Without it the first four bytes are the size of the first block, which is not 0; with it, they are 0.
    """
    if not compressed[:4].any():
        return compressed
    block = max(8192 // itemsize // 8 * 8, 128) * itemsize
    made = np.empty(_HEADER_BYTES + compressed.size, np.uint8)
    made[:_HEADER_BYTES] = np.frombuffer(nbytes.to_bytes(8, "big") + block.to_bytes(4, "big"), np.uint8)
    made[_HEADER_BYTES:] = compressed
    made.flags.writeable = False
    return made


def _metadata(value: Any) -> dict[str, Any]:
    metadata = {str(each["name"]): _plain(each["value"]) for each in value["attribute"]}
    beside: dict[str, Any] = {}
    dimension = [dict(_plain(each)) for each in value["dimension"]]
    if any(each["offset"] or each["binning"] > 1 or each["reverse"] for each in dimension):
        beside["dimension"] = dimension
    if (at_ns := time_of(value["dataTimeStamp"])) and at_ns != time_of(value["timeStamp"]):
        beside["data_timestamp_ns"] = at_ns
    if value["alarm"]["severity"]:
        beside["alarm"] = dict(_plain(value["alarm"]))
    return {**metadata, "ntndarray": beside} if beside else metadata


def _plain(value: Any) -> Any:
    """Return a value of an attribute, of whatever type, without what is EPICS's own."""
    if hasattr(value, "todict"):
        return value.todict()
    return dict(value) if isinstance(value, Mapping) else value
