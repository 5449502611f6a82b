"""A user's Reducer class as a reducer of ours: one ``process_result`` a result, in the order of the events.

Its ``publish`` dictionary is what the stage publishes: a dictionary is a branch, anything else a view. Attributes, in
dictionaries that are named ``<name>_attrs`` or ``_attrs``, are branches beside what they are of.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from inspect import Parameter as Argument
from typing import Any

import numpy as np

from penstock.compat.dranspose.adapted import Adapted, build_meta, with_signature
from penstock.compat.dranspose.payload import unpacked
from penstock.compat.dranspose.served.event import ResultData
from penstock.compat.dranspose.served.protocol import HashDigest, ReducerState
from penstock.core.timestamp import NS_PER_S, Timestamp
from penstock.core.values import check_value
from penstock.errors import ResultTypeError
from penstock.views import ArrayView

__all__ = ["AdaptedReducer", "published", "reducer_of"]

LOOK_S = 0.05
"""How often it is looked whether ``timer`` is due."""


class AdaptedReducer(Adapted):
    """Give results to a user's Reducer, and publish what it publishes."""

    ticking = "timer"
    tick_s = LOOK_S

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__(given)
        self.make(ReducerState(mapreduce_version=build_meta(), parameters_hash=HashDigest(self.hash)))
        self._due_ns = 0

    @staticmethod
    def arguments() -> list[Argument]:
        """Return what it takes beside parameters."""
        return []

    def reduce(self, value: Any) -> None:
        """Have one result worked on."""
        number, worker, digest, payload = value
        result = ResultData(event_number=number, worker=worker, parameters_hash=digest, payload=unpacked(payload))
        self._user.process_result(result, self.parameters)

    @property
    def views(self) -> dict[str, Any]:
        """What the user's object publishes."""
        with getattr(self._user, "publish_rlock", None) or nullcontext():
            return published(getattr(self._user, "publish", {}))

    def tick(self, now: Timestamp) -> None:
        """Call ``timer`` when it is due; it says when it wants to be called again."""
        if now.ns >= self._due_ns:
            delay_s = self._user.timer(self.parameters)
            self._due_ns = now.ns + round((1.0 if delay_s is None else float(delay_s)) * NS_PER_S)

    def close(self) -> None:
        """End the scan."""
        self._finish()


@cache
def reducer_of(user: type) -> type:
    """Return the class that keeps a user's Reducer."""
    return with_signature(AdaptedReducer, user)


def published(tree: Any) -> dict[str, Any]:  # whatever a user's Reducer publishes
    """Return a tree with what can be published of it; the user's own is not kept.

    Left out are names that are no text, are empty or hold a slash, and values that are neither numbers, text, arrays
    nor lists of equal lengths.

    >>> published({"map": {"x": [1.0, 2.0], 3: "?", "call": print}, "map_attrs": {"NX_class": "NXdata"}})
    {'map': {'x': [1.0, 2.0]}, 'map_attrs': {'NX_class': 'NXdata'}}
    """
    if not isinstance(tree, Mapping):
        return {}
    found: dict[str, Any] = {}
    for name, value in list(tree.items()):
        if type(name) is not str or not name or "/" in name:
            continue
        if isinstance(value, Mapping):
            found[name] = published(value)
        elif _can_be_shown(value):
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def _can_be_shown(value: Any) -> bool:
    if value is None:
        return False
    if isinstance(value, np.ndarray | ArrayView):
        return not value.dtype.hasobject
    try:
        check_value(value, "publish")
        if isinstance(value, list | tuple):
            return not np.asarray(value).dtype.hasobject
    except (ResultTypeError, ValueError):
        return False
    return not isinstance(value, set | frozenset)
