"""The clocks of all joins of a run: deadlines pass while every stream can come, and stand still while one cannot."""

from collections.abc import Mapping
from typing import Final

from penstock.services.custody import Custody
from penstock.services.remote_source import RemoteSource
from penstock.services.remote_stage import RemoteStage
from penstock.services.settled_join import SettledJoin

__all__ = ["TICK_NS", "JoinClocks"]

TICK_NS: Final = 5_000_000
"""How often at least it is seen whether time has run out for something, while there is always something to do."""
WAS_FULL_NS: Final = 1_000_000_000
"""For how long a source that waited for a slot may need to fill it."""


class JoinClocks:
    """When which join is to see whether time has run out for something.

    A join waits for no stream that is held, or that has no room for what it has read: what has not been sent for such a
    reason is neither late nor missing. A file is never late, however long it takes to read.

    Parameters
    ----------
    stages
        Of the run, by name; the caller's, as they become more.
    custody
        Knows how many slots are lent.
    """

    def __init__(self, stages: Mapping[str, RemoteStage], custody: Custody) -> None:
        self._stages = stages
        self._custody = custody
        self._joins: list[tuple[SettledJoin, list[RemoteSource]]] = []
        self._tick_ns = 0
        """When time may have run out for something, unless that is found sooner."""
        self._full_ns: dict[str, int] = {}
        """When all slots of a source were seen to be lent last."""

    def add(self, join: SettledJoin, sources: list[RemoteSource]) -> None:
        """Have a join looked after, with all sources that its streams come from."""
        self._joins.append((join, sources))

    def look(self, now: int) -> None:
        """Let deadlines pass, if it is time to look at them."""
        if now >= self._tick_ns or any(join.is_paused for join, _ in self._joins):
            self._stand_still(now)
        if now >= self._tick_ns:
            self._tick_ns = now + TICK_NS
            for join in self._live():
                join.tick(now)

    def wait_until(self, latest_ns: int) -> int:
        """Return when to look again, ``latest_ns`` at the latest, and look then."""
        deadlines = [due for join in self._live() if (due := join.next_deadline()) is not None]
        self._tick_ns = min([latest_ns, *deadlines])
        return self._tick_ns

    def look_anew(self, now: int) -> None:
        """See to what has changed: whether streams are held."""
        self._stand_still(now)
        self._tick_ns = 0

    def _live(self) -> list[SettledJoin]:
        """Return the joins whose deadlines count."""
        return [
            join
            for join, sources in self._joins
            if not join.is_paused and not any(source.is_file and source.is_open for source in sources)
        ]

    def _stand_still(self, now: int) -> None:
        """Stop the clock of joins of which a stream cannot come, and let the others go on."""
        if not self._joins:
            return
        is_busy = not all(stage.is_idle for stage in self._stages.values())
        for join, sources in self._joins:
            for source in sources if is_busy else ():  # or else a join has its slots, and waits for another stream
                if self._is_full(source):
                    self._full_ns[source.name] = now
            join.pause(any(each.is_open and (each.is_held or self._was_full(each, now)) for each in sources), now)

    def _was_full(self, source: RemoteSource, now: int) -> bool:
        """Whether a source waits for a slot, or did until a moment ago: it has to fill it first."""
        return now - self._full_ns.get(source.name, now - WAS_FULL_NS) < WAS_FULL_NS

    def _is_full(self, source: RemoteSource) -> bool:
        if source.peer is None or not source.peer.pools:
            return False
        made, _ = source.peer.pools[max(source.peer.pools)]
        return self._custody.lent()[made.name, made.generation] >= made.slots
