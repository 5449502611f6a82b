"""How the C library deals with freed memory in a process through which large buffers pass all the time.

By default glibc gives a buffer of several MB back to the kernel when it is freed, and the kernel clears and maps every
page of the next one anew: for frames of 4 MB that costs as much as copying them.
"""

import ctypes
from typing import Final

__all__ = ["KEPT_BYTES", "prefer_reuse"]

# /usr/include/malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGEST_MMAP_THRESHOLD: Final = 4 * 1024 * 1024 * ctypes.sizeof(ctypes.c_long)
"""A larger one is refused: DEFAULT_MMAP_THRESHOLD_MAX in glibc's malloc.c, 32 MB on machines of 64 bit."""
_LARGEST_INT: Final = 2**31 - 1
KEPT_BYTES: Final = 64 << 20
"""Of a process whose buffers come and go in all sizes: enough that the next range finds what the last one left."""


def prefer_reuse(kept_bytes: int = _LARGEST_INT, *, is_shared: bool = True) -> bool:
    """Keep freed memory of this process for the next buffer, and for buffers below 32 MB.

    Call it when the process begins: a thread that has allocated already keeps to memory of its own.

    Parameters
    ----------
    kept_bytes
        How much may be kept, at most 2 GB. So much is for processes whose buffers are all of a size, as of a source.
    is_shared
        Whether all threads use the same memory, so that one finds what another has freed; user code, which may have
        threads that allocate all the time, had better not.

    Returns
    -------
    bool
        Whether it could be arranged; without glibc nothing is changed.
    """
    libc = ctypes.CDLL(None)
    try:
        libc.gnu_get_libc_version  # noqa: B018 - others have a mallopt too, which means something else
        mallopt = libc.mallopt
    except AttributeError:
        return False
    wanted = [(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD), (_M_TRIM_THRESHOLD, min(kept_bytes, _LARGEST_INT))]
    if is_shared:
        wanted.append((_M_ARENA_MAX, 1))  # else every thread has its own, and ZeroMQ's allocates what ours frees
    return 0 not in [mallopt(name, value) for name, value in wanted]
