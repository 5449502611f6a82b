"""Item sources that give messages of an instrument, and so can say what these have: numbers, times, starts, ends."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from penstock.core.decoder import Traits

__all__ = ["GivesMessages"]


class GivesMessages(ABC):
    """An item source of which every item is a `Message`."""

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """What its messages have."""

    @classmethod
    @abstractmethod
    def traits_with(cls, arguments: Mapping[str, Any]) -> Traits | None:
        """Return what its messages will have if it is made with these arguments; ``None`` if that is not known."""
