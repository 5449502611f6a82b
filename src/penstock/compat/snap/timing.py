"""SNAP's times: seconds since 1970, by the clock that the pipeline goes by."""

import asyncio

from penstock.core.timestamp import NS_PER_S
from penstock.elements import clock

__all__ = ["now", "now_rel", "wait_until"]

_started = clock.utc_ns()


def now() -> float:
    """Return seconds since 1970 UTC."""
    return clock.utc_ns() / NS_PER_S


def now_rel() -> float:
    """Return seconds since this module was imported, which is when the node was read."""
    return (clock.utc_ns() - _started) / NS_PER_S


async def wait_until(t: float, dtmin: float = 0) -> None:
    """Return when it is a time, in seconds since 1970 UTC.

    Parameters
    ----------
    t
        The time.
    dtmin
        Seconds that are waited at least, also if the time is over.
    """
    await asyncio.sleep(max(t - now(), dtmin, 0))
