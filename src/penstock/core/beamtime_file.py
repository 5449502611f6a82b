"""The file in which DESY says which beamtime a folder belongs to: ``beamtime-metadata-*.json``, and the like.

The keys are those that ASAPO's authoriser reads (its public sources of 2021/22, ``server/authorize.go``) and that its
example files have: older ones write ``core-path``, newer ones ``corePath``.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from penstock.errors import StreamError

__all__ = ["BeamtimeFile", "check_beamtime_id", "is_beamtime_file"]

BEGINNINGS: Final = ("beamtime-metadata-", "commissioning-metadata-")
MOST_ID_BYTES: Final = 200
_IDS: Final = ("beamtimeId", "id")  # the second, of a commissioning
_PATHS: Final = ("corePath", "core-path")


def is_beamtime_file(name: str, *, commissioning: bool | None = None) -> bool:
    """Tell by its name whether a file says which beamtime it is; of one kind only, if one is asked for.

    >>> is_beamtime_file("beamtime-metadata-11001234.json"), is_beamtime_file("notes.json")
    (True, False)
    """
    wanted = BEGINNINGS if commissioning is None else BEGINNINGS[commissioning]
    return name.startswith(wanted) and name.endswith(".json")


def check_beamtime_id(beamtime: str) -> None:
    """Make sure that a beamtime's id can be the name of a folder.

    Raises
    ------
    StreamError
        If it cannot.
    """
    is_name = beamtime and not beamtime.startswith(".") and not {"/", "\0"} & set(beamtime)
    if not is_name or len(beamtime.encode(errors="surrogatepass")) > MOST_ID_BYTES:
        raise StreamError(f"{beamtime[:40]!r} is no beamtime; write an id such as 11001234, without / or a leading dot")


class BeamtimeFile(msgspec.Struct, frozen=True, kw_only=True):
    """What such a file says."""

    id: str
    beamline: str = ""
    """Lower case; empty if the file does not say."""
    core_path: str = ""
    """The beamtime's folder on the core file system; empty if the file does not say."""
    metadata: Mapping[str, Any] = {}
    """All of it."""

    @classmethod
    def parse(cls, text: bytes, where: str) -> Self:
        """Read a file.

        Parameters
        ----------
        where
            What the file is called, for errors.

        Raises
        ------
        StreamError
            If it is no JSON object, half of one, or does not say which beamtime it is.
        """
        try:
            found = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise StreamError(f"{where}: no JSON: {error}") from error
        if not isinstance(found, dict):
            raise StreamError(f"{where}: no JSON object")
        beamtime = _text(found, _IDS, where)
        if not beamtime:
            raise StreamError(f'{where}: it does not say which beamtime it is; it has no "{_IDS[0]}"')
        check_beamtime_id(beamtime)
        path = _text(found, _PATHS, where)
        if path and (not path.startswith("/") or ".." in path.split("/") or "\0" in path):
            raise StreamError(f'{where}: "{_PATHS[0]}" is {path!r}, no absolute path')
        beamline = _text(found, ("beamline",), where).lower()
        return cls(id=beamtime, beamline=beamline, core_path=path.rstrip("/"), metadata=found)


def _text(found: Mapping[str, Any], keys: tuple[str, ...], where: str) -> str:
    """Return the first of some values that is there; ids are also written as numbers."""
    value = next((found[key] for key in keys if found.get(key) is not None), "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise StreamError(f'{where}: "{keys[0]}" is no text')
    return str(value)
