"""What came of a lane's items and has not gone on yet, because those who read it have no room or others go first."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import length_hint
from typing import Any, Final

from penstock.core import Account
from penstock.services.strands.edge import Edge
from penstock.services.strands.stage import Stage

__all__ = ["LaneOut"]

PIECE: Final = 256
"""Items of a lane that go on between two looks at more urgent ones."""


class LaneOut:
    """The way out of one lane of a stage.

    Parameters
    ----------
    books
        Where what has gone on is counted as done.
    edges
        Of those who read it; items go on while all of them have room.
    """

    def __init__(self, books: Stage, edges: Sequence[Edge]) -> None:
        self.books = books
        self._edges = [edge for edge in edges if edge.when_full == "block"]
        self._giving: Iterator[Any] = iter(())
        self._count = 0
        self._asked: set[Edge] = set()

    @property
    def left(self) -> int:
        """How many wait."""
        return length_hint(self._giving) if self._count else 0

    def add(self, values: list[Any]) -> None:
        """Take more in."""
        if values:
            self.settle()
            rest = list(self._giving)
            self._giving, self._count = iter([*rest, *values]), len(rest) + len(values)

    def settle(self) -> None:
        """Count as done what has gone on."""
        if self._count:
            left = self.left
            self.books.post(Account.DONE, self._count - left)
            self._count = left

    def next_piece(self) -> Iterator[Any] | None:
        """Return some that can go on now; ``None`` if there are none."""
        if not self._count:
            return None
        most = min(self.left, PIECE, *(edge.room for edge in self._edges))
        return islice(self._giving, most) if most > 0 else None

    def is_waiting(self, wake: Callable[[], None]) -> bool:
        """Whether what there is cannot go on yet; then somebody is woken when it may."""
        full = next((edge for edge in self._edges if edge.room <= 0), None)
        if full is None or not self.left:
            return False
        if full not in self._asked:

            def forget_and_wake() -> None:
                self._asked.discard(full)
                wake()

            self._asked.add(full)
            if not full.when_room(forget_and_wake):
                self._asked.discard(full)
                return False
        return True
