"""NumPy dtypes in plain lists and text, and back, without ever making a dtype of Python objects."""

import re
from typing import Any, Final

import numpy as np

from penstock.errors import RemoteProtocolError

__all__ = ["dtype_from", "plain_dtype"]

_SIMPLE: Final = re.compile(r"[<>|][biufcSUVmM?]\d{1,9}(\[\d{0,9}[a-zA-Zμ]{1,2}\])?")
_DEEPEST: Final = 16


def plain_dtype(dtype: np.dtype[Any]) -> Any:
    """Return a dtype as text, as [dtype, shape] (an array as one element), or as {fields, size}."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [plain_dtype(base), list(shape)]
    if dtype.fields is None:
        return dtype.str
    return {"fields": [_plain_field(name, *dtype.fields[name]) for name in dtype.names or ()], "size": dtype.itemsize}


def dtype_from(plain: Any, depth: int = 0) -> np.dtype[Any]:
    """Return the dtype that ``plain_dtype`` described.

    Raises
    ------
    RemoteProtocolError
        If it describes none, or one that could hold Python objects.
    """
    if depth < _DEEPEST:
        if isinstance(plain, str) and _SIMPLE.fullmatch(plain):
            return np.dtype(plain)
        if isinstance(plain, list) and len(plain) == 2:
            return np.dtype((dtype_from(plain[0], depth + 1), tuple(map(int, plain[1]))))
        if isinstance(plain, dict) and plain.keys() == {"fields", "size"}:
            return _structured(plain["fields"], plain["size"], depth)
    raise RemoteProtocolError(f"not a dtype: {plain!r:.80}")


def _plain_field(name: str, dtype: np.dtype[Any], offset: int, title: Any = None) -> list[Any]:
    return [name, plain_dtype(dtype), offset, title if isinstance(title, str) else None]


def _structured(fields: Any, size: int, depth: int) -> np.dtype[Any]:
    names, formats, offsets, titles = zip(*fields, strict=True) if fields else ((), (), (), ())
    spec: Any = {
        "names": list(names),
        "formats": [dtype_from(format_, depth + 1) for format_ in formats],
        "offsets": list(offsets),
        "titles": list(titles),
        "itemsize": size,
    }
    made: np.dtype[Any] = np.dtype(spec)
    return made
