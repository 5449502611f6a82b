"""Item sources that give messages of an instrument, and so can say what these have: numbers, times, starts, ends."""

from collections.abc import Mapping
from typing import Any, ClassVar

from penstock.core.decoder import Traits

__all__ = ["GivesMessages"]


class GivesMessages:
    """Base of an item source of which every item is a `Message`. It may wait, in a thread of its own.

    >>> from penstock.core import Message
    >>> class Spectra(GivesMessages):
    ...     traits = Traits(number="number", has_start=False, has_end=False)
    ...
    ...     def __iter__(self):
    ...         for number in range(3):
    ...             yield Message(key=number, metadata={"exposure_s": 0.1})
    >>> [message.key for message in Spectra()]
    [0, 1, 2]
    """

    traits: ClassVar[Traits] = Traits()
    """What its messages have: whether they are numbered, and so may be joined by key, dated, and between what."""

    @classmethod
    def traits_with(cls, arguments: Mapping[str, Any]) -> Traits | None:  # noqa: ARG003 - most do not depend on them
        """Return what its messages will have if it is made with these arguments; ``None`` if that is not known."""
        traits: object = cls.traits
        return traits if isinstance(traits, Traits) else None
