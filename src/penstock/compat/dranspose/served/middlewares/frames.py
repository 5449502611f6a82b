"""What every ``parse`` looks at first."""

from typing import Any

from penstock.compat.dranspose.served.event import StreamData, as_bytes, buffer_of
from penstock.core.unpickle import unpickle

__all__ = ["check", "json_of", "plain_of", "raw_of"]


def check(data: StreamData, typ: str, *counts: int) -> None:
    """Make sure that a stream is of this kind, and has one of these numbers of frames.

    Raises
    ------
    ValueError
        If not.
    """
    if data.typ != typ:
        raise ValueError(
            f"a stream of typ {data.typ!r} is given to parse for {typ!r}; import the parse of its instrument"
        )
    if counts and data.length not in counts:
        raise ValueError(f"{typ}: {data.length} frames; {' or '.join(map(str, counts))} would be right")


def json_of(frame: Any) -> bytes:  # any frame
    """Return a header as JSON text."""
    return as_bytes(frame)


def raw_of(frame: Any) -> memoryview:  # any frame
    """Return a frame's bytes without a copy."""
    return buffer_of(frame)


def plain_of(frame: Any) -> Any:  # any frame; plain values and arrays
    """Return what an instrument has pickled; nothing in it is ever called."""
    return unpickle(buffer_of(frame))
