"""ASAPO's services on one address, over a store of ours: for its own clients, unmodified.

One thread with an event loop has all connections; what takes time is done by a few others. Discovery, authoriser,
broker and file transfer answer HTTP; receiver and data server speak the binary protocol on the same port.
"""

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.compat.asapo import requests as ask
from penstock.compat.asapo.authority import Authority
from penstock.compat.asapo.beamtime_folders import AUTO, BeamtimeFolders
from penstock.compat.asapo.beamtimes import Places
from penstock.compat.asapo.broker import Answer, Broker, Nothing
from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.file_names import FileNames
from penstock.compat.asapo.handles import Handles
from penstock.compat.asapo.http import HttpRequest
from penstock.compat.asapo.incoming import Incoming
from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.outcome import Outcome
from penstock.compat.asapo.receiver import Producer, Receiver
from penstock.compat.asapo.records import payload_of
from penstock.compat.asapo.refusals import Refusals, fault
from penstock.compat.asapo.request_reading import read_request
from penstock.compat.asapo.room import Room
from penstock.compat.asapo.transfer import FileTransfer
from penstock.compat.asapo.view import address_of
from penstock.compat.asapo.waiting import Waiting
from penstock.compat.asapo.wire import Code, Header, Op
from penstock.core.stream_address import StreamAddress
from penstock.errors import BeamtimeError, MissingMessageError, PenstockError, ServiceError, StreamError
from penstock.extra import extra
from penstock.services.stream_server import SWITCH_S, is_local
from penstock.services.stream_tokens import SECRET, SECRET_FILE, Right, Tokens
from penstock.streams.dataset import base_of
from penstock.streams.store import Store, StreamWriter

__all__ = ["AsapoServer"]

VERSION: Final = "penstock, as ASAPO 25.3.0"
SWEEP_S: Final = 1.0
LEARN_S: Final = 10.0
"""How often at most all streams are looked through for a number of a payload that nobody knows."""
LEAST_RATE: Final = 1e6
"""Bytes/s below which somebody is taken for standing still."""
_EVERYWHERE: Final = ("0.0.0.0", "::", "[::]", "")  # compared with
_REACHED: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
MOST_CONNECTIONS: Final = 32
"""How many connections a producer may have, as it is told."""


class AsapoServer:
    """Serves a store to ASAPO's clients; a context manager, entered to listen.

    Parameters
    ----------
    store
        With groups, of this process; it stays the caller's, who closes it after this.
    host, port
        Where to listen; port 0 takes any free one.
    tokens
        Who may do what; without it everybody may do everything, and only this machine can connect.
    places
        Where beamtimes have their folders; without it no files are written, and all is in the store.
    advertise
        ``HOST:PORT`` by which clients reach this; by default where it listens, and where that is every address, what
        each has reached it by.
    most_clients, most_strangers
        Connections in all, and of those that have not been let do anything yet.
    hello_s, stall_s
        How long a stranger has time, and how long a request may be on its way.
    most_message_bytes, most_bytes
        Of one payload, and of all that are being received.
    tell
        Called with a line about clients that are refused; by default it goes to standard error.

    Raises
    ------
    ServiceError
        If other machines could connect and there are no tokens, or it cannot listen there.
    """

    def __init__(
        self,
        store: Store,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tokens: Tokens | None = None,
        places: Places | None = None,
        advertise: str = "",
        most_clients: int = 512,
        most_strangers: int = 128,
        hello_s: float = 10.0,
        stall_s: float = 60.0,
        most_message_bytes: int = 2 << 30,
        most_bytes: int = 4 << 30,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        if tokens is None and not is_local(host):
            raise ServiceError(
                f"{host} can be reached from other machines, and there are no tokens; give a secret in "
                f"{SECRET_FILE} or {SECRET}, or listen on 127.0.0.1"
            )
        self._store, self._host, self._port, self._tokens = store, host, port, tokens
        self._folders = None if places is None else BeamtimeFolders(places)
        self._advertise, self._tell = advertise, tell
        self._limits = _Limits(most_clients, most_strangers, hello_s, stall_s, most_message_bytes, most_bytes)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending: asyncio.Event | None = None
        self._started: threading.Event = threading.Event()
        self._failure: BaseException | None = None
        self._desk: ServerDesk | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``, as clients are given it."""
        return self._advertise or f"{self._host}:{self._port}"

    @property
    def served(self) -> int:
        """Connections that were taken."""
        return 0 if self._desk is None else self._desk.served

    @property
    def refused(self) -> int:
        """Connections that were closed because there were too many."""
        return 0 if self._desk is None else self._desk.refused

    def __enter__(self) -> Self:
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self._thread = threading.Thread(target=self._run, name="ASAPO server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take nobody any more, store what was received, and let go of all streams."""
        if self._thread is None or self._loop is None or self._ending is None:
            return
        with suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        try:
            with extra("run"):
                import uvloop  # a request takes a sixth less of the processor than on asyncio's own loop
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # told to who waits for the start
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        desk: ServerDesk | None = None

        def connection() -> Connection:
            assert desk is not None
            return Connection(desk)

        try:
            server = await self._loop.create_server(connection, self._host, self._port, backlog=256)
        except OSError as error:
            raise ServiceError(f"{self._host}:{self._port}: cannot listen there: {error.strerror}") from error
        self._port = server.sockets[0].getsockname()[1]
        desk = self._desk = ServerDesk(
            self._store, self._loop, self._tokens, self.address, self._folders, self._limits, self._tell
        )
        self._started.set()
        try:
            while not self._ending.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), SWEEP_S)
                desk.sweep()
        finally:
            server.close()
            await desk.close()


class _Limits(msgspec.Struct, frozen=True):
    most_clients: int
    most_strangers: int
    hello_s: float
    stall_s: float
    most_message_bytes: int
    most_bytes: int


class ServerDesk:
    """What all connections share; on the loop's thread, but for what is said to be done by another."""

    def __init__(
        self,
        store: Store,
        loop: asyncio.AbstractEventLoop,
        tokens: Tokens | None,
        address: str,
        folders: BeamtimeFolders | None,
        limits: _Limits,
        tell: Callable[[str], object] | None,
    ) -> None:
        self._store, self._loop, self._address, self._limits = store, loop, address, limits
        self._is_everywhere = address.rpartition(":")[0] in _EVERYWHERE
        self._jobs = Jobs(loop)
        self._has_no_tokens = tokens is None
        self._authority = Authority(tokens)
        self._handles = Handles()
        self._learned_at = -LEARN_S
        names = FileNames(store)
        self._broker = Broker(store, store, self._handles, names)  # type: ignore[arg-type]  # it was checked to have groups
        self._incoming = Incoming(
            store,
            loop,
            self._jobs,
            connections_of=self._connections_of,
            sending_of=self._sending_of,
            changed=self._stream_changed,
        )
        self._receiver = Receiver(store, self._incoming, self._authority, self._jobs, folders, loop.time)
        self._transfer = FileTransfer(names, self._authority, folders)
        self._connections: dict[Connection, None] = {}
        self._refusals = Refusals(tell)
        self._room = Room[Connection](limits.most_bytes)
        self._waiting = Waiting(loop)
        self.most_message_bytes = limits.most_message_bytes
        self.served = self.refused = 0

    # --- connections

    def came(self, connection: Connection) -> bool:
        """Take note of a connection; return whether it may stay."""
        strangers = [one for one in self._connections if not one.is_known]
        are_too_many = len(strangers) >= self._limits.most_strangers
        if are_too_many or len(self._connections) >= self._limits.most_clients:
            self.refused += 1
            self._refusals.say(
                connection.peer, "there are too many connections; one was dropped that was idle, or this"
            )
            if not self._make_room(strangers if are_too_many else list(self._connections)):
                return False
        self.served += 1
        connection.is_known = self._has_no_tokens
        self._connections[connection] = None
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

    def note_refusal(self, connection: Connection, text: str) -> None:
        """Take note that somebody was told that they may not do what they want."""
        self._refusals.say(connection.peer, text)

    def went(self, connection: Connection) -> None:
        """Take note that a connection has gone."""
        self._connections.pop(connection, None)
        self._waiting.stop(connection)

    def sweep(self) -> None:
        """Drop who takes too long, and let go of streams that nobody writes."""
        now = self._loop.time()
        for connection in list(self._connections):
            most = self._limits.stall_s if connection.is_known else self._limits.hello_s
            is_stale = not connection.is_known and connection.is_idle and now - connection.came_at > most
            most += connection.moved / LEAST_RATE  # who is slow for a good reason does not stand still
            stands = bool(connection.began_at) and now - connection.began_at > most
            if stands or (is_stale and not connection.has_asked):  # all clients only ask where services are, on one
                self._refusals.say(connection.peer, f"dropped, as it stood still for {most:.0f} s")
            if stands or is_stale:
                connection.drop()
        self._refusals.sweep()
        writers = self._incoming.let_go_of_idle()
        if writers:
            self._jobs.then(partial(_close_all, writers), lambda _: None, stores=True)

    async def close(self) -> None:
        """Let go of everything."""
        for connection in list(self._connections):
            connection.drop()
        await asyncio.sleep(0)
        await self._jobs.close()
        await asyncio.to_thread(_close_all, self._incoming.let_go_of_all())
        self._waiting.close()
        self._broker.close()
        self._refusals.close()

    def reserve(self, connection: Connection, nbytes: int) -> bool:
        """Ask for memory."""
        return self._room.take(connection, nbytes)

    def release(self, nbytes: int) -> None:
        """Give it back, to who waits for some."""
        for connection in self._room.give_back(nbytes):
            self._loop.call_soon(connection.room_is_there)

    def _connections_of(self, base: StreamAddress) -> int:
        return len(self._producers_of(base))

    def _sending_of(self, base: StreamAddress) -> int:
        return sum(one.began_at > 0 or not one.is_idle for one in self._producers_of(base))

    def _producers_of(self, base: StreamAddress) -> list[Connection]:
        source = base.parent
        return [one for one in self._connections if one.producer is not None and one.producer.source == source]

    # --- producers

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
            connection.reply(header.op, outcome.code, outcome.text)

        self._receiver.take(connection.producer, header, meta, payload, tell)

    def _stream_changed(self, base: StreamAddress) -> None:
        view = self._broker.known_view(base)
        if view is not None and view.waiting:
            self._broker.changed(view)

    # --- payloads

    def give(self, connection: Connection, header: Header) -> None:
        """Answer a consumer that asks for a payload."""
        found = self._handles.find(header.id)
        now = self._loop.time()
        if found is None and now - self._learned_at > LEARN_S:  # it may be from before a restart
            self._learned_at = now
            self._jobs.then(self._all_streams, partial(self._give_learned, connection, header))
            return
        self._give(connection, header, found)

    def _all_streams(self) -> list[StreamAddress]:
        with suppress(PenstockError):
            return [info.address for info in self._store.streams()]
        return []

    def _give_learned(self, connection: Connection, header: Header, streams: list[StreamAddress]) -> None:
        self._handles.learn(streams)
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

    # --- HTTP

    def answer(self, connection: Connection, asked: HttpRequest) -> None:
        """Answer a request over HTTP."""
        try:
            request = read_request(asked.method, asked.target, asked.body)
            answer = self._answer(connection, asked, request)
        except Exception as error:  # noqa: BLE001  # a mistake of ours must cost one request only
            answer = _refusal(error)
        if answer is not None:
            self._respond(connection, asked, answer)

    def _answer(self, connection: Connection, asked: HttpRequest, request: ask.Request) -> Answer | None:
        """Return what is to be answered; ``None`` if that is done later."""
        respond = partial(self._respond, connection, asked)
        if isinstance(request, ask.AskService):
            return self._service(request, self._reached(connection, asked))
        if isinstance(request, ask.AskVersion):
            about = {"versionInfo": "v0.7 (supported)"}
            return _json({"softwareVersion": VERSION, "clientProtocol": about, "clientSupported": "yes"})
        if isinstance(request, ask.NewGroup):
            self._authority.check(request.token)
            import secrets

            return Answer(200, secrets.token_hex(10).encode())
        if isinstance(request, ask.FolderToken):
            self._jobs.then(partial(_safely_called, self._transfer.folder_token(request)), respond)
            return None
        if isinstance(request, ask.Transfer):
            self._jobs.then(partial(_safely_called, self._transfer.transfer(request, asked.cookie)), respond)
            return None
        assert isinstance(request, ask.Of)
        if request.beamtime == AUTO:  # nothing is ever written there: who asks would be told for ever that it is empty
            raise StreamError("which beamtime is meant must be said; auto is for sending only")
        source = address_of(request.beamtime, request.source, "")
        right: Right = "write" if isinstance(request, ask.Delete | ask.Persist) else "read"
        self._authority.allow(request.token, right, source)
        connection.is_known = True
        self._authority.tell(connection.peer, source)
        reached = self._reached(connection, asked)
        if isinstance(request, ask.Delete):
            self._delete(request, reached, respond)
        elif Broker.is_slow(request):
            self._jobs.then(partial(_safely, self._broker.slow_answer, request, reached), respond)
        else:
            self._read(connection, request, reached, respond)
        return None

    def _reached(self, connection: Connection, asked: HttpRequest) -> str:
        """Return where a client finds this: as it has found it, where this listens at every address."""
        if not self._is_everywhere:
            return self._address
        return asked.host if _REACHED.fullmatch(asked.host) else connection.own

    @staticmethod
    def _service(request: ask.AskService, reached: str) -> Answer:
        if request.name == "asapo-receiver":
            return _json({"MaxConnections": MOST_CONNECTIONS, "Uris": [reached]})
        # Not looked at the token: a client would take a refusal here for a service that is not there.
        return Answer(200, reached.encode())

    def _respond(self, connection: Connection, asked: HttpRequest, answer: Answer) -> None:
        if answer.status in (401, 500):
            self._refusals.say(connection.peer, bytes(answer.body).decode(errors="replace"))
        connection.respond(answer.status, answer.body, keeps=asked.keeps)

    def _delete(self, request: ask.Delete, reached: str, respond: Callable[[Answer], None]) -> None:
        address = address_of(request.beamtime, request.source, request.stream)
        writers = self._incoming.let_go(address)

        def delete() -> Answer:
            _close_all(writers)
            answer: Answer = _safely(self._broker.slow_answer, request, reached)
            return answer

        def done(answer: Answer) -> None:
            view = self._broker.known_view(address)
            self._broker.forget(address)
            if view is not None:
                self._waiting.forget(view)
                view.close()
            respond(answer)

        self._jobs.then(delete, done)

    def _read(self, connection: Connection, request: ask.Of, reached: str, respond: Callable[[Answer], None]) -> None:
        answer = partial(_safely, self._broker.answer, request, reached)
        if request.is_producer:  # which asks again by itself, and never for messages
            found = answer()
            respond(found.otherwise if isinstance(found, Nothing) else found)
        else:
            self._waiting.wait(connection, connection.patience, request, answer, respond)


def _refusal(error: Exception) -> Answer:
    if isinstance(error, ask.OtherProtocolError):
        return Answer(415, str(error).encode())
    if isinstance(error, ask.UnknownTargetError | MissingMessageError):
        return Answer(404, str(error).encode())
    if isinstance(error, BeamtimeError) and error.is_passing:
        return Answer(503, str(error).encode())  # clients ask again until their time is up
    if isinstance(error, ServiceError | BeamtimeError):
        return Answer(401, str(error).encode())
    if isinstance(error, PenstockError):
        return Answer(400, str(error).encode())
    return Answer(500, fault(error).encode())


def _safely(call: Callable[..., Any], *arguments: Any) -> Any:
    return _safely_called(partial(call, *arguments))


def _safely_called(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # a mistake of ours must cost one request only
        return _refusal(error)


def _close_all(writers: list[StreamWriter]) -> None:
    for writer in writers:
        with suppress(PenstockError, OSError):  # a full disk, say: the stream is let go of all the same
            writer.close()


def _json(value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value))
