"""How the C library gives memory back: not at all, where large buffers come and go all the time."""

import ctypes
from contextlib import suppress

__all__ = ["prefer_reuse"]

# /usr/include/malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_MMAP_THRESHOLD = 32 << 20


def prefer_reuse() -> None:
    """Keep freed memory for the next buffer instead of giving it back; nothing where there is no glibc."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
