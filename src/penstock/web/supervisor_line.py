"""The web process's side of the link to the supervisor: questions go out, answers come back to who asked."""

import asyncio
import os
from collections.abc import Container
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

from penstock.errors import ServiceError, StateError
from penstock.transport.seqpacket import LIMIT, Link
from penstock.wire.web import Answer, Pieces, Question, open_answer, pieces

__all__ = ["LateAnswerError", "SupervisorLine", "UnknownError"]

PATIENCE_S = 10.0
FRESH_S = 0.1
ROOM_S = 0.005
"""How often it is looked whether there is room for the next piece of a long question."""
ALWAYS = frozenset({
    "runs", "run", "start", "command", "commands", "states", "notices", "journal", "feedback", "history",
    "parameter-changes", "replays", "replay", "end-replay",
})  # fmt: skip
"""What is answered after the end of a run too."""


class LateAnswerError(ServiceError):
    """The supervisor did not answer in time."""


class UnknownError(ServiceError):
    """What was asked for does not exist."""


class SupervisorLine:
    """Ask the supervisor, from one event loop.

    Parameters
    ----------
    link
        This end.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._pieces = Pieces()
        self._numbers = count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Answer]]] = {}
        self._sending = asyncio.Lock()
        self._reporting: asyncio.Future[Any] | None = None
        self._reported_s = 0.0
        self.last: Any = None  # what JSON can hold
        """The report of a run that has ended."""
        self.gone = asyncio.Event()
        """Set when the supervisor has died."""
        self.bells: set[asyncio.Event] = set()
        """Of those who are to be woken when user code has said something back to the scan."""

    def listen(self) -> None:
        """Begin to take answers; call it in the loop."""
        asyncio.get_running_loop().add_reader(self._link.fileno(), self._hear)

    async def report(self) -> Any:  # what JSON can hold
        """Return the report of the run, no older than a moment; after the end, the last one.

        However many ask, the run is asked ten times a second at most.

        Raises
        ------
        StateError
            If none has begun; if it has just ended, and its last report is not there yet.
        LateAnswerError
            If no answer came in time.
        """
        if self.last is not None:
            return self.last
        now_s = asyncio.get_running_loop().time()
        if self._reporting is None or (self._reporting.done() and now_s - self._reported_s > FRESH_S):
            self._reporting, self._reported_s = asyncio.ensure_future(self.ask("status")), now_s
        try:
            return await asyncio.shield(self._reporting)
        except StateError as error:
            return self._last_report(str(error))

    async def ask(self, what: str, body: Any = None) -> Any:  # what JSON can hold
        """Ask, and return the answer.

        Raises
        ------
        StateError
            If the run has ended.
        UnknownError, ServiceError
            If something named does not exist; if it was refused.
        LateAnswerError
            If no answer came in time.
        """
        return (await self.ask_numbered(what, body))[1]

    async def ask_numbered(self, what: str, body: Any = None) -> tuple[int, Any]:  # what JSON can hold
        """Do the same, and return the number of the question, too, for ``told``."""
        if self.last is not None and what not in ALWAYS:
            raise StateError("the run has ended")
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = what, future
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._send(Question(number, what, msgspec.Raw(msgspec.json.encode(body))))
                answer = await future
        except TimeoutError:
            raise LateAnswerError(f"the supervisor has not answered for {PATIENCE_S:g} s; try again") from None
        except BrokenPipeError:
            raise StateError("the run has ended") from None
        finally:
            self._waiting.pop(number, None)
        found = msgspec.json.decode(answer.body)
        match answer.problem:
            case "":
                return number, found
            case "ended":
                raise StateError(str(found))
            case "unknown":
                raise UnknownError(str(found))
            case _:
                raise ServiceError(str(found))

    async def told(self, number: int) -> None:
        """Say that whoever asked has the answer: a supervisor that will replace this process waits for it."""
        with suppress(BrokenPipeError):
            await self._send(Question(number, "told", msgspec.Raw(b"null")))

    async def _send(self, question: Question) -> None:
        async with self._sending:  # pieces of different questions must not mix
            for piece in pieces(question, LIMIT):
                while not self._link.try_send(piece):
                    await asyncio.sleep(ROOM_S)

    def _last_report(self, why: str) -> Any:  # what JSON can hold
        if self.last is None:
            raise StateError(f"{why}, and there is no report yet; ask again")
        return self.last

    def _hear(self) -> None:
        while (received := self._link.try_receive()) is not None:
            for fd in received.fds:
                os.close(fd)
            data = self._pieces.take(received.data)
            if data is None:
                continue
            answer = open_answer(data)
            if answer.number == 0 and answer.problem == "feedback":
                for bell in self.bells:
                    bell.set()
            elif answer.number == 0:
                self.last = msgspec.json.decode(answer.body)
                for bell in self.bells:
                    bell.set()
                self._disappoint("the run has ended", ALWAYS)
            elif (found := self._waiting.get(answer.number)) is not None and not found[1].done():
                found[1].set_result(answer)
        if self._link.is_ended:
            asyncio.get_running_loop().remove_reader(self._link.fileno())
            self.gone.set()
            self._disappoint("who ran this run is gone")

    def _disappoint(self, why: str, but: Container[str] = ()) -> None:
        """Tell those who wait that nobody will answer them any more."""
        for what, waiting in self._waiting.values():
            if what not in but and not waiting.done():
                waiting.set_exception(StateError(why))
