"""Looks where beamtimes have their folders, and which is the current one of a beamline, as often as that may change.

Nothing is written here. A folder that was found stays known; what is current is looked at again.
"""

import os
import stat
from collections.abc import Callable, Iterator
from threading import Lock
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec

from penstock.compat.asapo.beamtimes import Beamtime, FolderPattern, Kind, Places, root_of
from penstock.core.beamtime_file import BeamtimeFile, check_beamtime_id, is_beamtime_file
from penstock.errors import BeamtimeError, StreamError

__all__ = ["AUTO", "BeamtimeFolders"]

AUTO: Final = "auto"
MOST_FILE_BYTES: Final = 1 << 20
"""Of a file that says which beamtime it is; they have about 1 kB."""
MOST_KNOWN: Final = 4096
"""Beamtimes that are remembered; a server sees some dozens."""
PASSING_S: Final = 10.0
"""How long it may take until one beamtime's file is replaced by that of the next; clients are told to try again."""
_COMMISSIONING: Final = "c"  # with which ids of commissionings begin


class _Seen(NamedTuple):
    """What was found when a beamline was looked at."""

    looked_s: float
    signature: Any
    """By which a change is noticed."""
    beamtime: Beamtime | None
    trouble: str = ""
    """Why it cannot be told which is current."""
    since_s: float = 0.0
    """Since when it cannot."""
    is_none: bool = False
    """Whether nothing says so, rather than too much or half of it."""


class BeamtimeFolders:
    """Says what clients mean by a beamtime and a beamline; may be used from several threads.

    Parameters
    ----------
    places
        Where to look.
    look_s
        For how long what was found current is believed without looking again.
    now_s
        Gives seconds that never go back.
    """

    def __init__(self, places: Places, *, look_s: float = 1.0, now_s: Callable[[], float] = monotonic) -> None:
        self._offline = places.offline_pattern
        self._online = places.online_pattern
        self._look_s = look_s
        self._now_s = now_s
        self._lock = Lock()
        self._known: dict[tuple[str, str], Beamtime] = {}
        self._seen: dict[str, _Seen] = {}

    @property
    def has_online(self) -> bool:
        """Whether there are folders of beamlines, so that raw data go there."""
        return self._online is not None

    def resolve(self, beamtime: str = AUTO, beamline: str = AUTO, kind: Kind = "processed") -> Beamtime:
        """Say which beamtime is meant, and where its files are now.

        For ``auto``, call this for every request and not only for the first: it follows when a beamline's current
        beamtime changes, at most ``look_s`` later, and costs a look into a table meanwhile.

        Trap: a beamtime nobody knows costs a walk through the folders of all; look at who asks before.

        Parameters
        ----------
        beamtime
            Its id; ``auto``, or nothing, is the current one of the beamline.
        beamline
            Its name, whatever its case; ``auto``, or nothing, is whichever it is.
        kind
            What is to be written there, if anything.

        Raises
        ------
        StreamError
            If both are ``auto``, or one is no name.
        BeamtimeError
            If there is no such beamtime, it is another beamline's, raw data are not taken for it now, or it cannot be
            told for a moment which is current.
        """
        beamline = "" if beamline in ("", AUTO) else _checked(beamline.lower(), "beamline")
        if beamtime in ("", AUTO):
            if not beamline:
                raise StreamError('beamtime and beamline are both "auto"; name one of them')
            found = self._current(beamline)
        else:
            check_beamtime_id(beamtime)
            found = self._with_online(self._of_id(beamtime, beamline), beamline, kind)
        if beamline and found.beamline and found.beamline != beamline:
            raise BeamtimeError(f"beamtime {found.id} is of beamline {found.beamline}, not {beamline}")
        root_of(found, kind, has_online=self.has_online)  # which says so if raw data are not taken
        return found

    def _of_id(self, beamtime: str, beamline: str) -> Beamtime:
        with self._lock:
            found = self._known.get((beamtime, beamline))
        if found is None:
            found = self._find(beamtime, beamline)
            with self._lock:
                if len(self._known) >= MOST_KNOWN:
                    self._known.clear()
                self._known[beamtime, beamline] = found
        return found

    def _find(self, beamtime: str, beamline: str) -> Beamtime:
        parts = self._offline.filled(beamtime=beamtime, beamline=beamline)
        if "{beamline}" not in self._offline.parts and None not in parts:
            return Beamtime(id=beamtime, offline=_joined(parts), is_made=True)
        paths = list(_matches(self._offline, parts))
        if not paths:
            raise BeamtimeError(f"no beamtime {beamtime} is known{f' at beamline {beamline}' if beamline else ''}")
        if len(paths) > 1:
            raise BeamtimeError(f"beamtime {beamtime} has more than one folder: {paths[0]} and {paths[1]}")
        return Beamtime(id=beamtime, beamline=self._offline.beamline_of(paths[0]).lower(), offline=paths[0])

    def _with_online(self, found: Beamtime, beamline: str, kind: Kind) -> Beamtime:
        """Add the online path, if a beamtime is the current one of its beamline."""
        beamline = found.beamline or beamline
        if self._online is None or ("{beamline}" in self._online.parts and not beamline):
            return found
        seen, error = self._looked(beamline, commissioning=found.id.startswith(_COMMISSIONING))
        current = seen.beamtime
        if current is None and kind == "raw" and not seen.is_none and error.is_passing:
            raise error  # it may be this one
        if current is None or current.id != found.id:
            return found
        return msgspec.structs.replace(
            found,
            online=current.online,
            said_in=current.said_in,
            beamline=found.beamline or current.beamline,
            metadata=current.metadata,
        )

    def _current(self, beamline: str) -> Beamtime:
        if self._online is None:
            raise BeamtimeError('no folders of beamlines are known here, so that none has a beamtime "auto"; name it')
        seen, error = self._looked(beamline, commissioning=False)
        if seen.beamtime is None:
            raise error
        return seen.beamtime

    def _looked(self, beamline: str, *, commissioning: bool) -> tuple[_Seen, BeamtimeError]:
        """Return what there is of a beamline, and the error to raise if that does not say which beamtime is current."""
        assert self._online is not None
        folder = _joined((*self._online.filled(beamline=beamline), "commissioning" if commissioning else "current"))
        with self._lock:
            seen = self._seen.get(folder)
        now_s = self._now_s()
        if seen is None or not now_s - seen.looked_s < self._look_s:
            seen = _look(folder, beamline, seen, now_s, commissioning=commissioning)  # several may look at once
            with self._lock:
                if len(self._seen) >= MOST_KNOWN:
                    self._seen.clear()
                self._seen[folder] = seen
        text = f"beamline {beamline} has no current beamtime that can be told: {seen.trouble}"
        return seen, BeamtimeError(text, is_passing=now_s - seen.since_s < PASSING_S)


def _look(folder: str, beamline: str, before: _Seen | None, now_s: float, *, commissioning: bool) -> _Seen:
    """Look which beamtime is current, and read its file if that has changed."""
    since_s = before.since_s if before is not None and before.trouble else now_s
    try:
        path, signature = _file_in(folder, commissioning=commissioning)
        if not path:
            return _Seen(now_s, None, None, f"{folder} has no file that says so", since_s, is_none=True)
        if before is not None and before.signature == signature and not before.trouble:
            return before._replace(looked_s=now_s)
        return _Seen(now_s, signature, _read(path, folder, beamline))
    except StreamError as error:  # half a file, while it is being written
        return _Seen(now_s, None, None, str(error), since_s)
    except OSError as error:
        is_none = isinstance(error, FileNotFoundError | NotADirectoryError)
        return _Seen(now_s, None, None, f"{folder}: {error.strerror}", since_s, is_none=is_none)


def _file_in(folder: str, *, commissioning: bool) -> tuple[str, Any]:
    """Return the one file that says which beamtime is current, and what it is like; an empty path for none."""
    names = sorted(
        name
        for name in os.listdir(folder)  # noqa: PTH208  # this is done again and again
        if is_beamtime_file(name, commissioning=commissioning)
    )
    if not names:
        return "", None
    if len(names) > 1:
        raise StreamError(f"{folder} has {len(names)} files that say so: {', '.join(names[:3])}")
    path = f"{folder}/{names[0]}"
    found = os.stat(path)  # noqa: PTH116  # likewise
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_FILE_BYTES:
        raise StreamError(f"{path}: it is no such file")
    return path, (names[0], found.st_ino, found.st_size, found.st_mtime_ns)


def _read(path: str, folder: str, beamline: str) -> Beamtime:
    with open(path, "rb") as file:  # noqa: PTH123  # as above
        said = BeamtimeFile.parse(file.read(MOST_FILE_BYTES), path)
    if not said.core_path:
        raise StreamError(f'{path}: it does not say where the beamtime has its folder; it has no "corePath"')
    if not said.beamline:
        raise StreamError(f'{path}: it has no "beamline"')
    if beamline and said.beamline != beamline:
        raise StreamError(f"{path}: it is of beamline {said.beamline}, not {beamline}")
    return Beamtime(
        id=said.id,
        beamline=said.beamline,
        offline=said.core_path,
        online=folder,
        said_in=path,
        metadata=said.metadata,
    )


def _matches(pattern: FolderPattern, parts: tuple[str | None, ...]) -> Iterator[str]:
    """Yield the folders that are there."""
    yield from (path for path in _below("", pattern, parts, 0) if os.path.isdir(path))  # noqa: PTH112


def _below(path: str, pattern: FolderPattern, parts: tuple[str | None, ...], depth: int) -> Iterator[str]:
    while depth < len(parts) and parts[depth] is not None:
        path, depth = f"{path}/{parts[depth]}", depth + 1
    if depth == len(parts):
        yield path
        return
    try:
        names = sorted(entry.name for entry in os.scandir(path or "/") if entry.is_dir())
    except OSError:  # it is not there, or not for us: nothing below it is known
        return
    for name in names:
        if pattern.may_be(depth, name):
            yield from _below(f"{path}/{name}", pattern, parts, depth + 1)


def _joined(parts: tuple[str | None, ...]) -> str:
    """Return a path all parts of which are known."""
    return "/" + "/".join(part for part in parts if part is not None)


def _checked(name: str, what: str) -> str:
    if name.startswith(".") or {"/", "\0"} & set(name) or len(name) > 100:
        raise StreamError(f"{name[:40]!r} is no {what}")
    return name
