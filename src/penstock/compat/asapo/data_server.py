"""ASAPO's data server: the payload that a number stands for, to who may have it. On the loop's thread."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from penstock.compat.asapo.authority import Authority
from penstock.compat.asapo.broker import Broker
from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.handles import Handles
from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.records import payload_of
from penstock.compat.asapo.wire import Code, Header, Op
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError
from penstock.streams.dataset import base_of
from penstock.streams.store import Store

__all__ = ["DataServer"]

LEARN_S: Final = 10.0
"""How often at most all streams are looked through for a number that nobody knows."""


class DataServer:
    """Gives payloads.

    Parameters
    ----------
    broker
        Has the streams open.
    handles
        Say which message a number stands for.
    clock
        Gives s that never go back.
    """

    def __init__(
        self,
        store: Store,
        broker: Broker,
        handles: Handles,
        authority: Authority,
        jobs: Jobs,
        clock: Callable[[], float],
    ) -> None:
        self._store, self._broker, self._handles = store, broker, handles
        self._authority, self._jobs, self._clock = authority, jobs, clock
        self._learned_at = -LEARN_S
        self._asking: list[tuple[Connection, Header]] = []
        """Who waits while the streams are looked through."""

    def give(self, connection: Connection, header: Header) -> None:
        """Answer a consumer that asks for a payload."""
        found = self._handles.find(header.id)
        now = self._clock()
        if found is None and self._asking:
            self._asking.append((connection, header))
        elif found is None and now - self._learned_at > LEARN_S:  # it may be from before a restart
            self._learned_at = now
            self._asking.append((connection, header))
            self._jobs.then(self._all_streams, self._learn)
        else:
            self._give(connection, header, found)

    def _all_streams(self) -> list[StreamAddress]:
        with suppress(PenstockError):
            return [info.address for info in self._store.streams()]
        return []

    def _learn(self, streams: list[StreamAddress]) -> None:
        self._handles.learn(streams)
        asking, self._asking = self._asking, []
        for connection, header in asking:
            self._give(connection, header, self._handles.find(header.id))

    def _give(self, connection: Connection, header: Header, found: tuple[StreamAddress, int] | None) -> None:
        if found is None or not self._authority.was_told(connection.peer, found[0].parent):
            connection.reply(Op.READ, Code.NO_DATA, "there is no such payload")
            return
        connection.is_known = True
        address, number = found
        base = base_of(address)
        view = self._broker.view_of(base[0] if base else address)
        stored = dict(view.stored(number)).get(base[1] if base else 0)
        try:
            payload = None if stored is None else payload_of(next(stored.messages()))
        except PenstockError as error:
            connection.reply(Op.READ, Code.NO_DATA, str(error))
            return
        if payload is None or len(payload) != header.size:
            connection.reply(Op.READ, Code.NO_DATA, "there is no such payload any more")
            return
        connection.reply(Op.READ, Code.OK, "", payload)
