"""How a buffer's bytes are encoded, where they are not the array itself. Nothing here encodes or decodes."""

import msgspec

__all__ = ["Encoding"]


class Encoding(msgspec.Struct, frozen=True, array_like=True):
    """What a buffer's bytes are, if they are not the array itself: compressed, and stored as they came."""

    name: str
    """Such as ``bslz4``, ``lz4``, ``zstd``, ``blosc``."""
    dtype: str = ""
    """Of the array when it is decoded, as NumPy writes it; empty if nobody said."""
    shape: tuple[int, ...] = ()
    """Of the array when it is decoded; empty if nobody said."""
