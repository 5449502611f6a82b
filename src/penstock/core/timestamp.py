"""Time as the whole project means it: integer nanoseconds UTC, in a type that is not an int."""

from datetime import UTC, datetime
from typing import Self

import msgspec

__all__ = ["NS_PER_S", "Timestamp"]

NS_PER_S = 1_000_000_000


class Timestamp(msgspec.Struct, frozen=True, order=True):
    """One instant.

    >>> Timestamp.from_iso("2026-11-20T12:00:00.000000001Z").ns % 1000
    1
    >>> Timestamp(1_500_000_000) - Timestamp(1_000_000_000)
    0.5
    """

    ns: int
    """Nanoseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted."""

    @classmethod
    def from_iso(cls, text: str) -> Self:
        """Read ISO 8601 with any number of decimals; a time without a zone is taken as UTC."""
        whole, point, rest = text.strip().partition(".")
        if not point:
            instant = datetime.fromisoformat(whole)
            fraction_ns = 0
        else:
            digits = len(rest) - len(rest.lstrip("0123456789"))
            if not digits:
                raise ValueError(f"not a time: {text!r}; write one such as 2026-11-20T12:00:00.5Z")
            fraction_ns = int(rest[:digits][:9].ljust(9, "0"))
            instant = datetime.fromisoformat(whole + rest[digits:])
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        since = instant - datetime(1970, 1, 1, tzinfo=UTC)
        return cls((since.days * 86400 + since.seconds) * NS_PER_S + since.microseconds * 1000 + fraction_ns)

    def isoformat(self) -> str:
        """Write ISO 8601 with nine decimals and a Z."""
        seconds, fraction_ns = divmod(self.ns, NS_PER_S)
        instant = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
        return f"{instant.isoformat()}.{fraction_ns:09d}Z"

    def __sub__(self, other: "Timestamp") -> float:
        """Return the distance in seconds."""
        return (self.ns - other.ns) / NS_PER_S
