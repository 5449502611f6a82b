"""How folders are watched, and what came of it."""

from typing import Literal

import msgspec

from penstock.streams.file_choice import IGNORED
from penstock.streams.file_numbering import FileNumbering

__all__ = ["Complete", "WatchCounts", "WatchOptions"]

Complete = Literal["closed", "renamed", "stable"]
"""When a file counts as complete: a program that may have written it has closed it, or it came by renaming; only if it
came by renaming; when it has not changed for some time. Where the kernel does not see the first two, the third holds;
so it does for files that were there before anybody looked."""


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and when."""

    patterns: tuple[str, ...] = ()
    """Which files are meant, as `FileChoice` takes them; with none, all."""
    ignore: tuple[str, ...] = IGNORED
    """Which files and folders are not."""
    complete: Complete = "closed"
    stable_s: float = 2.0
    """How long a file must not have changed, where that is asked."""
    existing: bool = False
    """Whether files are sent, too, that were there when the folders were watched for the first time."""
    payload: bool = True
    """Whether files' bytes are sent, not only what they are called."""
    numbering: FileNumbering = FileNumbering()
    """Whether files become messages, or parts of datasets."""
    arrays: bool = False
    """Whether ``.npy`` files become arrays."""
    remove: bool = False
    """Whether files are removed once their messages are synced."""
    resend_changed: bool = False
    """Whether a file that has changed since it was sent is another message; if not, it is counted."""


class WatchCounts(msgspec.Struct, kw_only=True):
    """What became of files, since this process watches."""

    sent: int = 0
    """Files whose messages are in the stream now."""
    duplicates: int = 0
    """Those of them that had been sent by a process that was killed before it could write that down."""
    nbytes: int = 0
    """Of the files that were sent."""
    removed: int = 0
    """Files that were removed after they were sent."""
    vanished: int = 0
    """Files that were gone before they could be read."""
    failed: int = 0
    """Files that could not be read or stored."""
    changed: int = 0
    """Files that have changed after they were sent, and were not sent again."""
    left: int = 0
    """Files that were there when the folders were watched for the first time."""
