"""Values of parameters as they are by now, and what each worker of a parallel stage has been told of them."""

from collections.abc import Callable, Mapping
from typing import Any

from penstock.services.strands.desk import Desk

__all__ = ["ToldValues"]


class ToldValues:
    """Values that are not the first ones, by address.

    Parameters
    ----------
    wake
        Called, in whatever thread, when they have changed.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._values: Mapping[str, Any] = {}
        self._wake = wake

    def change(self, values: Mapping[str, Any]) -> None:
        """Note other values, from whatever thread."""
        self._values = {**self._values, **values}
        self._wake()

    def tell(self, desk: Desk) -> None:
        """Have a worker use what it does not know yet."""
        values = self._values
        if desk.known is not values:
            known, desk.known = desk.known, values
            if changed := {a: value for a, value in values.items() if a not in known or known[a] is not value}:
                desk.hand.apply(changed)
