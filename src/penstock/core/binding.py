"""The binding of constraints to workers: equal constraint, same worker, for as long as the constraint lives.

A sorted column of constraints beside a column of worker slots. Which worker a fresh constraint gets is decided
elsewhere.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNBOUND", "Binding"]

UNBOUND: Final = -1
Slots = NDArray[np.int32]


class Binding:
    """Constraint → slot, for constraints 0 and above; dense and ascending ones are looked up without a search."""

    def __init__(self) -> None:
        self._keys: NDArray[np.int64] = np.empty(1024, np.int64)
        self._slots: Slots = np.empty(1024, np.int32)
        self._start = self._stop = 0

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def keys(self) -> NDArray[np.int64]:
        """All bound constraints, ascending."""
        return self._keys[self._start : self._stop]

    @property
    def slots(self) -> Slots:
        """Their slots."""
        return self._slots[self._start : self._stop]

    def find(self, constraint: NDArray[np.int64]) -> Slots:
        """Return the slot of each constraint, ``UNBOUND`` for those without; any shape."""
        keys, slots = self.keys, self.slots
        if not len(keys) or not constraint.size or constraint.min() > keys[-1]:
            return np.full(constraint.shape, UNBOUND, np.int32)
        first, last = int(keys[0]), int(keys[-1])
        if last - first == len(keys) - 1:  # dense: the position is the difference
            if constraint.min() >= first and constraint.max() <= last:
                return slots[constraint - first]
            found = slots[np.clip(constraint, first, last) - first]
            return np.where((constraint < first) | (constraint > last), np.int32(UNBOUND), found)
        at = np.minimum(np.searchsorted(keys, constraint), len(keys) - 1)
        return np.where(keys[at] == constraint, slots[at], np.int32(UNBOUND))

    def add(self, constraint: NDArray[np.int64], slots: Slots) -> None:
        """Bind constraints, all different and none of them bound."""
        if not len(constraint):
            return
        if len(constraint) > 1 and not (constraint[1:] > constraint[:-1]).all():
            order = np.argsort(constraint, kind="stable")
            constraint, slots = constraint[order], slots[order]
        if len(self) and constraint[0] < self._keys[self._stop - 1]:
            at = np.searchsorted(self.keys, constraint)
            self._replace(np.insert(self.keys, at, constraint), np.insert(self.slots, at, slots))
            return
        self._reserve(len(constraint))
        stop = self._stop + len(constraint)
        self._keys[self._stop : stop] = constraint
        self._slots[self._stop : stop] = slots
        self._stop = stop

    def free(self, slot: int) -> NDArray[np.int64]:
        """Unbind and return, ascending, the constraints of a slot."""
        gone = self.slots == slot
        freed: NDArray[np.int64] = self.keys[gone]
        self._replace(self.keys[~gone], self.slots[~gone])
        return freed

    def forget(self, horizon: int, keep: NDArray[np.int64]) -> None:
        """Drop all constraints below ``horizon`` but those in ``keep``."""
        old = int(np.searchsorted(self.keys, horizon))
        kept = np.flatnonzero(np.isin(self.keys[:old], keep)) if len(keep) else keep
        keys, slots = self.keys[kept], self.slots[kept]
        self._start += old
        if len(keys):
            self._replace(np.concatenate([keys, self.keys]), np.concatenate([slots, self.slots]))

    def _reserve(self, more: int) -> None:
        if self._stop + more > len(self._keys):  # forgotten ones in front are left behind
            capacity = max(1024, 2 * (len(self) + more))
            self._replace(self.keys, self.slots, capacity)

    def _replace(self, keys: NDArray[np.int64], slots: Slots, capacity: int = 0) -> None:
        n = len(keys)
        new_keys, new_slots = np.empty(max(n, capacity, 1024), np.int64), np.empty(max(n, capacity, 1024), np.int32)
        new_keys[:n], new_slots[:n] = keys, slots
        self._keys, self._slots, self._start, self._stop = new_keys, new_slots, 0, n
