"""Sizes and times as people write them on a command line."""

import re
from typing import Final

from penstock.cli.streams.options import wrong

__all__ = ["SIZES", "TIMES", "quantity_of"]

SIZES: Final = {"B": 1, **{f"{letter}B": 1000**n for n, letter in enumerate("kMGTP", 1)},
                **{f"{letter}iB": 1024**n for n, letter in enumerate("KMGTP", 1)}}  # fmt: skip
"""Bytes in a unit."""
TIMES: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds in a unit."""
_WRITTEN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", re.ASCII)


def quantity_of(text: str, units: dict[str, int], option: str) -> float:
    """Read a number with a unit.

    >>> quantity_of("8GB", SIZES, "--most"), quantity_of("1.5 h", TIMES, "--age")
    (8000000000.0, 5400.0)

    Raises
    ------
    CheckError
        If it is none; the text names the option.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or found[2] not in units:
        examples = ", ".join(f"2{unit}" for unit in units)
        raise wrong(option, f"{text[:60]!r} is no number with a unit", f"write such as {examples}")
    return float(found[1]) * units[found[2]]
