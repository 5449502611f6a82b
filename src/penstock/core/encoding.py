"""How a buffer's bytes are encoded, where they are not the array itself. Nothing here encodes or decodes."""

from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = ["Encoding", "encodings_from", "plain_encodings"]


class Encoding(msgspec.Struct, frozen=True, array_like=True):
    """What a buffer's bytes are, if they are not the array itself: compressed, and stored as they came."""

    name: str
    """Such as ``bslz4``, ``lz4``, ``zstd``, ``blosc``."""
    dtype: str = ""
    """Of the array when it is decoded, as NumPy writes it; empty if nobody said."""
    shape: tuple[int, ...] = ()
    """Of the array when it is decoded; empty if nobody said."""


def plain_encodings(encodings: Sequence[Encoding | None]) -> list[Any]:
    """Return encodings as lists, texts and numbers, for a message that travels alone."""
    return [None if one is None else [one.name, one.dtype, list(one.shape)] for one in encodings]


def encodings_from(plain: Any = ()) -> tuple[Encoding | None, ...]:
    """Return what ``plain_encodings`` wrote.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    found: tuple[Encoding | None, ...] = msgspec.convert(plain, tuple[Encoding | None, ...])
    return found
