"""A window of routes turned into one share per worker: the rows it gets, and the parts of them.

Pure array work on bound routes; who is bound where is decided before.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from penstock.core.binding import UNBOUND
from penstock.core.block import Rows
from penstock.core.routes import ALL, NOWHERE, Routes

__all__ = ["NO_CONSTRAINT", "Share", "codes_of", "cut", "lowest", "with_code"]

NO_CONSTRAINT = int(np.iinfo(np.int64).max)


@dataclass(slots=True, kw_only=True, eq=False)
class Share:
    """What one worker gets of a window."""

    slot: int
    rows: Rows
    """Positions in the window."""
    size: int
    routes: Routes
    """(k, size), only the entries that led to this worker."""
    streams: NDArray[np.uint64] | None
    copies: NDArray[np.int32] | None
    lowest: int
    """The lowest constraint in here, which must not be forgotten yet."""


def codes_of(window: Routes, entries: NDArray[np.bool_]) -> list[int]:
    """Return the tag codes of some entries."""
    if window.tags_code is None or len(window.tag_sets) == 1:
        return [0] if entries.any() else []
    present = np.bincount(window.tags_code[entries], minlength=1)
    return [int(code) for code in np.flatnonzero(present)]


def with_code(window: Routes, entries: NDArray[np.bool_], code: int) -> NDArray[np.bool_]:
    """Return those of some entries that have this tag code."""
    if window.tags_code is None or len(window.tag_sets) == 1:
        return entries
    found: NDArray[np.bool_] = entries & (window.tags_code == code)
    return found


def cut(
    window: Routes, slots: NDArray[np.int32], receivers: Mapping[int, Collection[int]]
) -> tuple[list[Share], NDArray[np.int32] | None]:
    """Cut a window whose constraints are all bound.

    Parameters
    ----------
    window
        (k, m)
    slots
        (k, m), the slot of each constraint, ``UNBOUND`` for other entries.
    receivers
        Per tag code, the slots of the workers that have these tags.

    Returns
    -------
    tuple
        The shares, and (m,) how many workers each event goes to; ``None``: one each.
    """
    to_all = window.constraint == ALL
    if len(slots) == 1 and not to_all.any():
        return _cut_single(window, slots[0])
    return _cut_union(window, slots, {code: receivers[code] for code in codes_of(window, to_all)}, to_all)


def _cut_single(window: Routes, slots: NDArray[np.int32]) -> tuple[list[Share], NDArray[np.int32] | None]:
    """One entry an event, none for all: every event goes to one worker or nobody."""
    counts = np.bincount(slots + 1)
    shares = []
    for slot in (np.flatnonzero(counts[1:])).tolist():
        rows = _positions(slots == slot, int(counts[slot + 1]))
        shares.append(_share(window.take(rows), slot, rows, int(counts[slot + 1])))
    return shares, (slots != UNBOUND).astype(np.int32) if counts[0] else None


def _cut_union(
    window: Routes, slots: NDArray[np.int32], receivers: Mapping[int, Collection[int]], to_all: NDArray[np.bool_]
) -> tuple[list[Share], NDArray[np.int32]]:
    """Several entries an event: one delivery a worker, with the parts of all entries that name it."""
    deliveries = np.zeros(slots.shape[1], np.int32)
    bound = np.flatnonzero(np.bincount(slots.reshape(-1) + 1)[1:]).tolist()
    shares = []
    for slot in sorted({*bound, *(slot for group in receivers.values() for slot in group)}):
        named = slots == slot
        for code, group in receivers.items():
            if slot in group:
                named |= with_code(window, to_all, code)
        hit = named.any(0)
        size = int(np.count_nonzero(hit))
        if size:
            rows = _positions(hit, size)
            narrowed = replace(window, constraint=np.where(named, window.constraint, NOWHERE)).take(rows)
            copies = deliveries[rows].copy()
            shares.append(_share(narrowed, slot, rows, size, copies if copies.any() else None))
            deliveries += hit
    return shares, deliveries


def _share(routes: Routes, slot: int, rows: Rows, size: int, copies: NDArray[np.int32] | None = None) -> Share:
    return Share(
        slot=slot, rows=rows, size=size, routes=routes, streams=_streams(routes), copies=copies,
        lowest=lowest(routes.constraint),
    )  # fmt: skip


def _streams(routes: Routes) -> NDArray[np.uint64] | None:
    if routes.streams is None:
        return None
    streams = routes.streams
    if len(streams) == 1:
        mask = streams[0]
    else:
        mask = np.bitwise_or.reduce(np.where(routes.constraint == NOWHERE, np.uint64(0), streams), axis=0)
    return None if (mask == routes.whole).all() else mask


def lowest(constraint: NDArray[np.int64]) -> int:
    """Return the lowest constraint among entries, ``NO_CONSTRAINT`` if there is none."""
    least = int(constraint.min())
    if least >= 0:
        return least
    return int(np.where(constraint < 0, NO_CONSTRAINT, constraint).min())


def _positions(hit: NDArray[np.bool_], size: int) -> Rows:
    """Return where ``hit`` is true: a slice if that is one run."""
    first = int(hit.argmax())
    if hit[first : first + size].all():
        return slice(first, first + size)
    return np.flatnonzero(hit)
