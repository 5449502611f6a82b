"""Freed memory that is kept: large buffers cost no page faults when they come again, in whatever thread."""

import ctypes
import subprocess
import sys

import pytest

from penstock.transport import malloc

CODE = """
import ctypes
import resource
import sys
import threading

from penstock.transport.malloc import prefer_reuse

MB = 1 << 20


def turn():
    pointers = [libc.malloc(3 * MB) for _ in range(8)]
    for pointer in pointers:
        ctypes.memset(pointer, 1, 3 * MB)
    for pointer in pointers:
        libc.free(pointer)


def faults(turns):
    turn()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(turns):
        turn()
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
found = []
if sys.argv[1] == "reuse":
    assert prefer_reuse()
thread = threading.Thread(target=faults, args=(20,))
thread.start()
thread.join()
faults(20)
print(*found)
"""


def faults(how: str) -> list[int]:
    """Return the page faults of 160 buffers of 3 MB in a thread, and as many in the main thread."""
    done = subprocess.run([sys.executable, "-c", CODE, how], check=True, capture_output=True, timeout=50)
    return [int(number) for number in done.stdout.split()]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="only glibc has these settings")
def test_large_buffers_are_used_again_in_every_thread() -> None:
    assert max(faults("reuse")) < 20
    assert max(faults("as it is")) > 100, "the C library does it by itself, so this test shows nothing"


def test_without_glibc_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    class Musl:
        """Has a ``mallopt`` of its own that must not be called."""

        def mallopt(self, name: int, value: int) -> int:
            raise AssertionError(f"mallopt({name}, {value})")

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Musl())
    assert malloc.prefer_reuse() is False
