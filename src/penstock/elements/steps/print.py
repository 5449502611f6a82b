"""Print what passes and let it pass."""

from typing import Any

__all__ = ["Print"]


class Print:
    """Print every item on a line of standard output and return it unchanged.

    >>> Print(prefix="I0 > 0: ")(7)
    I0 > 0: 7
    7

    Parameters
    ----------
    prefix
        Stands before each item.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def __call__(self, item: Any) -> Any:
        """Print the item and return it."""
        print(f"{self._prefix}{item}", flush=True)  # noqa: T201  # that is what it is for
        return item
