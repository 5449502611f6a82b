"""What kind of file system a folder lies on, and what it can therefore not do."""

import errno
import mmap
import os
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["can_write_direct", "is_network", "kind_of"]

_NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "orangefs",
     "pvfs2", "smb3", "virtiofs"}
)  # fmt: skip
"""Other machines write there, which the kernel of this one does not see."""
_PAGE: Final = 4096
_MOUNTS: Final = Path("/proc/self/mountinfo")


def is_network(folder: Path) -> bool:
    """Whether other machines may write there; what lies in user space counts as if."""
    kind = kind_of(folder)
    return kind in _NETWORK or kind.startswith("fuse")


def can_write_direct(folder: Path) -> bool:
    """Whether files in a folder can be written past the page cache, by whole pages; found out by doing so.

    Raises
    ------
    OSError
        If no file can be written there at all.
    """
    fd, path = tempfile.mkstemp(prefix=".direct-", dir=folder)
    try:
        os.close(fd)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            with mmap.mmap(-1, _PAGE) as page:
                return os.pwrite(fd, page, 0) == _PAGE
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            raise
        finally:
            os.close(fd)
    finally:
        Path(path).unlink()


def kind_of(folder: Path) -> str:
    """Return the name of a folder's file system, such as ``ext4``; empty if it cannot be found out."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:  # man 5 proc: number, parent, device, root, mount point, options, …, -, kind, …
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return ""
