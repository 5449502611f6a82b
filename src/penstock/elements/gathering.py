"""A storm of short texts as few messages: the first at once, and then what has gathered, once in a while.

Pure: time comes in as numbers.
"""

from dataclasses import dataclass

__all__ = ["Gathered", "Gathering"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What goes out in one message."""

    texts: tuple[str, ...]
    """In order of arrival; the first of them, if there are too many."""
    more: int = 0
    """How many there were beside."""

    @property
    def count(self) -> int:
        """How many there were in all."""
        return len(self.texts) + self.more

    def lines(self) -> str:
        """Return them one below the other, with how many are left out."""
        return "\n".join((*self.texts, *([f"… and {self.more} more"] if self.more else [])))


class Gathering:
    """Gathers texts.

    >>> gathering = Gathering(every_s=60, most=2)
    >>> gathering.add("a"); gathering.take(now_s=0)
    Gathered(texts=('a',), more=0)
    >>> for text in "bcd": gathering.add(text)
    >>> gathering.take(now_s=59), gathering.due_s
    (None, 60)
    >>> gathering.take(now_s=60)
    Gathered(texts=('b', 'c'), more=1)

    Parameters
    ----------
    every_s
        How long it is at least from one message to the next.
    most
        Texts of one message.

    Raises
    ------
    ValueError
        If they make no sense.
    """

    def __init__(self, every_s: float, most: int) -> None:
        if every_s < 0:
            raise ValueError(f"every_s is {every_s}; it must be 0 or more")
        if most < 1:
            raise ValueError(f"{most} texts in a message; there must be at least 1")
        self._every_s = every_s
        self._most = most
        self._next_s = float("-inf")
        self._texts: list[str] = []
        self._more = 0

    @property
    def due_s(self) -> float | None:
        """When there will be a message; ``None`` if nothing is to be said."""
        return self._next_s if self._texts else None

    def add(self, text: str) -> None:
        """Gather one."""
        if len(self._texts) < self._most:
            self._texts.append(text)
        else:
            self._more += 1

    def take(self, now_s: float, *, is_last: bool = False) -> Gathered | None:
        """Return what goes out now, if anything.

        Parameters
        ----------
        now_s
            The time, which never goes back.
        is_last
            Whether there will be no other time.
        """
        if not self._texts or (now_s < self._next_s and not is_last):
            return None
        found = Gathered(texts=tuple(self._texts), more=self._more)
        self._texts, self._more = [], 0
        self._next_s = now_s + self._every_s
        return found
