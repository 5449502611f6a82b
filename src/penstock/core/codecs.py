"""Codecs: the bytes of a compressed array as the array, and an array as such bytes, by the libraries of the field.

What is read may be cut off, damaged or made to do harm: nothing is allocated that the array's own dtype and shape do
not ask for, and no length that the bytes claim is believed. The libraries work outside the GIL.
"""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.core.encoding import Encoding
from penstock.errors import DecodingError
from penstock.extra import extra

__all__ = ["CODECS", "MAX_BYTES", "Codec", "decoded", "encoded"]

MAX_BYTES: Final = 1 << 30
"""Of one array. The largest detectors there are send some 300 MB a frame."""

_EXTRA: Final = "compression"
_LZ4_RATIO: Final = 255
"""LZ4 makes at most this much of a byte: lz4_Block_format.md, a byte of length stands for up to 255 of a match."""
_SLACK_BYTES: Final = 64

_BSHUF_HEAD: Final = struct.Struct(">QI")
"""Bytes of the array, bytes of a block: what the HDF5 filter 32008 (bshuf_h5filter.c) writes before the blocks."""
_BSHUF_LENGTH: Final = struct.Struct(">I")
_BSHUF_MULTIPLE: Final = 8
"""Elements; what is left of them at the end is not compressed."""
_BSHUF_LARGEST_BYTES: Final = 1 << 20
"""Of a block, unless the array is larger: libraries allocate what it says."""
_BSHUF_BLOCK_BYTES: Final = 8192
"""What bitshuffle aims at by default."""
_CACHE_LINE_BYTES: Final = 64

_LZ4_FRAME: Final = b"\x04\x22\x4d\x18"
_BLOSC_SIZES: Final = struct.Struct("<4xI4xI")
"""Of a chunk's first 16 bytes: bytes of the array, and of the chunk."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to compress."""

    decode: Callable[[Bytes, "_Wanted"], Bytes]
    """Returns (bytes,), of any length if it is not the right one."""
    encode: Callable[[NDArray[Any]], Any]  # a contiguous array; what has a buffer of bytes
    line: str
    """What it is."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to come out."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    nbytes: int


def decoded(payload: Bytes, encoding: Encoding) -> NDArray[Any]:
    """Return the array that a compressed buffer is.

    Parameters
    ----------
    payload
        (bytes,), as it came.
    encoding
        Which of `CODECS`, and the array's dtype (numbers or booleans) and shape.

    Returns
    -------
    ndarray
        Of that dtype and shape, C order, read-only, in memory of its own.

    Raises
    ------
    DecodingError
        If there is no such codec, nobody said dtype or shape, or the bytes are not an array of these.
    MissingExtraError
        If the libraries are not installed.

    Examples
    --------
    >>> payload, encoding = encoded(np.arange(8, dtype="<u2").reshape(2, 4), "bslz4")
    >>> encoding
    Encoding(name='bslz4', dtype='<u2', shape=(2, 4))
    >>> decoded(payload, encoding).tolist()
    [[0, 1, 2, 3], [4, 5, 6, 7]]
    >>> decoded(payload[:20], encoding)
    Traceback (most recent call last):
    ...
    penstock.errors.DecodingError: bslz4, 20 bytes: they end before block 1 of 1 does
    """
    place = f"{encoding.name}, {len(payload)} bytes"
    codec = CODECS.get(encoding.name)
    if codec is None:
        known = ", ".join(CODECS)
        raise DecodingError(
            f"{place}: this is none of what can be decoded ({known}); buffers has the bytes as they came"
        )
    try:
        wanted = _wanted(encoding)
        found = codec.decode(np.ascontiguousarray(payload), wanted)
        if len(found) != wanted.nbytes:
            raise _FlawError(f"they hold {len(found)} bytes where {_asked(wanted)}")
        array: NDArray[Any] = found.view(wanted.dtype).reshape(wanted.shape)
    except _FlawError as error:
        raise DecodingError(f"{place}: {error}") from error.__cause__
    array.flags.writeable = False
    return array


def encoded(array: NDArray[Any], name: str) -> tuple[Bytes, Encoding]:
    """Compress an array, as a detector does.

    Returns
    -------
    ndarray
        (bytes,), read-only.
    Encoding
        What they are.

    Raises
    ------
    DecodingError
        If there is no such codec.
    MissingExtraError
        If the libraries are not installed.
    """
    if name not in CODECS:
        raise DecodingError(f"there is no codec {name!r}; there are {', '.join(CODECS)}")
    array = np.asarray(array, order="C")
    payload = np.frombuffer(CODECS[name].encode(array), np.uint8)
    payload.flags.writeable = False
    return payload, Encoding(name, array.dtype.str, array.shape)


class _FlawError(Exception):
    """What is wrong with the bytes."""


def _wanted(encoding: Encoding) -> _Wanted:
    if not encoding.dtype:
        raise _FlawError("nobody said of which dtype and shape the array is; give an Encoding with both")
    try:
        dtype = np.dtype(encoding.dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise _FlawError(f"{encoding.dtype[:40]!r} is no dtype") from error
    if dtype.kind not in "biufc":
        raise _FlawError(f"arrays of {encoding.dtype[:40]!r} cannot be; booleans and numbers can")
    if min(encoding.shape, default=0) < 0 or len(encoding.shape) > 32:
        raise _FlawError(f"an array of shape {str(encoding.shape)[:80]} cannot be")
    nbytes = prod(encoding.shape) * dtype.itemsize
    wanted = _Wanted(dtype, encoding.shape, nbytes)
    if nbytes > MAX_BYTES:
        raise _FlawError(f"{_asked(wanted)}, and {MAX_BYTES} are allowed")
    return wanted


def _asked(wanted: _Wanted) -> str:
    return f"shape {list(wanted.shape)} of {wanted.dtype.str} asks for {wanted.nbytes}"


@contextmanager
def _library() -> Iterator[None]:
    """Turn what a library finds wrong into a flaw; libraries raise `Exception` itself, and what is derived of it."""
    try:
        yield
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise _FlawError(f"{type(error).__name__}: {error}") from error


def _check_ratio(payload: Bytes, wanted: _Wanted) -> None:
    if wanted.nbytes > _LZ4_RATIO * len(payload) + _SLACK_BYTES:
        raise _FlawError(f"{_asked(wanted)}, which is more than LZ4 makes of so few")


def _bshuf_head(payload: Bytes, wanted: _Wanted) -> tuple[int, int]:
    """Return the bytes of the array, which are those that are wanted, and of a block."""
    if len(payload) < _BSHUF_HEAD.size:
        raise _FlawError(f"they are too few for the header, which has {_BSHUF_HEAD.size}")
    total, block = _BSHUF_HEAD.unpack_from(payload.data)
    itemsize = wanted.dtype.itemsize
    if total != wanted.nbytes:
        raise _FlawError(f"the header says {total} bytes where {_asked(wanted)}")
    if not block or block % (_BSHUF_MULTIPLE * itemsize) or block > max(total, _BSHUF_LARGEST_BYTES):
        raise _FlawError(f"blocks of {block} bytes cannot be, with elements of {itemsize}")
    return total, block


def _bshuf_block(payload: Bytes, wanted: _Wanted) -> int:
    """Return how many elements a block has, when all blocks have been seen to lie within the payload.

    bitshuffle believes the lengths of blocks, and would read beyond the end.
    """
    total, block = _bshuf_head(payload, wanted)
    itemsize = wanted.dtype.itemsize
    rest = total // itemsize % _BSHUF_MULTIPLE * itemsize
    blocks = total // block + (total % block > rest)
    payload[::_CACHE_LINE_BYTES].max(initial=0)  # brings it near at once; each length would wait for memory alone
    at, unpack, seen = _BSHUF_HEAD.size, _BSHUF_LENGTH.unpack_from, payload.data
    number = 0
    try:
        for number in range(1, blocks + 1):  # noqa: B007 - said where it ends
            at += 4 + unpack(seen, at)[0]
    except struct.error:
        at = len(payload) + 1
    if at > len(payload):
        raise _FlawError(f"they end before block {number} of {blocks} does")
    if at + rest != len(payload):
        raise _FlawError(f"after {blocks} blocks come {len(payload) - at} bytes, where {rest} would be right")
    return int(block // itemsize)


def _decode_bshuf(name: str) -> Callable[[Bytes, _Wanted], Bytes]:
    def decode(payload: Bytes, wanted: _Wanted) -> Bytes:
        if name == "lz4":
            _check_ratio(payload, wanted)
        if (dectris := _dectris()) is not None:
            _bshuf_head(payload, wanted)
            with _library():
                data = dectris.decompress(payload.data, f"bs{name}", elem_size=wanted.dtype.itemsize)
            return np.frombuffer(data, np.uint8)
        block = _bshuf_block(payload, wanted)
        if not wanted.nbytes:
            return np.empty(0, np.uint8)
        decompress = getattr(_bitshuffle(), f"decompress_{name}")
        # A flat array, because it may have no axes; NumPy would fill one of V2 with zeros.
        item = wanted.dtype.newbyteorder("=")
        with _library():
            found: Bytes = decompress(payload[_BSHUF_HEAD.size :], (prod(wanted.shape),), item, block).view(np.uint8)
        return found

    return decode


def _encode_bshuf(name: str, *level: int) -> Callable[[NDArray[Any]], Any]:
    def encode(array: NDArray[Any]) -> bytes:
        itemsize = array.dtype.itemsize
        block = max(_BSHUF_BLOCK_BYTES // itemsize // _BSHUF_MULTIPLE * _BSHUF_MULTIPLE, 128)
        head = _BSHUF_HEAD.pack(array.nbytes, block * itemsize)
        if not array.size:
            return head
        compress = getattr(_bitshuffle(), f"compress_{name}")
        blocks: bytes = compress(array.reshape(-1).view(f"V{itemsize}"), block, *level).tobytes()
        return head + blocks

    return encode


@cache
def _dectris() -> Any:  # a module without annotations, or None
    """Return DECTRIS' own library, if somebody has built it: there are no wheels. It checks all lengths itself."""
    try:
        from dectris import compression
    except ImportError:
        return None
    return compression


@cache
def _bitshuffle() -> Any:  # a module without annotations
    with extra(_EXTRA), _one_thread():
        from bitshuffle import ext
    return ext


@contextmanager
def _one_thread() -> Iterator[None]:
    """Have bitshuffle's own OpenMP, which looks once, when it is loaded, use one thread unless the user says otherwise.

    There are workers enough. On two cores its threads took three times the processor time, most of it waiting.
    """
    name = "OMP_NUM_THREADS"
    if name in os.environ:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]


@cache
def _imagecodecs() -> Any:  # a module without annotations
    with extra(_EXTRA):
        import imagecodecs
    return imagecodecs


def _decode_lz4(payload: Bytes, wanted: _Wanted) -> Bytes:
    """Read a block, what the HDF5 filter 32004 writes, or a frame; which, is seen by how it begins.

    A block cannot begin as the other two do: it would copy what came before its beginning.
    """
    if not wanted.nbytes:
        return np.empty(0, np.uint8)
    _check_ratio(payload, wanted)
    begin = payload[:4].tobytes()
    codecs = _imagecodecs()
    with _library():
        if begin == _LZ4_FRAME:
            # With a byte more, as it leaves out what does not fit, and does not say so.
            return _filled(codecs.lz4f_decode(payload, out=np.empty(wanted.nbytes + 1, np.uint8)))
        decode = codecs.lz4h5_decode if begin[:1] == b"\x00" else codecs.lz4_decode
        return _filled(decode(payload, out=np.empty(wanted.nbytes, np.uint8)))


def _encode_lz4(array: NDArray[Any]) -> Any:
    return _imagecodecs().lz4h5_encode(_flat(array))


def _decode_zstd(payload: Bytes, wanted: _Wanted) -> Bytes:
    codecs = _imagecodecs()
    with _library():
        return _filled(codecs.zstd_decode(payload, out=np.empty(wanted.nbytes, np.uint8)))


def _encode_zstd(array: NDArray[Any]) -> Any:
    return _imagecodecs().zstd_encode(_flat(array))


def _decode_blosc(payload: Bytes, wanted: _Wanted) -> Bytes:
    if len(payload) < 16:
        raise _FlawError("they are too few for the header, which has 16")
    nbytes, chunk = _BLOSC_SIZES.unpack_from(payload.data)
    if nbytes != wanted.nbytes:
        raise _FlawError(f"the header says {nbytes} bytes where {_asked(wanted)}")
    if chunk != len(payload):
        raise _FlawError(f"the header says that they are {chunk}")
    codecs = _imagecodecs()
    with _library():  # by Blosc2, which reads both
        return _filled(codecs.blosc2_decode(payload, out=np.empty(wanted.nbytes, np.uint8), numthreads=1))


def _encode_blosc(array: NDArray[Any]) -> Any:
    codecs = _imagecodecs()
    return codecs.blosc_encode(
        _flat(array), typesize=array.dtype.itemsize, shuffle=codecs.BLOSC.SHUFFLE.BITSHUFFLE, numthreads=1
    )


def _flat(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def _filled(found: Any) -> Bytes:  # what a library without annotations returns
    """Return what was filled of the memory that was given."""
    return np.asarray(found).reshape(-1).view(np.uint8)


CODECS: Final[dict[str, Codec]] = {
    "bslz4": Codec(_decode_bshuf("lz4"), _encode_bshuf("lz4"), "bitshuffle and LZ4, as HDF5's filter 32008 has it"),
    "bszstd": Codec(
        _decode_bshuf("zstd"), _encode_bshuf("zstd", 1), "bitshuffle and Zstandard, as HDF5's filter 32008 has it"
    ),
    "lz4": Codec(_decode_lz4, _encode_lz4, "LZ4: as HDF5's filter 32004 has it, a frame, or a block"),
    "blosc": Codec(_decode_blosc, _encode_blosc, "a chunk of Blosc or Blosc2"),
    "zstd": Codec(_decode_zstd, _encode_zstd, "Zstandard"),
}
"""By the names of encodings."""
