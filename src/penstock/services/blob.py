"""Bytes of any length on their way to another process: a memory file, whose descriptor travels beside a message."""

import os

__all__ = ["read_blob", "write_blob"]


def write_blob(name: str, data: bytes) -> int:
    """Return a new memory file with these bytes in it, the caller's to close."""
    fd = os.memfd_create(f"penstock-{name}", os.MFD_CLOEXEC)
    try:
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(data)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_blob(fd: int) -> bytes:
    """Return what lies in a memory file, and close it."""
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        return file.read()
