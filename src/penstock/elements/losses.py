"""What an element at the edge of the network lost, with the reasons: counted, named in the log, and never fatal.

It decides nothing. Whoever runs the element asks now and then what is new.
"""

import logging
from typing import Any, Final

__all__ = ["Losses", "losses_of"]

_LOG: Final = logging.getLogger("penstock.elements")
_MOST_REASONS: Final = 32
"""Between two times of asking. Texts that quote what came are all different."""


class Losses:
    """Counts losses of one element, and writes the first, the tenth, the hundredth … into the log.

    >>> losses = Losses("zmq-pull tcp://127.0.0.1:5556")
    >>> losses.add("3 bytes are no item")
    >>> losses.total, losses.news()
    (1, [('3 bytes are no item', 1)])
    >>> losses.news()
    []

    Parameters
    ----------
    name
        Of the element, for the log.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self._news: dict[str, int] = {}
        self._next_line = 1

    def add(self, why: str, count: int = 1) -> None:
        """Count something that was lost."""
        self.total += count
        if why not in self._news and len(self._news) >= _MOST_REASONS:
            why = "and more, for other reasons"
        self._news[why] = self._news.get(why, 0) + count
        if self.total >= self._next_line:
            while self._next_line <= self.total:
                self._next_line *= 10
            _LOG.warning("%s: %d lost so far, the last because: %s", self.name, self.total, why)

    def news(self) -> list[tuple[str, int]]:
        """Return reasons and numbers of what was lost since the last time."""
        found, self._news = list(self._news.items()), {}
        return found


def losses_of(thing: Any) -> list[tuple[str, int]]:
    """Return what an element has lost since the last time, as reasons and numbers, if it has ``losses``."""
    losses = getattr(thing, "losses", None)
    return [] if losses is None else list(losses.news())
