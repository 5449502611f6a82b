"""Bytes of pipes, terminals and files that grow, for coroutines: waited for without holding anybody else up."""

import asyncio
import logging
import os
import stat
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

from inotify_simple import INotify, flags

__all__ = ["CHUNK", "followed", "of_descriptor"]

CHUNK: Final = 1 << 18
"""How many bytes are read at once."""
_LOOK_S: Final = 1.0
"""A file is looked at so often, in s, whatever inotify says: it says nothing of what others write over a network."""
_FILE: Final = flags.MODIFY | flags.ATTRIB | flags.MOVE_SELF | flags.DELETE_SELF
_FOLDER: Final = flags.CREATE | flags.MOVED_TO

_log = logging.getLogger(__name__)


async def of_descriptor(descriptor: int) -> AsyncGenerator[bytes, None]:
    """Yield what comes out of a pipe, a terminal, a device or a file, until its end.

    The descriptor stays as it is, blocking or not, and open.
    """
    while True:
        await _readable(descriptor)
        try:
            chunk = os.read(descriptor, CHUNK)
        except BlockingIOError:  # another reader of the same pipe was faster
            continue
        if not chunk:
            return
        yield chunk


async def followed(path: Path, *, only_new: bool = False) -> AsyncGenerator[bytes | None, None]:
    """Yield what a file holds and what is written to it later; it never ends.

    Parameters
    ----------
    path
        Of a file; it may be renamed or removed and made anew, as logs are, or cut to nothing.
    only_new
        Whether to begin at its end.

    Yields
    ------
    bytes or None
        ``None`` where another file begins under that name, or the same from its beginning. The old one is read to its
        end first, and given up only when there is something in the new one: until then it may still be written.

    Raises
    ------
    OSError
        If it is not there when it begins.
    """
    file = path.open("rb", buffering=0)
    sight = _Sight(path)
    try:
        if only_new:
            file.seek(0, os.SEEK_END)
        while True:
            is_replaced = _is_replaced(path, file.fileno())  # before reading, so that the old one is read to its end
            if chunk := file.read(CHUNK):
                yield chunk
                await asyncio.sleep(0)  # others have their turn
            elif is_replaced:
                _log.info("%s: another file has this name now; it is read from its beginning", path)
                try:
                    new = path.open("rb", buffering=0)
                except FileNotFoundError:  # gone again already
                    continue
                file.close()
                file = new
                sight.look()
                yield None
            elif os.fstat(file.fileno()).st_size < file.tell():
                _log.warning("%s: was cut; it is read from its beginning", path)
                file.seek(0)
                yield None
            else:
                await sight.change()
    finally:
        sight.close()
        file.close()


class _Sight:
    """Sees that something may have changed about a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._inotify: Any = INotify(nonblocking=True)
        except OSError:  # a user has 128 of them; without one it is looked at now and then
            self._inotify = None
        self.look()

    def look(self) -> None:
        """Look at what has the name now."""
        if self._inotify is None:
            return
        for path, mask in ((self._path.parent, _FOLDER), (self._path, _FILE)):
            try:
                self._inotify.add_watch(path, mask)
            except OSError:  # not there at the moment, or no watches left: then it is looked at now and then
                continue

    async def change(self) -> None:
        """Wait until something may have changed, and no longer than a second."""
        if self._inotify is None:
            await asyncio.sleep(_LOOK_S)
            return
        try:
            async with asyncio.timeout(_LOOK_S):
                await _readable(self._inotify.fileno())
        except TimeoutError:
            return
        if any(event.mask & _FOLDER for event in self._inotify.read(timeout=0)):
            self.look()

    def close(self) -> None:
        """See nothing any more."""
        if self._inotify is not None:
            self._inotify.close()


def _is_replaced(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except OSError:
        return False
    ours = os.fstat(descriptor)
    return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev) and there.st_size > 0


async def _readable(descriptor: int) -> None:
    """Wait until a read returns at once; of a regular file it always does."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        await asyncio.sleep(0)
        return
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def note() -> None:
        if not ready.done():
            ready.set_result(None)

    try:
        loop.add_reader(descriptor, note)
    except PermissionError:  # what epoll knows nothing of, such as /dev/null, never waits
        await asyncio.sleep(0)
        return
    try:
        await ready
    finally:
        # Left in place it would wake the loop again and again while nobody wants to read.
        loop.remove_reader(descriptor)
