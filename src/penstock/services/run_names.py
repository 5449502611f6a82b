"""What runs are called, and which version ran them."""

import os
import re
from collections.abc import Container
from importlib.metadata import PackageNotFoundError, version

from penstock.core.timestamp import Timestamp

__all__ = ["free_name", "new_run_id", "own_version"]


def new_run_id(now: Timestamp) -> str:
    """Return a name that no other run has: the time, and four digits by chance."""
    return f"{now.isoformat()[:19].replace('-', '').replace(':', '')}-{os.urandom(2).hex()}"


def free_name(run: str, taken: Container[str]) -> str:
    """Return the next name behind this one that is not taken.

    A number at its end goes on; one of more than four digits is rather a date or a time, and stays.

    >>> [free_name(run, {"scan-009", "scan-010", "foil", "20261127"}) for run in ("scan-009", "foil", "20261127")]
    ['scan-011', 'foil-2', '20261127-2']
    """
    found = re.fullmatch(r"(.*[^0-9])([0-9]{1,4})", run, re.DOTALL)
    stem, digits = (f"{run}-", "1") if found is None else (found[1], found[2])
    number = int(digits) + 1
    while (name := f"{stem}{number:0{len(digits)}d}") in taken:
        number += 1
    return name


def own_version() -> str:
    """Return the version that is installed; empty if none is."""
    try:
        return version("penstock")
    except PackageNotFoundError:  # run from a folder that was never installed
        return ""
