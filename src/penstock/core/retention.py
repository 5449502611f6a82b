"""Which of the oldest pieces of a stream are too much: by age, size and count, and what a pinned group holds.

A piece is what is removed as a whole: a segment of a folder, a block in memory. Numbers only; nothing is removed here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from penstock.core.id_ranges import Range, count, joined, split
from penstock.core.id_set import LARGEST_ID
from penstock.core.stream_address import StreamAddress
from penstock.errors import StreamError

__all__ = [
    "ENDING",
    "EVERYTHING",
    "Hold",
    "Piece",
    "Retained",
    "Retention",
    "removals",
    "retained_address",
    "retention_address",
]

ENDING: Final = " [retention]"
EVERYTHING: list[Range] = [(1, LARGEST_ID)]
"""What a pinned group has not acknowledged that is not there yet."""


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a stream is kept. Pieces are removed, oldest first, as long as one of the limits is exceeded.

    Raises
    ------
    StreamError
        If a limit is negative or no number.
    """

    age_s: float | None = None
    """A piece goes when its newest message was appended longer ago than this."""
    nbytes: int | None = None
    """Pieces go until the stream takes no more."""
    count: int | None = None
    """A piece goes when as many messages as this follow it."""
    even_unread: bool = False
    """Whether a piece goes also if a pinned group has not acknowledged all of it."""

    def __post_init__(self) -> None:
        for name in ("age_s", "nbytes", "count"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1 << 63:
                raise StreamError(f"{name}={value} is no limit of what is kept; write a number from 0 on, or none")

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit; if not, everything is kept."""
        return not (self.age_s is None and self.nbytes is None and self.count is None)

    @classmethod
    def of(cls, said: Mapping[str, Any], where: object) -> "Retention":
        """Read what was said of a stream or source; raises `StreamError` if it is no such thing."""
        try:
            return msgspec.convert(said, cls)
        except msgspec.ValidationError as error:
            raise StreamError(f"{where}: what is said of its retention cannot be read: {error}") from error


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What is removed as a whole."""

    number: int
    """By which the caller knows it."""
    messages: int
    nbytes: int
    newest_ns: int
    """When its latest message was appended."""
    end: int
    """The position behind its last message."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A pinned group for which something stays that is too much."""

    group: str
    messages: int
    """That it has not acknowledged, in the whole stream."""
    first_id: int
    """The smallest of these."""

    def __str__(self) -> str:
        if self.messages > LARGEST_ID // 2:
            return f"the pinned group {self.group!r} has acknowledged nothing yet"
        return f"the pinned group {self.group!r} has yet to acknowledge {self.messages:,}, the first {self.first_id:,}"


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """What retention has done, and what it could not."""

    messages: int = 0
    """Removed."""
    nbytes: int = 0
    """Removed."""
    unread: int = 0
    """Of the messages removed, those that a pinned group had not acknowledged."""
    held_bytes: int = 0
    """What is too much, and stays."""
    held_by: tuple[Hold, ...] = ()
    """For whom."""

    def __str__(self) -> str:
        unread = f", {self.unread:,} of them unread by a pinned group" if self.unread else ""
        said = [f"{self.messages:,} messages removed, {self.nbytes:,} bytes{unread}"] if self.messages else []
        if self.held_by:
            who = "; ".join(map(str, self.held_by))
            said.append(f"{self.held_bytes:,} bytes more than is to be kept stay, as {who}")
        return "; ".join(said) or "nothing was too much"


def removals(
    pieces: Sequence[Piece],
    retention: Retention,
    now_ns: int,
    *,
    ids_of: Callable[[int], Sequence[Range]],
    unread: Callable[[], Mapping[str, Sequence[Range]]],
    is_growing: bool = False,
    keep: int | None = None,
) -> tuple[list[int], Retained]:
    """Return the numbers of the pieces to be removed, and what that means.

    Parameters
    ----------
    pieces
        All there are, the oldest first.
    ids_of
        Returns the ids of a piece, ascending; asked only of pieces that are too much, if there is a pinned group.
    unread
        Returns what each pinned group has not acknowledged, ascending; asked only if something is too much.
    is_growing
        Whether somebody appends to the last piece, which then counts and stays.
    keep
        Messages of this position and later stay, whatever else is said.
    """
    excess = [
        piece
        for piece in _exceeding(pieces, retention, now_ns, keep)
        if not (is_growing and piece.number == pieces[-1].number)
    ]
    owed = {name: ranges for name, ranges in unread().items() if ranges} if excess else {}
    gone: list[Piece] = []
    lost = 0
    for piece in excess:
        ids = ids_of(piece.number) if owed else []
        missed = {name: found for name, ranges in owed.items() if (found := split(ids, ranges)[1])}
        if missed and not retention.even_unread:
            rest = sum(each.nbytes for each in excess[len(gone) :])
            return _removed(gone, lost, rest, [_hold(name, owed[name]) for name in sorted(missed)])
        lost += count(joined(*missed.values()))
        gone.append(piece)
    return _removed(gone, lost, 0, [])


def _removed(gone: list[Piece], lost: int, rest: int, holds: list[Hold]) -> tuple[list[int], Retained]:
    return [piece.number for piece in gone], Retained(
        messages=sum(piece.messages for piece in gone),
        nbytes=sum(piece.nbytes for piece in gone),
        unread=lost,
        held_bytes=rest,
        held_by=tuple(holds),
    )


def _hold(name: str, ranges: Sequence[Range]) -> Hold:
    return Hold(group=name, messages=count(ranges), first_id=ranges[0][0])


def _exceeding(pieces: Sequence[Piece], retention: Retention, now_ns: int, keep: int | None) -> Iterator[Piece]:
    nbytes, messages = sum(piece.nbytes for piece in pieces), sum(piece.messages for piece in pieces)
    before_ns = None if retention.age_s is None else now_ns - int(retention.age_s * 1e9)
    for piece in pieces:
        if keep is not None and piece.end > keep:
            return
        is_old = before_ns is not None and piece.newest_ns < before_ns
        is_too_much = retention.nbytes is not None and nbytes > retention.nbytes
        is_enough = retention.count is not None and messages - piece.messages >= retention.count
        if not (is_old or is_too_much or is_enough):
            return
        nbytes -= piece.nbytes
        messages -= piece.messages
        yield piece


def retention_address(address: StreamAddress) -> StreamAddress:
    """Return where it is said, as metadata, what of a stream or of the streams of a source is kept, and for whom.

    Raises
    ------
    StreamError
        If the address is that of a beamtime, or the name of the stream is too long to have anything behind it.

    Examples
    --------
    >>> retention_address(StreamAddress("c2026", "eiger", "run 7"))
    StreamAddress('c2026/eiger/run 7 [retention]')
    """
    if not address.source:
        raise StreamError(f"{address} is a beamtime; retention is that of a source or stream")
    return StreamAddress(address.beamtime, address.source, f"{address.stream}{ENDING}")


def retained_address(address: StreamAddress) -> StreamAddress | None:
    """Return whose retention is said at an address; ``None`` if it is not one where that is done.

    Examples
    --------
    >>> retained_address(retention_address(StreamAddress("c2026", "eiger")))
    StreamAddress('c2026/eiger')
    """
    if not address.stream.endswith(ENDING):
        return None
    return StreamAddress(address.beamtime, address.source, address.stream.removesuffix(ENDING))
