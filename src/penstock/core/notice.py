"""A notice: one line that a pipeline or user code raises while it runs, for people who look after it.

It is made and bounded here; who may raise how many, and where they go, is decided elsewhere.
"""

from collections.abc import Mapping
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Final

import msgspec

from penstock.core.timestamp import Timestamp

__all__ = ["Level", "Notice", "cut", "level_of", "plain_values"]

LONGEST_TEXT: Final = 2_000
"""Characters of a notice; what is longer is cut, and ends in an ellipsis."""
LONGEST_VALUE: Final = 200
MOST_VALUES: Final = 32


class Level(StrEnum):
    """How grave a notice is."""

    LOG = "log"
    """For whoever looks for the cause of something later."""
    INFO = "info"
    """Worth seeing now."""
    ALARM = "alarm"
    """Somebody has to do something."""

    @property
    def rank(self) -> int:
        """0 for the least grave."""
        return _RANKS[self]


_RANKS: Final = {level: rank for rank, level in enumerate(Level)}


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One line, and what it says in numbers."""

    text: str
    level: Level = Level.INFO
    source: str = ""
    """Who raised it: a worker as ``fit-0``, a stage, or what user code called itself."""
    code: int = 0
    """Of user code's own; 0 says nothing."""
    time_ns: int
    """Nanoseconds since 1970 UTC."""
    values: dict[str, Any] = {}
    """What JSON can hold."""
    times: int = 1
    """How often it was raised: several where the same came again and again."""

    @property
    def time(self) -> str:
        """ISO 8601, UTC, with nanoseconds."""
        return Timestamp(self.time_ns).isoformat()


def level_of(written: str) -> Level:
    """Return a level by its name.

    Raises
    ------
    ValueError
        If there is none of this name; the text lists those there are.
    """
    try:
        return Level(written)
    except ValueError:
        raise ValueError(f"{written!r} is no level of a notice; write {', '.join(Level)}") from None


def cut(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text of at most so many characters.

    >>> cut("a long story", 7)
    'a long…'
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:  # Any: whatever user code gives
    """Return values as JSON can hold them: numbers, booleans and texts as they are, all else as text, cut.

    >>> import numpy as np
    >>> plain_values({"rate": np.float32(2.5), "at": (1, 2), "ok": True})
    {'rate': 2.5, 'at': '(1, 2)', 'ok': True}
    """
    return {cut(name, LONGEST_VALUE): _plain(value) for name, value in list(values.items())[:MOST_VALUES]}


def _plain(value: Any) -> Any:
    if type(value) in (bool, float) or value is None:
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    if type(value) is str:
        return cut(value, LONGEST_VALUE)
    if isinstance(value, Integral) and -(1 << 63) <= int(value) < 1 << 63:  # of NumPy, too
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Integral):
        return float(value)
    try:
        return cut(str(value), LONGEST_VALUE)
    except Exception as error:  # noqa: BLE001 - user code's: a notice must not fail because of what it says
        return f"<{type(value).__name__}: {type(error).__name__}>"
