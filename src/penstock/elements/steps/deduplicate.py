"""Let each value pass once."""

from collections import OrderedDict
from typing import Annotated, Any

from penstock.elements import clock
from penstock.elements.item_field import field_of
from penstock.elements.item_time import interval_ns
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["Deduplicate"]


class Deduplicate:
    """Let items pass whose number, name or other value has not passed before; the rest is filtered.

    What has passed is remembered, for as many values and as long as is asked for. What comes again after that passes
    again.

    >>> once = Deduplicate("id")
    >>> [item["id"] for item in ({"id": 1}, {"id": 2}, {"id": 1}) if once(item)]
    [1, 2]

    Parameters
    ----------
    by
        The field that tells items apart, such as ``key``; the item itself if this is left out.
    n
        How many values are remembered; the one that passed first is forgotten first.
    within_s
        How long a value is remembered after it passed, in s; without end if this is left out.

    Raises
    ------
    ValueError
        If ``n`` or ``within_s`` is not above 0.
    """

    def __init__(
        self,
        by: str = "",
        n: Annotated[int, Ge(1)] = 100_000,
        within_s: Annotated[float | None, Gt(0)] = None,
    ) -> None:
        if n < 1:
            raise ValueError(f"n is {n}; write 1 or more")
        self._by = by
        self._n = n
        self._within_ns = None if within_s is None else interval_ns("within_s", within_s)
        self._passed_ns: OrderedDict[Any, int] = OrderedDict()

    def __call__(self, item: Any) -> Any:
        """Return the item, or ``None``.

        Raises
        ------
        TypeError
            If the value cannot be remembered, such as a list or an array.
        """
        value = field_of(item, self._by) if self._by else item
        passed_ns = self._passed_ns
        now_ns = self._forget() if self._within_ns is not None else 0
        try:
            if value in passed_ns:
                return None
            passed_ns[value] = now_ns
        except TypeError as error:
            what = f'field "{self._by}"' if self._by else "an item"
            raise TypeError(
                f"{what} of type {type(value).__name__} cannot be told apart; use a number or a text"
            ) from error
        if len(passed_ns) > self._n:
            passed_ns.popitem(last=False)
        return item

    def _forget(self) -> int:
        """Forget what is too long ago, and return the time."""
        now_ns, passed_ns = clock.monotonic_ns(), self._passed_ns
        while passed_ns and now_ns - next(iter(passed_ns.values())) >= (self._within_ns or 0):
            passed_ns.popitem(last=False)
        return now_ns
