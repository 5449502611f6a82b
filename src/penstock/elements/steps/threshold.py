"""Let pass what is above or below a limit in one field; the rest is filtered."""

from typing import Annotated, Any

from penstock.elements.item_field import field_of, number_of

__all__ = ["Threshold"]


class Threshold:
    """Let pass items whose field lies above one limit, below the other, or between both.

    Limits themselves do not pass, and neither does NaN. A field that is not there is an error that lists those that
    are: a threshold that silently lets nothing pass would look like a lack of beam.

    >>> Threshold("I0", above=0)({"I0": 0.5})
    {'I0': 0.5}

    Parameters
    ----------
    field
        Name of the field, such as ``I0`` or ``pseudo.x``; needless for plain numbers.
    above
        What passes is greater.
    below
        What passes is less.

    Raises
    ------
    ValueError
        If there is no limit, or none can pass.
    """

    def __init__(
        self,
        field: str = "",
        *,
        above: Annotated[float | None, "what passes is greater"] = None,
        below: Annotated[float | None, "what passes is less"] = None,
    ) -> None:
        if above is None and below is None:
            raise ValueError("a threshold needs a limit; write above: 0, or below: 10")
        if above is not None and below is not None and above >= below:
            raise ValueError(f"nothing is above {above} and below {below}; swap them")
        self.field = field
        self.above = above
        self.below = below

    def __call__(self, item: Any) -> Any:
        """Return the item, or ``None``."""
        value = number_of(field_of(item, self.field), self.field)
        if value != value:  # NaN
            return None
        if self.above is not None and not value > self.above:
            return None
        return None if self.below is not None and not value < self.below else item
