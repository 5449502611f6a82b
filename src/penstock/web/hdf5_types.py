"""NumPy's dtypes and elements as HDF5-REST has them: types in JSON, elements as bytes or in JSON.

The JSON of types is that of the HDF5/JSON specification, as h5pyd and h5web read it. Nothing here knows views or HTTP.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ResultTypeError

__all__ = ["as_bytes", "as_json", "sent_dtype", "type_of"]

FLOATS: Final = frozenset({2, 4, 8})
"""Bytes of the floats that HDF5 has a name for."""
UTF8_BYTES: Final = 4
"""At most, of one character."""
TRUTH: Final = {"FALSE": 0, "TRUE": 1}
TRUTH_LISTED: Final = [{"name": name, "value": value} for name, value in TRUTH.items()]
"""The same, as newer clients want it."""
NO_TYPE: Final = "HDF5 over HTTP has no type for {}; publish numbers, text or times"


def type_of(dtype: np.dtype[Any], *, is_inside: bool = False) -> dict[str, Any]:
    """Return the type of elements as they are sent, in JSON.

    Text is of variable length, UTF-8; inside a compound of a fixed one. Truth values are an enumeration and complex
    numbers a compound of ``r`` and ``i``, as h5py writes them; times are whole numbers.

    Parameters
    ----------
    is_inside
        Whether it is a part of an element.

    Raises
    ------
    ResultTypeError
        If HDF5 has nothing for it.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"class": "H5T_ARRAY", "base": type_of(base, is_inside=True), "dims": list(shape)}
    if dtype.names:
        return _compound({name: type_of(dtype[name], is_inside=True) for name in dtype.names})
    order = "BE" if dtype.str[0] == ">" else "LE"
    bits = 8 * dtype.itemsize
    match dtype.kind:
        case "i" | "u":
            return _integer(f"H5T_STD_{dtype.kind.upper()}{bits}{order}")
        case "f" if dtype.itemsize in FLOATS:
            return {"class": "H5T_FLOAT", "base": f"H5T_IEEE_F{bits}{order}"}
        case "c" if dtype.itemsize // 2 in FLOATS:
            part = {"class": "H5T_FLOAT", "base": f"H5T_IEEE_F{bits // 2}{order}"}
            return _compound({"r": part, "i": part})
        case "b":
            return {"class": "H5T_ENUM", "base": _integer("H5T_STD_I8LE"), "mapping": TRUTH, "members": TRUTH_LISTED}
        case "m" | "M" if np.datetime_data(dtype)[0] != "generic":
            return _integer("H5T_STD_I64LE")
        case "S":
            return _text("ASCII", "NULLPAD", max(1, dtype.itemsize))
        case "U" if is_inside:
            return _text("UTF8", "NULLPAD", sent_dtype(dtype).itemsize)
        case "U":
            return _text("UTF8", "NULLTERM", "H5T_VARIABLE")
    raise ResultTypeError(NO_TYPE.format(dtype))


def sent_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of fixed length that elements have as they are sent: packed, text as UTF-8, times in ns."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((sent_dtype(base), shape))
    if dtype.names:
        return np.dtype([(name, sent_dtype(dtype[name])) for name in dtype.names])
    match dtype.kind:
        case "m" | "M":
            return np.dtype("<i8")
        case "U":  # NumPy has four bytes a character, and as many may be needed
            return np.dtype(f"S{max(1, dtype.itemsize // 4 * UTF8_BYTES)}")
        case "S":
            return np.dtype(f"S{max(1, dtype.itemsize)}")
    return dtype


def as_bytes(array: NDArray[Any]) -> bytes | memoryview:
    """Return elements in C order as they are sent; of text, each is its length (u4, little endian) and UTF-8."""
    if array.dtype.kind == "U":
        texts = [text.encode("utf-8", "replace") for text in array.ravel().tolist()]
        return b"".join(part for text in texts for part in (len(text).to_bytes(4, "little"), text))
    sent = _sent(array)
    return sent.reshape(-1).view(np.uint8).data if sent.nbytes else b""


def as_json(array: NDArray[Any]) -> Any:  # nested lists of what JSON can hold
    """Return elements as nested lists: of a compound a list each, as text what JSON has no number for, such as NaN."""
    if array.dtype.names:
        return _zipped([as_json(array[name]) for name in array.dtype.names], array.ndim)
    match array.dtype.kind:
        case "c":
            return as_json(np.stack([array.real, array.imag], axis=-1))
        case "f":
            return array.tolist() if np.isfinite(array).all() else _with_words(array).tolist()
        case "S":
            return np.char.decode(array, "utf-8", "replace").tolist()
        case "m" | "M":
            return _sent(array).tolist()
    return array.tolist()


def _with_words(array: NDArray[Any]) -> NDArray[Any]:
    found = array.astype(object)
    for word, is_it in (("NaN", np.isnan), ("Infinity", np.isposinf), ("-Infinity", np.isneginf)):
        found[is_it(array)] = word
    return found


def _sent(array: NDArray[Any]) -> NDArray[Any]:
    dtype = sent_dtype(array.dtype)
    if dtype == array.dtype:
        return np.ascontiguousarray(array)
    sent = np.zeros(array.shape, dtype)
    _fill(sent, array)
    return sent


def _fill(sent: NDArray[Any], array: NDArray[Any]) -> None:
    if array.dtype.names:
        for name in array.dtype.names:
            _fill(sent[name], array[name])
    elif array.dtype.kind == "U":
        sent[...] = np.char.encode(array, "utf-8", "replace")
    elif array.dtype.kind in "mM":
        sent[...] = array.astype(f"{array.dtype.kind}8[ns]").astype("i8")
    else:
        sent[...] = array


def _zipped(columns: list[Any], ndim: int) -> list[Any]:
    return [_zipped(list(each), ndim - 1) for each in zip(*columns, strict=True)] if ndim else columns


def _integer(base: str) -> dict[str, Any]:
    return {"class": "H5T_INTEGER", "base": base}


def _compound(fields: dict[str, Any]) -> dict[str, Any]:
    return {"class": "H5T_COMPOUND", "fields": [{"name": name, "type": each} for name, each in fields.items()]}


def _text(characters: str, padding: str, length: int | str) -> dict[str, Any]:
    return {
        "class": "H5T_STRING", "charSet": f"H5T_CSET_{characters}", "strPad": f"H5T_STR_{padding}", "length": length,
    }  # fmt: skip
