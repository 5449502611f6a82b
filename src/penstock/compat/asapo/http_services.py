"""What ASAPO's clients ask for over HTTP: discovery, authoriser, broker and file transfer. On the loop's thread."""

import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from penstock.compat.asapo import requests as ask
from penstock.compat.asapo.authority import Authority
from penstock.compat.asapo.beamtime_folders import AUTO
from penstock.compat.asapo.broker import Answer, Broker, Nothing
from penstock.compat.asapo.connection import Connection
from penstock.compat.asapo.http import HttpRequest
from penstock.compat.asapo.incoming import Incoming, close_all
from penstock.compat.asapo.jobs import Jobs
from penstock.compat.asapo.refusals import Refusals, fault, trouble_of
from penstock.compat.asapo.request_reading import read_request
from penstock.compat.asapo.transfer import FileTransfer
from penstock.compat.asapo.view import address_of
from penstock.compat.asapo.waiting import Waiting
from penstock.errors import BeamtimeError, MissingMessageError, PenstockError, ServiceError, StreamError
from penstock.services.stream_tokens import Right

__all__ = ["HttpServices"]

VERSION: Final = "penstock, as ASAPO 25.3.0"
MOST_CONNECTIONS: Final = 32
"""How many connections a producer may have, as it is told."""
_EVERYWHERE: Final = ("0.0.0.0", "::", "[::]", "")  # compared with
_REACHED: Final = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")


class HttpServices:
    """Answers requests.

    Parameters
    ----------
    address
        ``HOST:PORT`` as clients are told it.
    """

    def __init__(
        self,
        address: str,
        broker: Broker,
        incoming: Incoming,
        transfer: FileTransfer,
        authority: Authority,
        waiting: Waiting,
        jobs: Jobs,
        refusals: Refusals,
    ) -> None:
        self._address, self._broker, self._incoming, self._transfer = address, broker, incoming, transfer
        self._authority, self._waiting, self._jobs, self._refusals = authority, waiting, jobs, refusals
        self._is_everywhere = address.rpartition(":")[0] in _EVERYWHERE
        self._mark = ""
        self.mark_anew()

    def mark_anew(self) -> None:
        """Call where payloads are to be had otherwise from now on, as a connection of somebody who read some broke.

        A client closes such a connection and keeps its number for the next read of that place, though the number may
        be that of another consumer's connection by then, or of a file. What follows a port's digits it does not look
        at, but tells places apart by it.
        """
        self._mark = secrets.token_hex(3)

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
        reached = f"{self._reached(connection, asked)}#{self._mark}"
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
        elif answer.trouble:
            self._refusals.say(connection.peer, answer.trouble)
        connection.respond(answer.status, answer.body, keeps=asked.keeps)

    def _delete(self, request: ask.Delete, reached: str, respond: Callable[[Answer], None]) -> None:
        address = address_of(request.beamtime, request.source, request.stream)
        writers = self._incoming.let_go(address)

        def delete() -> Answer:
            close_all(writers)
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
        return Answer(400, str(error).encode(), trouble_of(error))
    return Answer(500, fault(error).encode())


def _safely(call: Callable[..., Any], *arguments: Any) -> Any:
    return _safely_called(partial(call, *arguments))


def _safely_called(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # a mistake of ours must cost one request only
        return _refusal(error)


def _json(value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value))
