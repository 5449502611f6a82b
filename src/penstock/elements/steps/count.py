"""Count items, or what is in them."""

from typing import Any

__all__ = ["Count"]


class Count:
    """Return how many there were.

    A list or tuple, such as a window gives, becomes its length; any other item becomes the number of items so far in
    this run, itself included. A list is never counted as one.

    >>> count = Count()
    >>> count("a"), count("b"), count(["c", "d", "e"])
    (1, 2, 3)
    """

    def __init__(self) -> None:
        self._so_far = 0

    def __call__(self, item: Any) -> int:
        """Return the length of the item, or the number of items so far."""
        if isinstance(item, (list, tuple)):
            return len(item)
        self._so_far += 1
        return self._so_far
