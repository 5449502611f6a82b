"""Which folders belong to a beamtime, and where in them a file may be: as at DESY, by rules, without looking at any.

A beamtime has a folder on the core file system, its *offline* path. While it is the current one of its beamline, it has
one there as well, its *online* path. Raw data go to the online one first, processed data to the offline one, each below
``raw/`` or ``processed/``. So the public sources of ASAPO have it (2021/22: ``server/authorize.go`` of the authoriser,
``file_processors`` of the receiver).
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, Self

import msgspec

from penstock.errors import BeamtimeError, StreamError

__all__ = ["DESY", "KINDS", "Beamtime", "FolderPattern", "Kind", "Places", "root_of", "wanted_path"]

Kind = Literal["raw", "processed"]
"""What a producer sends: what an instrument gave, or what somebody made of it."""
KINDS: Final[tuple[Kind, ...]] = ("raw", "processed")
MOST_NAME_BYTES: Final = 255
"""Of each part of a path: what file systems take."""
ANY: Final = "*"
_NO_BEAMLINES: Final = frozenset({"common", "BeamtimeUsers", "state", "support"})
"""Folders beside those of the beamlines, which ASAPO passes over as well."""


class FolderPattern(msgspec.Struct, frozen=True):
    """A path with places for the names of a beamtime and a beamline; each part is one of them, ``*``, or fixed.

    Examples
    --------
    >>> pattern = FolderPattern.parse("/asap3/*/gpfs/{beamline}/*/*/{beamtime}")
    >>> pattern.parts
    ('asap3', '*', 'gpfs', '{beamline}', '*', '*', '{beamtime}')
    >>> pattern.filled(beamtime="11001234", beamline="p07")
    ('asap3', None, 'gpfs', 'p07', None, None, '11001234')
    >>> pattern.beamline_of("/asap3/petra3/gpfs/p07/2026/data/11001234"), pattern.beamline_of("/asap3/elsewhere")
    ('p07', '')
    """

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern.

        Raises
        ------
        StreamError
            If it is no absolute path, leads upwards, or names something else.
        """
        if not text.startswith("/"):
            raise StreamError(f"{text!r} is no absolute path; begin it with a /")
        parts = tuple(part for part in text.split("/") if part)
        if not parts or {".", ".."} & set(parts) or "\0" in text:
            raise StreamError(f"{text!r} is no folder; write a path without any . or ..")
        for part in parts:
            if re.search(r"[*{}]", part) and part not in (ANY, "{beamtime}", "{beamline}"):
                raise StreamError(
                    f"{text!r}: what is {part!r}? a part is fixed, or one of *, {{beamline}}, {{beamtime}}"
                )
        for name in ("{beamtime}", "{beamline}"):
            if parts.count(name) > 1:
                raise StreamError(f"{text!r}: {name} is there twice; write * for the other")
        return cls(parts)

    def filled(self, *, beamtime: str = "", beamline: str = "") -> tuple[str | None, ...]:
        """Return the parts with the names that are known; ``None`` for those that are not."""
        names = {"{beamtime}": beamtime or None, "{beamline}": beamline or None, ANY: None}
        return tuple(names.get(part, part) for part in self.parts)

    def beamline_of(self, path: str) -> str:
        """Return which beamline a path that fits is of; empty if the pattern does not say, or does not fit."""
        found = tuple(part for part in path.split("/") if part)
        fits = len(found) == len(self.parts) and all(
            pattern[0] in "*{" or pattern == part for pattern, part in zip(self.parts, found, strict=True)
        )
        if not fits or "{beamline}" not in self.parts:
            return ""
        return found[self.parts.index("{beamline}")]

    def may_be(self, part: int, name: str) -> bool:
        """Tell whether a folder may be one of those that a part stands for."""
        return not name.startswith(".") and not (self.parts[part] == "{beamline}" and name in _NO_BEAMLINES)


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where a facility keeps the folders of its beamtimes, as patterns.

    Raises
    ------
    StreamError
        When it is made, if a pattern is none, or lacks what tells one beamtime or beamline from another.
    """

    offline: str
    """Of a beamtime's folder. Without ``*`` and ``{beamline}`` it is made with its first file, else it must exist."""
    online: str = ""
    """Of a beamline's folder, in which ``current/`` and ``commissioning/`` are; empty if there are none, and raw data
    go to the offline one."""

    def __post_init__(self) -> None:
        if "{beamtime}" not in self.offline_pattern.parts:
            raise StreamError(f"{self.offline!r}: all beamtimes would have one folder; write {{beamtime}} for its name")
        online = self.online_pattern
        if online is not None and {ANY, "{beamtime}"} & set(online.parts):
            raise StreamError(f"{self.online!r}: which folder is it? write {{beamline}} at most, no * or {{beamtime}}")

    @property
    def offline_pattern(self) -> FolderPattern:
        """Of a beamtime's folder."""
        return FolderPattern.parse(self.offline)

    @property
    def online_pattern(self) -> FolderPattern | None:
        """Of a beamline's folder."""
        return FolderPattern.parse(self.online) if self.online else None


DESY: Final = Places(offline="/asap3/*/gpfs/{beamline}/*/*/{beamtime}", online="/beamline/{beamline}")
"""As ASAPO's servers see the file systems there."""


class Beamtime(msgspec.Struct, frozen=True, kw_only=True):
    """A beamtime, and where its files are."""

    id: str
    beamline: str = ""
    """Lower case; empty if nobody says."""
    offline: str
    """Its folder; an absolute path."""
    online: str = ""
    """The folder at its beamline, while it is the current one there; empty if it is not."""
    said_in: str = ""
    """The file that says so; empty if it is not online."""
    is_made: bool = False
    """Whether the offline folder is made if it is not there."""
    metadata: Mapping[str, Any] = {}
    """What its own file says, if it has one."""

    def roots(self, kind: Kind) -> tuple[str, ...]:
        """Return the folders in which files of a kind may be, those first in which they are written first."""
        if not self.online:
            return (self.offline,)
        return (self.online, self.offline) if kind == "raw" else (self.offline, self.online)


def wanted_path(name: str, kind: Kind | None = None) -> tuple[str, ...]:
    """Split the path that a message asks for.

    Parameters
    ----------
    kind
        What it must be; ``None`` for either.

    Raises
    ------
    StreamError
        If it does not lie below the folder of its kind, or is no path of a file.

    Examples
    --------
    >>> wanted_path("raw/run 1/image_7.cbf", "raw")
    ('raw', 'run 1', 'image_7.cbf')
    """
    parts = tuple(name.split("/"))
    kinds = KINDS if kind is None else (kind,)
    if len(parts) < 2 or parts[0] not in kinds or {"", ".", ".."} & set(parts) or "\0" in name:
        said = " or ".join(f"{kind}/…" for kind in kinds)
        raise StreamError(f"{_short(name)} is no path of a file here; write {said}, without any . or ..")
    longest = max(len(part.encode(errors="surrogateescape")) for part in parts)
    if longest > MOST_NAME_BYTES:
        raise StreamError(f"{_short(name)}: a name in it takes {longest} bytes; at most {MOST_NAME_BYTES}")
    return parts


def root_of(beamtime: Beamtime, kind: Kind, *, to_offline: bool = False, has_online: bool = True) -> str:
    """Return the folder in which ``raw`` or ``processed`` of a new file lies.

    Parameters
    ----------
    to_offline
        Whether raw data are asked to go to the offline folder at once.
    has_online
        Whether the facility has online folders at all.

    Raises
    ------
    BeamtimeError
        If raw data belong to the online folder, and the beamtime has none now.
    """
    if kind == "processed" or to_offline or not has_online:
        return beamtime.offline
    if not beamtime.online:
        raise BeamtimeError(f"beamtime {beamtime.id} is not online; raw data are taken for a beamline's current one")
    return beamtime.online


def _short(name: str) -> str:
    return repr(name) if len(name) <= 200 else f"{name[:200]!r}…"
