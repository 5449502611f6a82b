"""All strands of a run at work: threads, one event loop, and how they are stopped.

It knows when everything has ended and what is left where; it judges nothing.
"""

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from penstock.errors import PenstockError
from penstock.services.strands.host import Host
from penstock.services.strands.strand import Strand

__all__ = ["Net"]


class Net:
    """Strands that work beside the caller.

    Parameters
    ----------
    strands
        Not begun.
    host
        What they live on.

    Attributes
    ----------
    pollable
        A file descriptor that can be read when a strand has ended or failed.
    troubles
        What went wrong, in the order in which it did.
    """

    def __init__(self, strands: Sequence[Strand], host: Host) -> None:
        self.strands = strands
        self.troubles: list[PenstockError] = []
        self._host = host
        self._loop_thread: threading.Thread | None = None
        self.pollable = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_open = True
        self._lock = threading.Lock()
        self.is_quiet = False
        """Whether everybody waits, and whoever has news will tell: there is no need to beat."""

    def start(self) -> None:
        """Let all strands work."""
        for strand in self.strands:
            strand.on_trouble = self._note
            strand.books.on_news = self._end_quiet
            strand.standstill.on_parked = self.tell
            strand.live_on(self._host)
        on_loop = [strand for strand in self.strands if strand.is_async]
        if on_loop:
            self._loop_thread = self._thread("loop", lambda: self._run_loop(on_loop))
        for strand in self.strands:
            if not strand.is_async:
                strand.thread = self._thread(strand.name, partial(self._live, strand))
        self._host.begin(self.stop_reading, self.tell)

    @property
    def is_over(self) -> bool:
        """Whether every strand has ended."""
        return not self.working()

    def working(self) -> list[Strand]:
        """Return the strands that have not ended."""
        return [strand for strand in self.strands if self._is_working(strand)]

    def beat(self) -> None:
        """Have every strand keep its books, and find out whether all of them wait."""
        self.is_quiet = True  # first, so that no news is missed meanwhile
        waiting = [strand.beat() for strand in self.strands if not strand.is_over]
        if not all(waiting):
            self.is_quiet = False

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let nobody keep books meanwhile, so that they can be read together."""
        with ExitStack() as stack:
            for strand in self.strands:  # first, as they do
                stack.enter_context(strand.books.lock)
            # What comes to workers and from them is counted in the books of their stage, whatever the strand is at.
            for stage in {id(stage): stage for strand in self.strands for stage in strand.stages}.values():
                stack.enter_context(stage.books)
            yield

    def stop_reading(self) -> None:
        """Let nothing more come; what is here is brought out."""
        for strand in self.strands:
            strand.stop_reading()

    def halt(self) -> None:
        """Let nobody work on anything more."""
        for strand in self.strands:
            strand.halt()

    def hear(self) -> None:
        """Take note that something had ended."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.pollable)

    def join(self, timeout_s: float) -> list[str]:
        """Wait for all threads; return the names of strands that did not end in time, which are left alone."""
        until = time.monotonic() + timeout_s
        threads = [strand.thread for strand in self.strands if strand.thread is not None]
        for thread in (*threads, self._loop_thread):
            if thread is not None:
                thread.join(max(0.0, until - time.monotonic()))
        return [strand.name for strand in self.working()]

    def close(self) -> None:
        """Let go of the pollable."""
        with self._lock:
            self._is_open = False
            os.close(self.pollable)

    def left(self) -> list[tuple[Strand, str, int]]:
        """Return what came to strands by which edge and was not worked on."""
        return [(strand, edge, count) for strand in self.strands for edge, count in strand.left().items() if count]

    @staticmethod
    def _is_working(strand: Strand) -> bool:
        return strand.task is None or not strand.task.done() if strand.is_async else not strand.has_returned

    def _thread(self, name: str, call: Callable[[], Any]) -> threading.Thread:
        # Nobody waits for a thread that user code never comes back from.
        return self._host.thread(f"penstock {name}", partial(contextvars.copy_context().run, call))

    def _live(self, strand: Strand) -> None:
        try:
            strand.live()
        finally:
            strand.has_returned = True
            self.tell()

    def _run_loop(self, strands: Sequence[Strand]) -> None:
        with asyncio.Runner(loop_factory=self._host.loop) as runner:
            runner.run(self._live_awaiting(strands))

    async def _live_awaiting(self, strands: Sequence[Strand]) -> None:
        loop = asyncio.get_running_loop()
        for strand in strands:
            strand.loop = loop
            strand.task = loop.create_task(strand.live_awaiting(), name=strand.name)
            strand.task.add_done_callback(lambda _: self.tell())
        await asyncio.wait([strand.task for strand in strands if strand.task is not None])

    def _note(self, trouble: PenstockError) -> None:
        with self._lock:
            self.troubles.append(trouble)
        self.tell()

    def _end_quiet(self) -> None:
        if self.is_quiet:
            self.is_quiet = False
            self.tell()

    def tell(self) -> None:
        """Wake whoever waits for the pollable; from any thread."""
        with self._lock:
            if self._is_open:
                os.eventfd_write(self.pollable, 1)
