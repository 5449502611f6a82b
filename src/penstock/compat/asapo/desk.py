"""What all connections of ASAPO's clients share: each of its services, over one store. On the loop's thread."""

import asyncio
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo.authority import Authority
from penstock.compat.asapo.beamtime_folders import BeamtimeFolders
from penstock.compat.asapo.broker import Broker
from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.connections import Connections
from penstock.compat.asapo.data_server import DataServer
from penstock.compat.asapo.file_names import FileNames
from penstock.compat.asapo.handles import Handles
from penstock.compat.asapo.http import HttpRequest
from penstock.compat.asapo.http_services import HttpServices
from penstock.compat.asapo.incoming import Incoming, close_all
from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.limits import Limits
from penstock.compat.asapo.outcome import Outcome
from penstock.compat.asapo.receiver import Producer, Receiver
from penstock.compat.asapo.refusals import Refusals
from penstock.compat.asapo.room import Room
from penstock.compat.asapo.transfer import FileTransfer
from penstock.compat.asapo.waiting import Waiting
from penstock.compat.asapo.wire import Code, Header, Op
from penstock.core.stream_address import StreamAddress
from penstock.services.stream_tokens import Tokens
from penstock.streams.store import Store

__all__ = ["ServerDesk"]


class ServerDesk:
    """Hands what connections bring to the service that it is for."""

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        tokens: Tokens | None,
        address: str,
        folders: BeamtimeFolders | None,
        limits: Limits,
        tell: Callable[[str], object] | None,
    ) -> None:
        self._loop = loop
        self._jobs, self._waiting, self._refusals = Jobs(loop), Waiting(loop), Refusals(tell)
        self._room = Room[Connection](limits.most_bytes)
        self.most_message_bytes = limits.most_message_bytes
        self.connections = Connections(
            limits, self._refusals, are_known=tokens is None, left=self._left, clock=loop.time
        )
        self._incoming = Incoming(store, loop, self._jobs, self.connections, changed=self._stream_changed)
        authority, handles, names = Authority(tokens), Handles(), FileNames(store)
        self._broker = Broker(store, store, handles, names)  # type: ignore[arg-type]  # it was checked to have groups
        self._receiver = Receiver(store, self._incoming, authority, self._jobs, folders, loop.time)
        self._data_server = DataServer(store, self._broker, handles, authority, self._jobs, loop.time)
        transfer = FileTransfer(names, authority, folders)
        self._http = HttpServices(
            address, self._broker, self._incoming, transfer, authority, self._waiting, self._jobs, self._refusals
        )

    # --- connections

    def came(self, connection: Connection) -> bool:
        """Take note of a connection; return whether it may stay."""
        return self.connections.came(connection)

    def went(self, connection: Connection) -> None:
        """Take note that a connection has gone."""
        self.connections.went(connection)

    def _left(self, connection: Connection) -> None:
        self._waiting.stop(connection)
        if connection.is_reader and connection.was_dropped:
            self._http.mark_anew()

    def note_refusal(self, connection: Connection, text: str) -> None:
        """Take note that somebody was told that they may not do what they want."""
        self._refusals.say(connection.peer, text)

    def reserve(self, connection: Connection, nbytes: int) -> bool:
        """Ask for memory."""
        return self._room.take(connection, nbytes)

    def release(self, nbytes: int) -> None:
        """Give it back, to who waits for some."""
        for connection in self._room.give_back(nbytes):
            self._loop.call_soon(connection.room_is_there)

    def sweep(self) -> None:
        """Drop who takes too long, and let go of streams that nobody writes."""
        self.connections.sweep()
        self._refusals.sweep()
        writers = self._incoming.let_go_of_idle()
        if writers:
            self._jobs.then(partial(close_all, writers), lambda _: None, stores=True)

    async def close(self) -> None:
        """Let go of everything."""
        self.connections.drop_all()
        await asyncio.sleep(0)
        await self._jobs.close()
        await asyncio.to_thread(close_all, self._incoming.let_go_of_all())
        self._waiting.close()
        self._broker.close()
        self._refusals.close()

    # --- what they bring

    def authorise(self, connection: Connection, data: bytes) -> None:
        """Take what a producer says of itself."""

        def tell(who: Producer | Outcome) -> None:
            if isinstance(who, Outcome):
                connection.reply(Op.AUTHORISE, who.code, who.text)
            else:
                connection.producer, connection.is_known = who, True
                connection.reply(Op.AUTHORISE, Code.OK)

        self._receiver.authorise(data, tell)

    def take(self, connection: Connection, header: Header, meta: bytes, payload: NDArray[np.uint8] | None) -> None:
        """Take what a producer sends."""
        assert connection.producer is not None

        def tell(outcome: Outcome) -> None:
            if outcome.trouble:
                self._refusals.say(connection.peer, outcome.trouble)
            connection.reply(header.op, outcome.code, outcome.text)

        self._receiver.take(connection.producer, header, meta, payload, tell)

    def give(self, connection: Connection, header: Header) -> None:
        """Answer a consumer that asks for a payload."""
        self._data_server.give(connection, header)

    def answer(self, connection: Connection, asked: HttpRequest) -> None:
        """Answer a request over HTTP."""
        self._http.answer(connection, asked)

    def _stream_changed(self, base: StreamAddress) -> None:
        view = self._broker.known_view(base)
        if view is not None and view.waiting:
            self._broker.changed(view)
