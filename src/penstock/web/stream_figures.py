"""Figures of the durable streams of a pipeline's store, looked at beside what is told: a slow disk holds up nobody."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from penstock.errors import PenstockError
from penstock.web.stored_streams import StoredStreams

__all__ = ["StreamFigures"]

MOST_STREAMS: Final = 50
"""Those that were written last: every run may make new ones, and every one is a series of its own."""
EVERY_S: Final = 2.0
"""How often it is looked at most."""
PATIENCE_S: Final = 1.0
"""How long is waited for a look; else the one before is told."""
LONGEST_S: Final = 60.0
"""So old it is not told any more."""


class StreamFigures:
    """What was last seen of the streams.

    Parameters
    ----------
    streams
        Of the store; they are asked in a thread, one question at a time.
    clock_s
        Any that only goes on.
    """

    def __init__(self, streams: StoredStreams, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._streams = streams
        self._clock_s = clock_s
        self._look: asyncio.Future[dict[str, Any]] | None = None
        self._began_s = self._seen_s = 0.0
        self._seen: dict[str, Any] | None = None

    async def latest(self) -> dict[str, Any] | None:
        """Return ``streams`` and ``groups``; ``None`` if nobody could be asked, or the store takes too long."""
        now_s = self._clock_s()
        if self._look is None and (self._seen is None or now_s - self._began_s >= EVERY_S):
            self._began_s = now_s
            self._look = asyncio.ensure_future(asyncio.to_thread(self._streams.latest, MOST_STREAMS))
        if self._look is not None:
            await asyncio.wait([self._look], timeout=PATIENCE_S)
            if self._look.done():
                look, self._look = self._look, None
                self._take(look, now_s)
        return self._seen if self._clock_s() - self._seen_s < LONGEST_S else None

    def _take(self, look: "asyncio.Future[dict[str, Any]]", now_s: float) -> None:
        try:
            self._seen, self._seen_s = look.result(), now_s
        except (PenstockError, OSError):  # who asks for the streams is told why; here there are just none
            self._seen = None
