"""Where data came from, for a source that must know when they are accounted for.

It is reachability, as custody is: what is made of some messages leads to their origin, and when the last of it is gone,
they are accounted for. Nothing is counted by hand.
"""

from collections.abc import Callable, Iterable

__all__ = ["Origin", "Origins", "united"]


class Origin:
    """Consecutive messages of a source, as long as anything that was made of them is under way.

    Parameters
    ----------
    first, last
        Their ids.
    on_gone
        Called with both, once nothing leads here any more.
    """

    __slots__ = ("_first", "_last", "_on_gone")

    def __init__(self, first: int, last: int, on_gone: Callable[[tuple[int, int]], object]) -> None:
        self._first, self._last, self._on_gone = first, last, on_gone

    def __del__(self) -> None:
        self._on_gone((self._first, self._last))


Origins = tuple[Origin, ...]
"""Of some data; empty for nearly all, as few sources want to know."""


def united(several: Iterable[Origins]) -> Origins:
    """Return the origins of what is put together, each once."""
    return tuple(dict.fromkeys(origin for origins in several for origin in origins))
