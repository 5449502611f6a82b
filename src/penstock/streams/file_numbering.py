"""Which message, or which part of which dataset, the first, the second, the third file of a stream becomes."""

from typing import Any, NamedTuple

from penstock.errors import StreamError

__all__ = ["FileNumbering", "Place"]


class Place(NamedTuple):
    """Where a file's message is."""

    id: int
    part: int
    """Of a dataset, from 1; 0 for a message that is none."""


class FileNumbering(NamedTuple):
    """How files become messages, or datasets.

    Examples
    --------
    >>> [tuple(FileNumbering(parts=2).place(number)) for number in (1, 2, 3)]
    [(1, 1), (1, 2), (2, 1)]
    >>> FileNumbering(parts=16, part=3).place(7)
    Place(id=7, part=3)
    """

    parts: int = 0
    """How many parts a dataset has; 0 for messages that are none."""
    part: int = 0
    """Which part each file is, where others send the other ones; 0: so many files in a row are a dataset."""

    @classmethod
    def parse(cls, text: str) -> "FileNumbering":
        """Read ``16`` or ``3/16``; empty for messages.

        Raises
        ------
        StreamError
            If it is neither.
        """
        part, _, parts = text.rpartition("/")
        try:
            found = cls(int(parts or 0), int(part or 0))
        except ValueError:
            found = cls(-1)
        if text and not (found.parts >= 1 and (0 < found.part <= found.parts if part else "/" not in text)):
            raise StreamError(f"{text!r} says no datasets; write 16 for sixteen files each, or 3/16 for the third part")
        return found

    @property
    def own_parts(self) -> range:
        """Which parts are sent; 0 alone for messages."""
        return range(1, self.parts + 1) if self.parts and not self.part else range(self.part, self.part + 1)

    def place(self, number: int) -> Place:
        """Return what a file becomes; files are counted from 1."""
        if self.parts and not self.part:
            before, part = divmod(number - 1, self.parts)
            return Place(before + 1, part + 1)
        return Place(number, self.part)

    def number(self, place: Place) -> int:
        """Return which file a message is."""
        return (place.id - 1) * self.parts + place.part if self.parts and not self.part else place.id

    def given(self, place: Place) -> Any:  # as ``Producer.send`` takes it
        """Return the part as it is given to a producer."""
        return (place.part, self.parts) if place.part else None
