"""SNAP's ``.tqdm``: how many items have passed, or the value of the last one, as a line of the terminal."""

from typing import Any

from penstock.extra import extra

with extra("snap"):
    from tqdm import tqdm

__all__ = ["counter", "meter"]


class counter:  # noqa: N801 - SNAP's name
    """Show how many items have passed and at which rate.

    Parameters
    ----------
    **kwargs
        ``desc``, ``total`` and whatever else ``tqdm.tqdm`` takes.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._bar = tqdm(**kwargs)

    def __call__(self, item: Any) -> Any:
        """Count an item and return it."""
        self._bar.update()
        return item

    def close(self) -> None:
        """Leave the line as it is."""
        self._bar.close()


class meter:  # noqa: N801 - SNAP's name
    """Show the last item, a number, as a bar.

    Parameters
    ----------
    desc
        Word before the value.
    **kwargs
        ``total``, the value at which the bar is full, and whatever else ``tqdm.tqdm`` takes.
    """

    def __init__(self, desc: str = "", **kwargs: Any) -> None:
        self._desc = desc
        self._bar = tqdm(desc=desc, **kwargs)

    def __call__(self, item: Any) -> Any:
        """Show an item and return it."""
        self._bar.n = item
        self._bar.set_description_str(f"{self._desc}[{float(item): .4f}]")  # which draws it
        return item

    def close(self) -> None:
        """Leave the line as it is."""
        self._bar.close()
