"""Reads that wait on the server: each is asked again when its stream has changed, and answered at the latest in time.

On the loop's thread. A stream is watched only while somebody waits for it.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

from penstock.compat.asapo.broker import Answer, Nothing
from penstock.compat.asapo.patience import Patience
from penstock.compat.asapo.view import StreamView

__all__ = ["Waiting"]

NS: Final = 1e-9
SOON_S: Final = 0.001


class _Read:
    """One of them."""

    def __init__(self, nothing: Nothing, until: float) -> None:
        self.nothing = nothing
        self.until = until
        self.timer: asyncio.TimerHandle | None = None
        self.ask_again: Callable[[], None] = lambda: None


class Waiting:
    """All reads that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reads: dict[Hashable, _Read] = {}
        self._watched: dict[StreamView, list[int]] = {}

    def wait(
        self,
        who: Hashable,
        patience: Patience,
        asked: object,
        ask: Callable[[], Answer | Nothing],
        respond: Callable[[Answer], None],
    ) -> None:
        """Ask, and respond with what is found, now or when it comes; or that there is nothing, when patience is over.

        Parameters
        ----------
        who
            By which ``stop`` means it; it waits for one thing at a time.
        asked
            What is asked for.
        """
        answer = ask()
        if not isinstance(answer, Nothing):
            patience.answer()
            respond(answer)
            return
        began = self._loop.time()
        read = self._reads[who] = _Read(answer, began + patience.ask(asked, began))

        def ask_again() -> None:
            if self._reads.get(who) is not read:
                return
            answer = ask()
            if not isinstance(answer, Nothing):
                self.stop(who)
                patience.answer()
                respond(answer)
            elif self._loop.time() >= read.until:
                self.stop(who)
                patience.answer_nothing(self._loop.time())
                respond(answer.otherwise)
            else:
                self._move(read, answer)

        read.ask_again = ask_again
        if self._begin(read):
            ask_again()  # what came before it was watched

    def stop(self, who: Hashable) -> None:
        """Let somebody wait no more."""
        read = self._reads.pop(who, None)
        if read is not None:
            self._end(read)

    def forget(self, view: StreamView) -> None:
        """Watch a stream no more, which is about to be closed; who waits for it asks again, which finds another."""
        self._unwatch(view)
        for call in list(view.waiting):
            call()

    def close(self) -> None:
        """Let all wait no more."""
        for who in list(self._reads):
            self.stop(who)

    def _begin(self, read: _Read) -> bool:
        """Wait for what a read lacks; return whether nobody did before."""
        view, at, due_ns = read.nothing.view, read.until, read.nothing.due_ns
        if due_ns is not None:
            at = min(at, max(due_ns * NS, self._loop.time() + SOON_S))
        read.timer = self._loop.call_at(at, read.ask_again)
        view.waiting[read.ask_again] = None
        is_new = view not in self._watched
        if is_new:
            self._watch(view)
        return is_new

    def _end(self, read: _Read) -> None:
        if read.timer is not None:
            read.timer.cancel()
        view = read.nothing.view
        view.waiting.pop(read.ask_again, None)
        if not view.waiting:
            self._unwatch(view)

    def _move(self, read: _Read, nothing: Nothing) -> None:
        """Go on waiting, perhaps for something else."""
        if nothing.view is not read.nothing.view:
            self._end(read)
        elif read.timer is not None:
            read.timer.cancel()
        read.nothing = nothing
        self._begin(read)

    def _watch(self, view: StreamView) -> None:
        fds = self._watched[view] = [reader.fileno() for reader in view.readers]
        for fd in fds:
            self._loop.add_reader(fd, self._seen, view)

    def _unwatch(self, view: StreamView) -> None:
        for fd in self._watched.pop(view, []):
            self._loop.remove_reader(fd)

    def _seen(self, view: StreamView) -> None:
        view.quieten()
        if len(view.readers) != len(self._watched.get(view, ())):  # it has turned out to be of datasets
            self._unwatch(view)
            self._watch(view)
        for call in list(view.waiting):
            call()
