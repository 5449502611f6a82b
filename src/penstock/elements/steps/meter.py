"""A value and its rate, live in the terminal."""

from typing import Any, Final

from penstock.elements.item_field import field_of, number_of
from penstock.elements.shown_rate import ShownRate, bar
from penstock.elements.terminal_display import TERMINAL

__all__ = ["Meter"]

_LOOKS: Final = 100
"""So many items are looked at as they pass between two times that it is shown."""
_NOTHING: Final = object()


class Meter:
    """Show the latest value of a field, and how fast items come, in the terminal, and pass every item on.

    It is shown ten times a second, and what nobody sees costs next to nothing. A first item without the field is an
    error; of later ones it is shown that they have no value. Where it is shown, also without a terminal, is said of the
    step ``progress``.

    Trap: of more than 1000 items a second, one that is no number and no dictionary is looked at up to 0.1 s later. If a
    step behind this one changes it in place, what is shown may be what it was changed to.

    ::

        stages:
          watch: {from: ring, steps: [{meter: {field: I0, unit: A, low: 0, high: 2}}]}

    >>> step = Meter("I0", unit="A", low=0, high=2)
    >>> step({"I0": 0.5})
    {'I0': 0.5}
    >>> step.text(0.0)
    '0.5 A  [#####---------------]'
    >>> step.close()

    Parameters
    ----------
    field
        Name of the field, such as ``I0`` or ``pseudo.x``; needless for plain numbers.
    unit
        Stands behind the value.
    label
        What stands before it; by default the field.
    low, high
        The ends of a bar; by default there is none.

    Raises
    ------
    ValueError
        If only one end is given, or they are not in order.
    """

    def __init__(
        self,
        field: str = "",
        unit: str = "",
        label: str = "",
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        if (low is None) is not (high is None):
            raise ValueError("a bar has two ends; write low and high, or neither")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"low is {low} and high {high}; write the smaller as low")
        self.label = label or field or "meter"
        self._field = field
        self._unit = f" {unit}" if unit else ""
        self._ends = (low, high) if low is not None and high is not None else None
        self._display = TERMINAL
        self._count = 0
        self._rate = ShownRate()
        self._value: float | None = None
        self._is_shown = False
        self._looks = _LOOKS
        self._last: Any = _NOTHING
        """What is left to look at when it is shown."""

    def __call__(self, item: Any) -> Any:
        """Return the item.

        Raises
        ------
        LookupError, ValueError
            If the first item lacks the field, or it is not one number.
        """
        self._count += 1
        if self._looks:
            self._look(item)
        elif type(item) is dict:
            self._last = item.get(self._field, item)
        else:
            self._last = item
        return item

    def text(self, now_s: float) -> str:
        """Return the value, and the rate."""
        self._look_at_last()
        self._looks = _LOOKS
        return "  ".join(filter(None, (self._said(), self._rate.seen(now_s, self._count))))

    def summary(self, now_s: float) -> str:  # noqa: ARG002 - a last value does not depend on the time
        """Return the last value, and how many items there were."""
        self._look_at_last()
        return f"{self._said()}  ({self._count} item{'s' if self._count != 1 else ''})"

    def close(self) -> None:
        """Leave the last value in the terminal, and show nothing any more."""
        self._display.remove(self)

    def _look(self, item: Any) -> None:
        self._looks = max(0, self._looks - 1)  # the display sets it anew at any time
        self._last = _NOTHING
        try:
            self._value = self._value_of(item)
        except (LookupError, ValueError):
            # Which items are looked at depends on the time; whether a run fails must not.
            if not self._is_shown:
                raise
            self._value = None
        if not self._is_shown:
            self._is_shown = True
            self._display.add(self)

    def _look_at_last(self) -> None:
        """Look, and let go of it: it may hold memory that others wait for."""
        last, self._last = self._last, _NOTHING
        if last is _NOTHING:
            return
        for read in (self._value_of, number_of):  # it is an item, or the field of one already
            try:
                self._value = read(last)
                return
            except (LookupError, ValueError):
                self._value = None

    def _value_of(self, item: Any) -> float:
        return number_of(field_of(item, self._field), self._field)

    def _said(self) -> str:
        value = self._value
        if value is None:
            return "no value"
        drawn = f"  {bar((value - self._ends[0]) / (self._ends[1] - self._ends[0]))}" if self._ends else ""
        return f"{value:.6g}{self._unit}{drawn}"
