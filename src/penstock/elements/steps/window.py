"""Gather the items of a time or of a count."""

from typing import Annotated

from penstock.elements.arrival_window import ArrivalWindow
from penstock.elements.count_window import CountWindow
from penstock.elements.event_window import EventWindow
from penstock.extra import extra

with extra("run"):
    from annotated_types import Ge, Gt

__all__ = ["window"]


def window(
    n: Annotated[int | None, Ge(1)] = None,
    step: Annotated[int | None, Ge(1)] = None,
    every_s: Annotated[float | None, Gt(0)] = None,
    length_s: Annotated[float | None, Gt(0)] = None,
    time: str = "",
    late_s: Annotated[float, Ge(0)] = 0.0,
    rest: bool = True,
    empty: bool | None = None,
) -> CountWindow | EventWindow | ArrivalWindow:
    """Gather items into lists: so many of them, or those of a time, one list after the other or overlapping ones.

    ``n: 100`` gives each hundred items; ``n: 100, step: 10`` after each ten the last hundred. ``every_s: 1`` gives each
    second what came in it, though it be nothing; ``length_s: 10, every_s: 1`` each second what came in the last ten.
    With ``time`` it is not the time at which items come that counts but the time they say they happened: the lists are
    then the same whenever and however fast the pipeline runs, and a window is over when something younger comes. What
    is left at the end and was in no list yet is given in a shorter last one.

    >>> list(window(n=2)("abc"))
    [['a', 'b'], ['c']]
    >>> list(window(every_s=1, time="t")([{"t": 0.1}, {"t": 0.9}, {"t": 1.2}]))
    [[{'t': 0.1}, {'t': 0.9}], [{'t': 1.2}]]

    Parameters
    ----------
    n
        How many items are in a list.
    step
        After how many items the next list is given; by default ``n``.
    every_s
        After how many seconds the next list is given; by default ``length_s``.
    length_s
        Of how many seconds a list holds the items; by default ``every_s``.
    time
        The field that says when an item happened, such as ``timestamp_ns``. Whole numbers are nanoseconds, numbers with
        a fraction seconds. Windows begin at whole multiples of ``every_s``, and lists are in the order of the times.
    late_s
        With ``time``: by how much an item may come later than a younger one. What is later still is left out and
        counted, and the first is told to the log.
    rest
        Whether what is left at the end is given.
    empty
        Whether windows of a time are given when nothing was in them. By default they are, but not with ``time``.

    Raises
    ------
    ValueError
        If arguments do not go together, or items would be left out.
    """
    if n is not None:
        _refuse("n", every_s=every_s, length_s=length_s, time=time, late_s=late_s, empty=empty)
        return CountWindow(n, step, rest=rest)
    _refuse("a time", step=step)
    length_s = every_s if length_s is None else length_s
    every_s = length_s if every_s is None else every_s
    if every_s is None:
        raise ValueError("a window needs a number of items or a time; write n: 100, or every_s: 1")
    if time:
        return EventWindow(every_s, length_s, time=time, late_s=late_s, rest=rest, empty=bool(empty))
    _refuse("the time at which items come; write time: and a field", late_s=late_s)
    return ArrivalWindow(every_s, length_s, rest=rest, empty=empty is not False)


def _refuse(beside: str, **others: object) -> None:
    for name, value in others.items():
        if value not in (None, "", 0.0):
            raise ValueError(f"{name} does not go with a window by {beside}")
