"""Add the latest values of a slow stream to the items of another."""

from typing import Annotated, Any, Literal

from penstock.elements import clock
from penstock.elements.item_field import field_of, fields_of, with_field
from penstock.elements.item_time import interval_ns
from penstock.extra import extra

with extra("run"):
    from annotated_types import Gt

__all__ = ["Latest"]


class Latest:
    """Add to each item of one stream the latest value of others, which are merged with it.

    It reads a ``merge``. An item that has the field belongs to the slow stream: its value is kept, and it goes no
    further, which counts as filtered. Every other item gets the latest value, under the same name. A message stays a
    message; anything else becomes a dictionary of its fields.

    >>> latest = Latest("temperature")
    >>> latest({"temperature": 291.5})
    >>> latest({"frame": 1})
    {'frame': 1, 'temperature': 291.5}

    With ``by``, one stream brings many values, and says of each what it is called:

    >>> latest = Latest("value", by="pv")
    >>> latest({"pv": "T1", "value": 291.5}), latest({"pv": "p", "value": 1e-6})
    (None, None)
    >>> latest({"frame": 1})
    {'frame': 1, 'T1': 291.5, 'p': 1e-06}

    Parameters
    ----------
    field
        The field, or several, by whose presence items of the slow streams are known. With ``by``, only one.
    by
        The field that says what a value is called. Items that have it are the slow stream's.
    incomplete
        What becomes of an item while a value is lacking: ``pass`` with ``None`` in its place, or ``drop``. What ``by``
        will bring is not known beforehand, and lacks nothing.
    within_s
        After how many seconds a value is too old, and counts as lacking; never if this is left out.

    Raises
    ------
    ValueError
        If there is no field, or several beside ``by``.
    """

    def __init__(
        self,
        field: str | list[str],
        by: str = "",
        incomplete: Literal["pass", "drop"] = "pass",
        within_s: Annotated[float | None, Gt(0)] = None,
    ) -> None:
        self._names = [field] if isinstance(field, str) else list(field)
        if not all(self._names) or not self._names:
            raise ValueError("latest needs a field; write field: temperature")
        if by and len(self._names) != 1:
            raise ValueError(f"with by: {by} there is one field, which holds the value")
        if incomplete not in ("pass", "drop"):
            raise ValueError(f'incomplete is "{incomplete}"; write pass or drop')
        self._by = by
        self._drops = incomplete == "drop"
        self._within_ns = None if within_s is None else interval_ns("within_s", within_s)
        self._values: dict[str, Any] = {} if by else dict.fromkeys(self._names)
        self._came_ns: dict[str, int] = {}

    def __call__(self, item: Any) -> Any:
        """Return the item with the latest values; ``None`` for one that brings them."""
        there = item if type(item) is dict else fields_of(item)
        if self._by:
            if self._by in there:
                self._keep(str(there[self._by]), field_of(item, self._names[0]))
                return None
        elif brought := [name for name in self._names if name in there]:
            for name in brought:
                self._keep(name, there[name])
            return None
        if self._within_ns is not None:
            self._forget(clock.monotonic_ns() - self._within_ns)
        if self._drops and len(self._came_ns) < len(self._values):
            return None
        if type(item) is dict:
            return {**item, **self._values}
        for name, value in self._values.items():
            item = with_field(item, name, value)
        return item

    def _keep(self, name: str, value: Any) -> None:
        self._values[name] = value
        self._came_ns[name] = clock.monotonic_ns()

    def _forget(self, until_ns: int) -> None:
        for name in [name for name, came_ns in self._came_ns.items() if came_ns <= until_ns]:
            self._values[name] = None
            del self._came_ns[name]
