"""In which order and when the records of several recordings are played."""

import heapq
from collections.abc import Iterable, Iterator, Sequence

from penstock.core.timestamp import NS_PER_S
from penstock.formats.recording import Record

__all__ = ["by_share", "by_time"]

Entry = tuple[float, int, Record]
"""When it is due, in s after the start; which recording; the record."""


def by_time(recordings: Sequence[Iterable[Record]]) -> Iterator[Entry]:
    """Merge timed recordings by the times of reception; a record without one follows the one before it."""
    zero: float | None = None
    for received_ns, track, _, record in heapq.merge(*(_timed(k, records) for k, records in enumerate(recordings))):
        zero = received_ns if zero is None else zero
        yield (received_ns - zero) / NS_PER_S, track, record


def by_share(recordings: Sequence[Iterable[Record]], lengths: Sequence[int], rate_hz: float | None) -> Iterator[Entry]:
    """Merge recordings so that after any time all have played the same share of themselves.

    Parameters
    ----------
    recordings
        The records of each.
    lengths
        How many there are of each; of a single one this is not looked at.
    rate_hz
        Records per second of the longest; ``None`` makes all due at once.
    """
    if len(recordings) == 1:
        for number, record in enumerate(recordings[0]):
            yield (number / rate_hz if rate_hz else 0.0), 0, record
        return
    tracks = (_shared(k, records, max(lengths[k], 1)) for k, records in enumerate(recordings))
    for share, track, _, record in heapq.merge(*tracks):
        yield (share * max(lengths) / rate_hz if rate_hz else 0.0), track, record


# In the tuples that are merged a running number stands before the record, so that records are never compared.


def _timed(track: int, records: Iterable[Record]) -> Iterator[tuple[float, int, int, Record]]:
    latest = 0
    for number, record in enumerate(records):
        latest = max(latest, record.received_ns or 0)
        yield latest, track, number, record


def _shared(track: int, records: Iterable[Record], length: int) -> Iterator[tuple[float, int, int, Record]]:
    for number, record in enumerate(records):
        yield number / length, track, number, record
