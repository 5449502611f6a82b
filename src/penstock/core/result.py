"""The result: what a worker returned for one event, with what is needed to place and to repeat it."""

from typing import Any

import msgspec

__all__ = ["Result"]


class Result(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One value a map stage gave; reducers and further workers get it whole if they annotate it so.

    Fields may be given by position because millions of them are made by ``map``; write keywords by hand.
    """

    number: int
    """Of the event, or the id of the message, it was made from."""
    value: Any
    """What user code returned; never ``None``, which means that there is no result."""
    revision: int = 0
    """Of the parameters the user code saw."""
