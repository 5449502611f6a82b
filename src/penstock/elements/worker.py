"""The worker: one of the equal copies of a map stage's user code. It never sees another copy's events."""

from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.event import EventBatch
from penstock.elements.instance import Instance

__all__ = ["Worker"]

CallBatch = Callable[[EventBatch], Sequence[Any] | None]
"""Returns one value for each event, ``None`` where there is no result; or ``None`` for no results at all."""


class Worker(Instance):
    """A function ``f(event, …)``, or an object with ``process(event)`` and hooks.

    ``call`` returns the event's result, or ``None`` for none, which counts as filtered.
    """

    kind = "map"

    @property
    def call_batch(self) -> CallBatch | None:
        """The user's ``process_batch``, if there is one."""
        return self._method("process_batch")

    @property
    def thing(self) -> Any:  # whatever the user made
        """The function or object itself."""
        return self._thing
