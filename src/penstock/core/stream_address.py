"""The address of a durable stream: ``beamtime/source/stream``, names of any characters."""

from typing import Self
from urllib.parse import quote, unquote

import msgspec

from penstock.errors import StreamError

__all__ = ["StreamAddress"]

MOST_BYTES = 200
"""Of a name when it is encoded: file systems take names of 255 bytes, and something may be appended."""
PLAIN = "-_. "
"""What stays readable in an encoded name, beside letters and digits."""


class StreamAddress(msgspec.Struct, frozen=True, order=True, omit_defaults=True):
    """Where messages of one stream are found; without a stream the address of a source, without a source of a beamtime.

    Examples
    --------
    >>> StreamAddress.parse("c20261120/eiger/run 7")
    StreamAddress('c20261120/eiger/run 7')
    >>> str(StreamAddress("c20261120", "eiger", "a/b"))
    'c20261120/eiger/a%2Fb'
    """

    beamtime: str
    source: str = ""
    stream: str = ""

    def __post_init__(self) -> None:
        for what, name in (("beamtime", self.beamtime), ("source", self.source), ("stream", self.stream)):
            if len(encoded_name(name)) > MOST_BYTES:
                raise StreamError(f"{what} {name[:40]!r}… takes {len(encoded_name(name))} bytes; at most {MOST_BYTES}")
        if not self.beamtime or (self.stream and not self.source):
            raise StreamError(f"{self._written()!r} is no address; write beamtime/source/stream")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as ``str`` writes it.

        Raises
        ------
        StreamError
            If it is none.
        """
        try:
            names = [unquote(name, errors="strict") for name in text.split("/")]
        except UnicodeDecodeError:
            raise StreamError(f"{text!r} is no address: what follows a % in it is no text; write %25 for a %") from None
        if not text or len(names) > 3 or not all(names):
            raise StreamError(f"{text!r} is no address; write beamtime/source/stream, and %2F for a / within a name")
        return cls(*names)

    @property
    def is_stream(self) -> bool:
        """Whether it names a stream, not a source or beamtime."""
        return bool(self.stream)

    @property
    def parent(self) -> "StreamAddress":
        """The source of a stream, the beamtime of a source."""
        return StreamAddress(self.beamtime, self.source if self.stream else "")

    @property
    def folders(self) -> tuple[str, ...]:
        """Its names as names of folders."""
        return tuple(encoded_name(name) for name in (self.beamtime, self.source, self.stream) if name)

    def __contains__(self, other: object) -> bool:
        """Whether another address is this one or lies below it."""
        if not isinstance(other, StreamAddress):
            return False
        mine = (self.beamtime, self.source, self.stream)
        theirs = (other.beamtime, other.source, other.stream)
        return all(name in ("", its) for name, its in zip(mine, theirs, strict=True))

    def __str__(self) -> str:
        return self._written()

    def __repr__(self) -> str:
        return f"StreamAddress({self._written()!r})"

    def _written(self) -> str:
        names = (self.beamtime, self.source, self.stream)
        return "/".join(name.replace("%", "%25").replace("/", "%2F") for name in names if name)


def encoded_name(name: str) -> str:
    """Return a name that every file system takes, and that no other name gives.

    Examples
    --------
    >>> encoded_name("run 7"), encoded_name("../Ä"), encoded_name(".")
    ('run 7', '%2E.%2F%C3%84', '%2E')
    """
    quoted = quote(name, safe=PLAIN)
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
