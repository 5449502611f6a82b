"""SNAP's ``.output``: items on the screen, in a file, in the log; each passes them on."""

import logging
import sys
from pathlib import Path
from typing import Any

__all__ = ["dump", "dump_to_file", "log"]


class dump:  # noqa: N801 - SNAP's name
    """Print each item behind a word.

    Parameters
    ----------
    prefix
        The word.
    rewrite
        Whether each takes the place of the last, in one line of the terminal.

    Examples
    --------
    >>> dump(prefix="n =")(3)
    n = 3
    3
    """

    def __init__(self, prefix: str = "DUMP", rewrite: bool = False) -> None:
        self._prefix = prefix
        self._end = "\r" if rewrite else "\n"

    def __call__(self, item: Any) -> Any:
        """Print an item and return it."""
        sys.stdout.write(f"{self._prefix} {item}{self._end}")
        sys.stdout.flush()
        return item


class dump_to_file:  # noqa: N801 - SNAP's name
    """Write each item as a line of a file, which begins anew with every run.

    Parameters
    ----------
    fname
        The file.
    """

    def __init__(self, fname: str) -> None:
        self._file = Path(fname).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - closed by `close`
        self._file.write("#------\n")

    def __call__(self, item: Any) -> Any:
        """Write an item and return it."""
        self._file.write(f"{item}\n")
        return item

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class log:  # noqa: N801 - SNAP's name
    """Write each item into the log, as an information.

    Parameters
    ----------
    logger
        Name of the logger.
    fmt
        Text in which ``{}`` stands for the item.
    """

    def __init__(self, logger: str = "snap", fmt: str = "{}") -> None:
        self._logger = logging.getLogger(logger)
        self._fmt = fmt

    def __call__(self, item: Any) -> Any:
        """Log an item and return it."""
        self._logger.info("%s", self._fmt.format(item))
        return item
