"""SNAP's ``.source``: lines and arrays out of a text file that may still grow, or out of the standard input."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np

__all__ = ["read_array_from_txt", "read_lines"]

POLL_S: Final = 0.05
"""How long after nothing was there a file is looked at again, if ``delay`` is shorter."""
_STDIN: Final = "stdin"


async def read_lines(fname: str, delay: float = 0, follow: bool = True) -> AsyncIterator[str]:
    """Give the lines of a file, without their ends.

    Parameters
    ----------
    fname
        The file, or ``stdin``.
    delay
        Seconds between two lines.
    follow
        Whether to wait for more at the end of a file, as SNAP does; the standard input ends when nothing more can come.
    """
    async for line in _lines(fname, follow=follow):
        yield line
        await asyncio.sleep(delay)


async def read_array_from_txt(
    fname: str, size: int, columns: Mapping[str, int], delay: float = 0, follow: bool = True
) -> AsyncIterator[dict[str, Any]]:
    """Give arrays of numbers out of a text file's columns, which are separated by blanks; ``#`` begins a comment.

    Parameters
    ----------
    fname
        The file, or ``stdin``.
    size
        Lines of one item; at the end of the file it may have fewer.
    columns
        Name → column, from 0. An item has for each name an array (size,), float64.
    delay
        Seconds between two items.
    follow
        As of `read_lines`.
    """
    rows: list[str] = []
    async for line in _lines(fname, follow=follow, tells_end=True):
        if line is not None:
            rows += [line] if line.partition("#")[0].strip() else []
            if len(rows) < size:
                continue
        if rows:
            yield _arrays(rows, columns)
            rows = []
            await asyncio.sleep(delay)


def _arrays(rows: list[str], columns: Mapping[str, int]) -> dict[str, Any]:
    table = np.loadtxt(rows, usecols=tuple(columns.values()), unpack=True, ndmin=2)
    return dict(zip(columns, table, strict=True))


async def _lines(fname: str, *, follow: bool, tells_end: bool = False) -> AsyncIterator[Any]:
    """Give lines; with ``tells_end`` also ``None`` where there are no more for now."""
    is_stdin = fname == _STDIN
    file: TextIO = sys.stdin if is_stdin else Path(fname).open(encoding="utf-8")  # noqa: SIM115 - closed below
    begun = ""
    try:
        while True:
            # A terminal may take its time; the loop must go on meanwhile.
            text = await asyncio.to_thread(file.readline) if is_stdin else file.readline()
            if text.endswith("\n"):
                yield begun + text[:-1]
                begun = ""
                continue
            begun += text
            if not text and (is_stdin or not follow):
                if begun:
                    yield begun
                if tells_end:
                    yield None
                return
            if not text and tells_end and not begun:
                yield None
            if not text:
                await asyncio.sleep(POLL_S)
    finally:
        if not is_stdin:
            file.close()
