"""Writes and reads the files of beamtimes, below ``raw/`` or ``processed/`` of their folders and nowhere else.

Links may lead from one folder to another as long as they stay below the same ``raw`` or ``processed``, which may be a
link itself. That is looked at after a folder or file was opened, so that nobody can put a link there in between.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from penstock.compat.asapo.beamtime_folders import AUTO, BeamtimeFolders
from penstock.compat.asapo.beamtimes import Beamtime, Kind, root_of, wanted_path
from penstock.errors import BeamtimeError, MissingMessageError, StateError, StoreFullError, StreamError

__all__ = ["BeamtimeFiles", "Draft", "OpenedFile"]

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_NAMELESS: Final = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
"""What file systems say that have no files without a name: GPFS and NFS among them."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NUMBERS: Final = count(1)


class Draft:
    """A file that nobody sees yet; a context manager, which discards what is not finished.

    It appears whole under its name, or not at all. Used by one thread at a time.
    """

    def __init__(self, folder: int, name: str, wanted: str, *, sync: bool) -> None:
        self._folder = folder
        self._name = name
        self._wanted = wanted
        self._sync = sync
        self._draft = ""
        self._fd = -1
        try:
            self._fd = self._open()
        except BaseException:
            os.close(folder)
            raise

    def write(self, data: Any) -> None:  # Any: whatever has bytes
        """Add bytes: those of any buffer, of an array in C order.

        Raises
        ------
        StoreFullError
            If there is no room for them.
        StreamError
            If they cannot be written.
        """
        view = memoryview(np.ascontiguousarray(data).data if isinstance(data, np.ndarray) else data).cast("B")
        with _told(self._wanted):
            if self._fd < 0:
                raise StateError(f"{self._wanted}: it is finished, or was discarded")
            while view:
                view = view[os.write(self._fd, view) :]

    def finish(self) -> bool:
        """Let the file appear; return whether it has replaced another.

        Raises
        ------
        StreamError
            If it cannot; nothing is left of it.
        """
        with self, _told(self._wanted):
            if self._fd < 0:
                raise StateError(f"{self._wanted}: it is finished, or was discarded")
            if self._sync:
                os.fdatasync(self._fd)
            is_replaced = self._appear()
            if self._sync:
                os.fsync(self._folder)
            return is_replaced

    def discard(self) -> None:
        """Let it be as if it had never been begun; after ``finish``, or once more: nothing."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if self._draft:
            with suppress(OSError):
                os.unlink(self._draft, dir_fd=self._folder)
        os.close(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _open(self) -> int:
        """Open a file that has no name, or one that nobody looks for."""
        try:
            return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=self._folder)
        except OSError as error:
            if error.errno not in _NO_NAMELESS:
                raise
        self._draft = _draft_name()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._draft, flags, 0o666, dir_fd=self._folder)

    def _appear(self) -> bool:
        if not self._draft:
            if self._is_linked(self._name):
                return False
            self._draft = _draft_name()  # a link replaces nothing, a rename does
            self._is_linked(self._draft)
        is_replaced = _exists(self._name, self._folder)
        os.replace(self._draft, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._draft = ""
        return is_replaced

    def _is_linked(self, name: str) -> bool:
        """Give the file a name, if that is free."""
        try:
            os.link(f"/proc/self/fd/{self._fd}", name, dst_dir_fd=self._folder, follow_symlinks=True)
        except FileExistsError:
            return False
        return True


class OpenedFile:
    """A file of a beamtime, to be read; a context manager."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        """Bytes, when it was opened."""

    def close(self) -> None:
        """Let go; once more: nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BeamtimeFiles:
    """Writes what producers want to be files, and finds what consumers ask for; may be used from several threads.

    Parameters
    ----------
    folders
        Say whether raw data go to a beamline's folder.
    sync
        Whether a file that is finished would survive a loss of power.
    """

    def __init__(self, folders: BeamtimeFolders, *, sync: bool = False) -> None:
        self._folders = folders
        self._sync = sync

    def begin(self, beamtime: Beamtime, kind: Kind, name: str, *, to_offline: bool = False) -> Draft:
        """Begin a file. What is wrong with where it is to be is said here, before anybody has its bytes.

        Parameters
        ----------
        name
            Its path, which begins with the kind; missing folders below that are made.
        to_offline
            Whether raw data are to go to the core file system at once.

        Raises
        ------
        StreamError
            If the path is none, leads out of the folder of its kind, or cannot be written to.
        BeamtimeError
            If raw data are not taken now.
        StoreFullError
            If there is no room for it.
        """
        parts = wanted_path(name, kind)
        root = root_of(beamtime, kind, to_offline=to_offline, has_online=self._folders.has_online)
        with _told(name):
            if beamtime.is_made and root == beamtime.offline:
                os.makedirs(root, exist_ok=True)  # noqa: PTH103  # as it is one of many calls on descriptors
            at = _opened_root(root, name)
            try:
                if root == beamtime.online:
                    _check_current(at, beamtime, name)
                folder = _opened_below(at, parts[:-1], name, sync=self._sync)
            finally:
                os.close(at)
            return Draft(folder, parts[-1], name, sync=self._sync)

    def write(self, beamtime: Beamtime, kind: Kind, name: str, data: Any, *, to_offline: bool = False) -> bool:
        """Write a whole file; return whether it has replaced another. Raises as `begin` and `Draft.write` do."""
        with self.begin(beamtime, kind, name, to_offline=to_offline) as draft:
            draft.write(data)
            return draft.finish()

    def open(self, beamtime: Beamtime, name: str) -> OpenedFile:
        """Open a file of a beamtime where it was written first, or else where it is kept.

        Raises
        ------
        StreamError
            If the path is none, or leads out of the folder of its kind.
        MissingMessageError
            If there is no such file.
        """
        parts = wanted_path(name)
        kind: Kind = "raw" if parts[0] == "raw" else "processed"
        with _told(name):
            for root in beamtime.roots(kind):
                with suppress(FileNotFoundError, NotADirectoryError):
                    return _opened_file(root, parts, name)
        raise MissingMessageError(f"{name}: beamtime {beamtime.id} has no such file")

    def folder(self, beamtime: Beamtime, asked: str = AUTO) -> str:
        """Return the folder that a reader may have files of.

        Parameters
        ----------
        asked
            ``auto``, or nothing; or the folder itself.

        Raises
        ------
        BeamtimeError
            If it is another.
        """
        if asked in ("", AUTO):
            return beamtime.offline
        own = [path for path in (beamtime.offline, beamtime.online) if path]
        if asked.rstrip("/") not in own:
            raise BeamtimeError(f'{asked[:200]!r} is no folder of beamtime {beamtime.id}; ask for "auto"')
        return asked.rstrip("/")


def _opened_root(root: str, name: str) -> int:
    try:
        return os.open(root, _FOLDER)
    except OSError as error:  # whoever has to mount it may still do so
        raise BeamtimeError(f"{name}: the beamtime's folder {root}: {error.strerror}", is_passing=True) from error


def _check_current(at: int, beamtime: Beamtime, name: str) -> None:
    """Make sure that an online folder, which is open, is still that of a beamtime, also where its name is a link."""
    if beamtime.said_in and not _exists(os.path.basename(beamtime.said_in), at):  # noqa: PTH119
        text = f"{name}: beamtime {beamtime.id} is not the current one of {beamtime.beamline} any more"
        raise BeamtimeError(text, is_passing=True)  # whoever asks again is told what is current now


def _opened_below(at: int, parts: tuple[str, ...], name: str, *, sync: bool) -> int:
    """Open a folder below one that is open and stays so; make what is missing of it.

    Raises
    ------
    OSError
        If it cannot be opened.
    StreamError
        If a link leads out of the first part.
    """
    at = os.dup(at)
    inside = ""
    try:
        for part in parts:
            below = _stepped(at, part, sync=sync)
            os.close(at)
            at = below
            inside = inside or _path_of(at)  # the first may be a link, to wherever a facility keeps such files
            _check_inside(at, inside, name)
    except BaseException:
        os.close(at)
        raise
    return at


def _stepped(at: int, part: str, *, sync: bool) -> int:
    """Open a folder in a folder; make it if it is not there."""
    try:
        return os.open(part, _FOLDER, dir_fd=at)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=at)
        if sync:
            os.fsync(at)
        return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=at)


def _opened_file(root: str, parts: tuple[str, ...], name: str) -> OpenedFile:
    top = os.open(f"{root}/{parts[0]}", _FOLDER)
    try:
        inside = _path_of(top)
        # Not blocking: whoever opens a pipe would wait for its other end.
        fd = os.open("/".join(parts[1:]), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=top)
    finally:
        os.close(top)
    try:
        _check_inside(fd, inside, name)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(errno.ENOENT, "it is no file")
    except BaseException:
        os.close(fd)
        raise
    return OpenedFile(fd, found.st_size)


def _path_of(fd: int) -> str:
    """Return where what is open truly is."""
    return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115


def _check_inside(fd: int, inside: str, name: str) -> None:
    path = _path_of(fd)
    if path != inside and not path.startswith(f"{inside}/"):
        raise StreamError(f"{name}: a link leads out of {name.partition('/')[0]}/")


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _draft_name() -> str:
    """Return a name that ``penstock watch`` passes over, and short enough beside the longest names."""
    return f".penstock-{os.getpid()}-{next(_NUMBERS)}.new"


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say what the operating system says by our errors."""
    try:
        yield
    except OSError as error:
        kind: Callable[[str], StreamError] = StoreFullError if error.errno in _FULL else StreamError
        raise kind(f"{name}: {error.strerror}") from error
