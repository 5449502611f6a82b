"""The supervisor's way to the event builder: its process, what is said to it, what it answers, whether it lives."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from penstock.core import NS_PER_S
from penstock.services.child import Child, Death
from penstock.services.orders import BuilderOrder
from penstock.services.processes import Processes
from penstock.services.progress import Progress
from penstock.transport.seqpacket import Link
from penstock.wire import supervision as say

__all__ = ["BuilderLine", "hangs"]


def hangs(progress: Progress | None, longest_s: float) -> bool:
    """Whether a process has not come round for too long; one that never did is being made."""
    if progress is None or not progress.beat_ns:
        return False
    return time.monotonic_ns() - progress.beat_ns > longest_s * NS_PER_S


class BuilderLine:
    """The event builder as its supervisor has it; until ``start``, and behind its end, nothing is said."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self.killed_for = ""
        """Why the supervisor killed it itself."""
        self._link: Link | None = None
        self._progress: Progress | None = None
        self._numbers = count(1)
        self._asked: dict[int, Callable[[Any], None]] = {}

    def start(self, processes: Processes, order: BuilderOrder, log: Sequence[int]) -> int:
        """Start it; return the descriptor that can be read when it says something.

        Parameters
        ----------
        log
            The file of the event log and what was formed in the run that is replayed, where there are such.
        """
        mine, its = Link.pair()
        self._progress = Progress.make("builder")
        try:
            fds = [its.fileno(), self._progress.fd, *log]
            self.child = processes.start("builder", "penstock.services.builder_process:run", order, fds)
        except BaseException:
            mine.close()
            raise
        finally:
            its.close()
        self._link = mine
        return mine.fileno()

    @property
    def is_open(self) -> bool:
        """Whether it may still say something."""
        return self._link is not None

    def hangs(self, longest_s: float) -> bool:
        """Whether it has not come round for so long."""
        return self.child is not None and hangs(self._progress, longest_s)

    def number(self, then: Callable[[Any], None]) -> int:
        """Return a number for something asked; ``then`` gets the answer that bears it."""
        number = next(self._numbers)
        self._asked[number] = then
        return number

    def answer(self, number: int, word: Any) -> None:
        """Hand an answer to whoever asked."""
        self._asked.pop(number)(word)

    def say(self, *words: Any, fds: Sequence[int] = ()) -> None:
        """Say something; to one that has died, nothing."""
        if words and self._link is not None:
            with suppress(BrokenPipeError):  # its death is told, with its cause
                self._link.send(say.seal_orders(words), fds)

    def hear(self, take: Callable[[Any], None], forget: Callable[[int], None]) -> None:
        """Take everything it has said; ``forget`` is told the descriptor that will say nothing more."""
        while self._link is not None:
            received = self._link.try_receive()
            if received is None:
                if self._link.is_ended:
                    forget(self._link.fileno())
                    self._link.close()
                    self._link = None
                return
            for word in say.open_orders(received.data):
                take(word)

    def is_it(self, death: Death) -> bool:
        """Whether it is the event builder that died; then it is known."""
        if self.child is None or death.child.number != self.child.number:
            return False
        self.child = None
        return True

    def close(self) -> None:
        """Let go of both ends of what was shared."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._progress is not None:
            self._progress.close()
            self._progress = None
