"""The ZeroMQ door to the desk: a ROUTER socket, in a thread of its own, that many may ask at a time.

Who sends with an empty frame before the command, as REQ sockets do, gets the reply alone; who does not, as DEALER
sockets, gets an acknowledgement first. Whatever bytes come are answered or counted, and no faster than the run can
bear: who floods the door waits in the network.
"""

import hmac
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Self

import msgspec

from penstock.core.command import COMMANDS, LONGEST_WORD, Acknowledgement, Outcome, Problem, Reply
from penstock.errors import RemoteProtocolError, ServiceError
from penstock.extra import extra
from penstock.pipeline.control_address import control_problem
from penstock.services.command_audit import CommandCounts
from penstock.services.control_desk import BUSY, Asked, ControlDesk
from penstock.services.web_address import OPERATOR_TOKEN, VIEWER_TOKEN
from penstock.transport.zmq import why_not_bound
from penstock.wire.control import LONGEST, close_word, open_command

with extra("run"):
    import zmq

__all__ = ["ControlDoor", "control_door"]

MOST_WAITING: Final = 100
"""Commands that have come and that the run has not looked at; of those that end a run, twice as many."""
BATCH, BATCH_S = 100, 0.05
"""So many messages are read at most in so much time; one takes the thread 10 to 20 µs."""
LINGER_MS: Final = 500
"""How long the last answers may take to leave."""


class ControlDoor:
    """A context manager: while it is entered, commands are taken at an address.

    Parameters
    ----------
    address
        ``tcp://HOST:PORT`` or ``ipc://PATH``; at port 0 any free one is taken.
    desk
        To whom the commands go.
    viewer_token, operator_token
        Who has the first may look; who has the second may do everything. Without either, everybody on this machine
        may.

    Raises
    ------
    ServiceError
        If the address is not to be had, or is open to other machines without any token.
    """

    name = "zmq"

    def __init__(self, address: str, desk: ControlDesk, *, viewer_token: str = "", operator_token: str = "") -> None:
        if problem := control_problem(address, has_tokens=bool(viewer_token or operator_token)):
            raise ServiceError(problem)
        self.counts = CommandCounts()
        self._viewer, self._operator = viewer_token.encode(), operator_token.encode()
        self.desk = desk
        self._came: deque[tuple[list[bytes], Asked]] = deque()
        self._unsent: deque[tuple[list[bytes], Reply]] = deque()
        self._is_closing = False
        self._context = zmq.Context(io_threads=1)
        self._socket = self._context.socket(zmq.ROUTER)
        try:
            self.address = self._bound(address)
        except BaseException:
            self._socket.close(0)
            self._context.term()
            raise
        # The first wakes the run when something has come, the second this thread when something is to be sent.
        self._news, self._wake = (os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(2))
        self._thread = threading.Thread(target=self._live, name="penstock control", daemon=True)

    @property
    def pollable(self) -> int:
        """A descriptor that can be read when a command waits."""
        return self._news

    def waiting(self) -> Iterator[Asked]:
        """Take what has come."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._news)
        for _ in range(len(self._came)):  # not what comes meanwhile: the run has other things to do
            yield self._came.popleft()[1]

    def __enter__(self) -> Self:
        self.desk.door = self
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Answer those who wait that it is over, and take nothing more. May be called again."""
        if self._is_closing:
            return
        if self.desk.door is self:
            self.desk.door = None
        self._is_closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._socket.close(LINGER_MS)
        self._context.term()
        os.close(self._wake)
        os.close(self._news)

    def _bound(self, address: str) -> str:
        socket = self._socket
        socket.setsockopt(zmq.MAXMSGSIZE, LONGEST)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # who has gone is counted
        socket.setsockopt(zmq.IPV6, "[" in address)
        try:
            socket.bind(address.removesuffix(":0") + ":*" if address.endswith(":0") else address)
        except zmq.ZMQError as error:
            raise ServiceError(why_not_bound(address, error)) from error
        if not address.endswith(":0"):
            return address
        port = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0").rpartition(":")[2]
        return f"{address.removesuffix(':0')}:{port}"

    # The thread.

    def _live(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        is_listening, left, until_s = True, BATCH, 0.0
        while not self._is_closing:
            if not is_listening:
                rest_s = until_s - time.monotonic()
                if rest_s <= 0:
                    poller.register(self._socket, zmq.POLLIN)
                    is_listening = True
            ready = dict(poller.poll(None if is_listening else max(1, int(rest_s * 1000))))
            if self._wake in ready:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
                self._send()
            if self._socket in ready:
                now_s = time.monotonic()
                if now_s >= until_s:
                    left, until_s = BATCH, now_s + BATCH_S
                left -= self._receive(left)
                if left <= 0:
                    poller.unregister(self._socket)
                    is_listening = False
        self._send()
        self._dismiss()

    def _receive(self, most: int) -> int:
        """Take so many messages at most; return how many there were."""
        for count in range(most):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            self._take(parts)
        return most

    def _take(self, parts: list[bytes]) -> None:
        is_req = len(parts) > 2 and not parts[1]
        envelope, words = (parts[:2], parts[2:]) if is_req else (parts[:1], parts[1:])
        try:
            if len(words) != 1:
                raise RemoteProtocolError(f"{len(words)} frames; a command is one, which may have an empty one before")
            wish = open_command(words[0])
        except RemoteProtocolError as error:
            self._turn_away(envelope, "", "", str(error), Problem.MALFORMED)
            return
        command = wish.command
        role = self._role(wish.token)
        if not role:
            text = "this token is not known here" if wish.token else 'a token is needed: "token", beside "name"'
            self._turn_away(envelope, command.id, command.name, text, Problem.FORBIDDEN)
            return
        kind = COMMANDS.get(command.name)
        most = MOST_WAITING * (2 if kind is not None and kind.ends_run else 1)
        if len(self._came) >= most:
            self._turn_away(envelope, command.id, command.name, BUSY, Problem.BUSY)
            return
        caller = f"zmq {parts[0].hex()}"
        answer = partial(self._answer, envelope)
        asked = Asked(command=command, may_turn=role == "operator", caller=caller, answer=answer)
        self._came.append((envelope, asked))
        if not is_req:  # replies are sent by this thread too, so this one is before
            self._write(envelope, close_word(Acknowledgement(id=command.id, name=command.name)))
        os.eventfd_write(self._news, 1)

    def _role(self, token: str) -> str:
        if not self._viewer and not self._operator:
            return "operator"
        given = token.encode("utf-8", "replace")
        if self._operator and hmac.compare_digest(given, self._operator):
            return "operator"
        return "viewer" if self._viewer and hmac.compare_digest(given, self._viewer) else ""

    def _turn_away(self, envelope: list[bytes], id: str, name: str, text: str, problem: Problem) -> None:  # noqa: A002
        self.counts.received += 1
        setattr(self.counts, str(problem), getattr(self.counts, str(problem)) + 1)
        reply = Reply(
            id=id[:LONGEST_WORD], name=name[:LONGEST_WORD], target="", outcome=Outcome.REFUSED, text=text,
            problem=problem,
        )  # fmt: skip
        self._write(envelope, close_word(reply))

    def _answer(self, envelope: list[bytes], reply: Reply) -> None:
        """Have a reply sent; this is called by the run's thread."""
        if not self._is_closing:  # else nobody sends any more, and the descriptor may be another one's
            self._unsent.append((envelope, reply))
            os.eventfd_write(self._wake, 1)

    def _send(self) -> None:
        while self._unsent:
            envelope, reply = self._unsent.popleft()
            try:
                data = close_word(reply)
            except (TypeError, ValueError):  # a body that JSON cannot hold: the reply without it says what was done
                data = close_word(msgspec.structs.replace(reply, body=None))
            self._write(envelope, data)

    def _write(self, envelope: list[bytes], data: bytes) -> None:
        try:
            self._socket.send_multipart([*envelope, data], zmq.NOBLOCK)
        except zmq.ZMQError:  # it has gone, or takes nothing
            self.counts.unanswered += 1

    def _dismiss(self) -> None:
        """Tell those whose commands nobody will look at any more."""
        while self._came:
            envelope, asked = self._came.popleft()
            reply = Reply(
                id=asked.command.id, name=asked.command.name, target=asked.command.target, outcome=Outcome.FAILED,
                text="the program ended before it looked at this", problem=Problem.ENDED,
            )  # fmt: skip
            self._write(envelope, close_word(reply))


def control_door(address: str, desk: ControlDesk, environ: Mapping[str, str] = os.environ) -> ControlDoor:
    """Return a door whose tokens are those of the environment, as those of the views.

    Raises
    ------
    ServiceError
        As ``ControlDoor``.
    """
    tokens = {"viewer_token": environ.get(VIEWER_TOKEN, ""), "operator_token": environ.get(OPERATOR_TOKEN, "")}
    try:
        return ControlDoor(address, desk, **tokens)
    except ServiceError as error:
        if any(tokens.values()) or "token" not in str(error):
            raise
        raise ServiceError(f"{error}; tokens are taken from {VIEWER_TOKEN} and {OPERATOR_TOKEN}") from error
