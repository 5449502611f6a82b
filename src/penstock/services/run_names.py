"""What runs are called, and which version ran them."""

import os
from importlib.metadata import PackageNotFoundError, version

from penstock.core.timestamp import Timestamp

__all__ = ["new_run_id", "own_version"]


def new_run_id(now: Timestamp) -> str:
    """Return a name that no other run has: the time, and four digits by chance."""
    return f"{now.isoformat()[:19].replace('-', '').replace(':', '')}-{os.urandom(2).hex()}"


def own_version() -> str:
    """Return the version that is installed; empty if none is."""
    try:
        return version("penstock")
    except PackageNotFoundError:  # run from a folder that was never installed
        return ""
