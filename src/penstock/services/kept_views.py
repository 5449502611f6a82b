"""Which of the slots that user code was lent it still holds views of: one of each pool is its right, more is named."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from penstock.elements.instance import Instance
from penstock.errors import UserCodeError
from penstock.services.line import Line, SlotName

__all__ = ["KeptViews"]

ALLOWED = 1
"""Slots of one pool: enough for what compares an event with the one before it."""


class KeptViews:
    """What the user code of one process has kept of what it was lent.

    Parameters
    ----------
    line
        Knows the pools.
    stage
        For the text of the error.
    things
        Returns the user code, to say where in it the views are.
    """

    def __init__(self, line: Line, stage: str, things: Callable[[], Collection[Instance]]) -> None:
        self._line = line
        self._stage = stage
        self._things = things
        self._held: set[SlotName] = set()
        """What was told to be held, and whose end was not."""

    def let_go(self) -> tuple[SlotName, ...]:
        """Return slots that were held and are no more."""
        if not self._held:
            return ()
        gone = self._held - set(self._line.kept(self._held))
        self._held -= gone
        return tuple(gone)

    def after(self, slots: Iterable[SlotName]) -> tuple[SlotName, ...]:
        """Return which of the slots of what was just worked on are held.

        Raises
        ------
        UserCodeError
            If more slots of a pool are held than are allowed, which would starve whoever writes it.
        """
        found = self._line.kept(slots)
        if not found:
            return ()
        held = self._held.union(found)
        pools = [name[0] for name in held]
        if any(pools.count(pool) > ALLOWED for pool in set(pools)):
            held = set(self._line.kept_for_sure(held))
            self._judge(held)
        new = tuple(name for name in found if name in held)
        self._held.update(new)  # what was told before stays in here until ``let_go`` has told its end
        return new

    def _judge(self, held: Collection[SlotName]) -> None:
        pools = [name[0] for name in held]
        for pool in sorted(set(pools)):
            if pools.count(pool) > ALLOWED:
                where = self._where(held) or "somewhere"
                text = (
                    f"stage {self._stage}: {self._names()} keeps arrays of {pools.count(pool)} blocks of {pool}, "
                    f"{where}; it may keep those of {ALLOWED}: keep copies instead, with array.copy()"
                )
                raise UserCodeError(text, stage=self._stage)

    def _names(self) -> str:
        return ", ".join(dict.fromkeys(thing.name for thing in self._things()))

    def _where(self, held: Collection[SlotName]) -> str:
        """Say in which attribute of the user's object a view is, if that is easily seen."""
        bases = {id(self._line.view(name).base) for name in held}
        for thing in self._things():
            for name, value in thing.attributes.items():
                if any(id(array.base) in bases for array in _arrays(value)):
                    return f"such as in self.{name}"
        return ""


def _arrays(value: Any, depth: int = 0) -> Iterable[np.ndarray[Any, Any]]:  # user code keeps what it likes
    if isinstance(value, np.ndarray):
        yield value
    elif depth < 2 and isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _arrays(item, depth + 1)
    elif depth < 2 and isinstance(value, dict):
        for item in value.values():
            yield from _arrays(item, depth + 1)
    elif depth < 2 and hasattr(value, "array"):
        yield from _arrays(value.array, depth + 1)
