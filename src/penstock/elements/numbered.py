"""Tell a step which of the workers of its stage it belongs to, if it wants to know."""

from abc import ABC, abstractmethod
from typing import Any

__all__ = ["Numbered", "give_number"]


class Numbered(ABC):
    """A step that differs from worker to worker."""

    @abstractmethod
    def take_number(self, number: int) -> None:
        """Learn which worker it is, from 0; called once where it will work, before the first item.

        A worker that takes the place of one that has died has the number of that.
        """


def give_number(thing: Any, number: int) -> None:
    """Tell a step its number, if it is one that wants to know."""
    if isinstance(thing, Numbered):
        thing.take_number(number)
