"""Who is connected: how many may be, who goes when there are too many, and who stands still. On the loop's thread."""

from collections.abc import Callable
from typing import Final

from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.limits import Limits
from penstock.compat.asapo.refusals import Refusals
from penstock.core.stream_address import StreamAddress

__all__ = ["Connections"]

LEAST_RATE: Final = 1e6
"""Bytes/s below which somebody is taken for standing still."""


class Connections:
    """All connections of a server.

    Parameters
    ----------
    are_known
        Whether nobody is a stranger, as no tokens are asked for.
    left
        Called with each that has gone.
    clock
        Gives s that never go back.
    """

    def __init__(
        self,
        limits: Limits,
        refusals: Refusals,
        *,
        are_known: bool,
        left: Callable[[Connection], None],
        clock: Callable[[], float],
    ) -> None:
        self._limits, self._refusals = limits, refusals
        self._are_known, self._left, self._clock = are_known, left, clock
        self._all: dict[Connection, None] = {}
        self.served = 0
        """How many were taken."""
        self.refused = 0
        """How many were closed because there were too many."""

    def came(self, connection: Connection) -> bool:
        """Take note of a connection; return whether it may stay."""
        strangers = [one for one in self._all if not one.is_known]
        are_too_many = len(strangers) >= self._limits.most_strangers
        if are_too_many or len(self._all) >= self._limits.most_clients:
            self.refused += 1
            self._refusals.say(
                connection.peer, "there are too many connections; one was dropped that was idle, or this"
            )
            if not self._make_room(strangers if are_too_many else list(self._all)):
                return False
        self.served += 1
        connection.is_known = self._are_known
        self._all[connection] = None
        return True

    def _make_room(self, among: list[Connection]) -> bool:
        """Drop who would miss it least, so that a flood keeps nobody out; clients connect anew by themselves."""
        idle = [one for one in among if one.is_idle and one.producer is None]
        if not idle:
            return False
        dropped = min(idle, key=lambda one: (one.has_asked, one.is_known, one.active_at))
        dropped.drop()
        self.went(dropped)
        return True

    def went(self, connection: Connection) -> None:
        """Take note that a connection has gone."""
        self._all.pop(connection, None)
        self._left(connection)

    def sweep(self) -> None:
        """Drop who takes too long."""
        now = self._clock()
        for connection in list(self._all):
            most = self._limits.stall_s if connection.is_known else self._limits.hello_s
            is_stale = not connection.is_known and connection.is_idle and now - connection.came_at > most
            most += connection.moved / LEAST_RATE  # who is slow for a good reason does not stand still
            stands = bool(connection.began_at) and now - connection.began_at > most
            if stands or (is_stale and not connection.has_asked):  # all clients only ask where services are, on one
                self._refusals.say(connection.peer, f"dropped, as it stood still for {most:.0f} s")
            if stands or is_stale:
                connection.drop()

    def drop_all(self) -> None:
        """Drop everybody."""
        for connection in list(self._all):
            connection.drop()

    def may_send(self, base: StreamAddress) -> int:
        """Return how many connections may send into a stream."""
        return len(self._producers_of(base))

    def are_sending(self, base: StreamAddress) -> int:
        """Return how many of those are sending something just now, or wait for an answer."""
        return sum(one.began_at > 0 or not one.is_idle for one in self._producers_of(base))

    def youngest(self, base: StreamAddress) -> float:
        """Return when the latest of those came, by the loop's clock; 0 if there is none."""
        return max((one.came_at for one in self._producers_of(base)), default=0.0)

    def _producers_of(self, base: StreamAddress) -> list[Connection]:
        source = base.parent
        return [one for one in self._all if one.producer is not None and one.producer.source == source]
