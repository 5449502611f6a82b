"""Files that lie compressed beside themselves: ``x.js.gz`` beside ``x.js``, made when the page is built."""

from typing import Any, Final

__all__ = ["content_of", "takes_gzip"]

PACKED: Final = ".gz"


def content_of(folder: Any, name: str, accepted: str) -> tuple[bytes, dict[str, str]]:
    """Return a file for who accepts these encodings, and the headers that say how it is encoded.

    Parameters
    ----------
    folder
        Where the file is: a path, or what ``importlib.resources`` gives in its place.
    accepted
        The header ``Accept-Encoding``; empty: none.
    """
    varies = {"Vary": "Accept-Encoding"}
    packed = folder.joinpath(name + PACKED)
    if takes_gzip(accepted) and packed.is_file():
        return packed.read_bytes(), {**varies, "Content-Encoding": "gzip"}
    return folder.joinpath(name).read_bytes(), varies


def takes_gzip(accepted: str) -> bool:
    """Return whether gzip is accepted, by a header ``Accept-Encoding`` (RFC 9110, 12.5.3).

    >>> [takes_gzip(each) for each in ("gzip, deflate, br", "br;q=1.0, GZIP;q=0.5", "gzip;q=0", "br", "")]
    [True, True, False, False, False]
    """
    for each in accepted.lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
