"""Who gets a fresh constraint: contiguous runs, one idle worker after the other, as much as each wants.

Runs, not round robin, so that what a worker gets stays one slice of the block and is never copied.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.core.binding import Binding
from penstock.core.route_window import codes_of, with_code
from penstock.core.routes import ALL, Routes

__all__ = ["bind", "first_blocked"]

Room = Sequence[tuple[int, int]]
"""(slot, rows wanted)"""


def first_blocked(
    window: Routes, slots: NDArray[np.int32], room: Callable[[int], Room], may_go_to_all: Callable[[int], bool]
) -> int:
    """Return the position of the first event that cannot go anywhere now, the window's length if all can."""
    first = len(window)
    fresh = _fresh(window, slots)
    for code in codes_of(window, fresh):
        wanted = sum(rows for _, rows in room(code))
        asking = with_code(window, fresh, code).any(0)
        if wanted < len(window) and int(np.count_nonzero(asking)) > wanted:
            first = min(first, int(np.flatnonzero(asking)[wanted]))
    to_all = window.constraint == ALL
    for code in codes_of(window, to_all):
        if not may_go_to_all(code):
            first = min(first, int(with_code(window, to_all, code).any(0).argmax()))
    return first


def bind(window: Routes, slots: NDArray[np.int32], binding: Binding, room: Callable[[int], Room]) -> NDArray[np.int32]:
    """Bind what is fresh in a window; return (k, m) slots."""
    fresh = _fresh(window, slots)
    if not fresh.any():
        return slots
    flat = window.constraint.T[fresh.T]  # event after event, so that runs of events stay together
    first, rows = _first_seen(flat)
    codes = np.zeros(len(first), np.int16) if window.tags_code is None else window.tags_code.T[fresh.T][first]
    chosen = np.empty(len(first), np.int32)
    for code in np.flatnonzero(np.bincount(codes)).tolist():
        mine = codes == code
        chosen[mine] = _runs(rows[mine], room(code))
    binding.add(flat[first], chosen)
    if len(first) == slots.size:
        return chosen.reshape(slots.shape[1], slots.shape[0]).T
    return binding.find(window.constraint)


def _fresh(window: Routes, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
    fresh: NDArray[np.bool_] = (window.constraint >= 0) & (slots < 0)
    return fresh


def _first_seen(flat: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each constraint is seen first, in this order, and how often each is seen."""
    step = flat[1:] - flat[:-1]
    if not len(step) or step.min() > 0:
        return np.arange(len(flat)), np.ones(len(flat), np.intp)
    if step.min() == 0:
        first = np.concatenate([[0], np.flatnonzero(step) + 1])
        return first, np.diff(first, append=len(flat))
    _, first, rows = np.unique(flat, return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order], rows[order]


def _runs(rows: NDArray[np.intp], room: Room) -> NDArray[np.int32]:
    """Fill one worker after the other with what it wants; a constraint goes where its middle row falls.

    Constraints that come again, even within this window, stay where they are put: they are spread over all, however
    much the first of them wants now.
    """
    if len(room) == 1:
        return np.full(len(rows), room[0][0], np.int32)
    middle = np.cumsum(rows) - rows / 2
    if rows.max() > 1:
        at = (middle * len(room) / rows.sum()).astype(np.intp)
    else:
        wanted = np.cumsum([size for _, size in room])
        at = np.minimum(np.searchsorted(wanted, middle, side="right"), len(room) - 1)
    chosen: NDArray[np.int32] = np.array([slot for slot, _ in room], np.int32)[at]
    return chosen
