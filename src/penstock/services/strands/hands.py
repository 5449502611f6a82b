"""The workers of a parallel stage in this process: threads, or tasks of one event loop.

What they do for the stage is one contract, `Hand`, which a worker that is a process keeps too.
"""

import asyncio
import contextvars
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, ClassVar

from penstock.errors import PenstockError
from penstock.services.strands.steps_copy import Answer, StepsCopy

__all__ = ["Hand", "TaskHand", "ThreadHand"]


class Hand(ABC):
    """One worker, as its stage sees it; whoever calls it is one thread.

    Parameters
    ----------
    name
        For people, such as ``fit-0``.

    Attributes
    ----------
    trouble
        Why it can do no more, or could not be closed.
    """

    credits: ClassVar[int] = 2
    """Spans it may have at once: one that it works on, and one that lies ready."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble = ""
        self.is_recalling = False
        """Whether it was asked what it has not begun, and has not said it."""
        self.is_net = False
        """Whether generators or buffers are among its steps: then it gives nothing back, and no item has an outcome."""
        self.heard = 0
        """How much it has said by now."""
        self.wake: Callable[[], None] = _nothing

    @property
    @abstractmethod
    def begun(self) -> int:
        """How many items it has begun."""

    @property
    def is_ready(self) -> bool:
        """Whether it can be given something."""
        return True

    @property
    @abstractmethod
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""

    @abstractmethod
    def start(self) -> None:
        """Begin; it calls ``wake`` whenever it has something to say."""

    @abstractmethod
    def give(self, items: list[Any]) -> None:
        """Let it work on a span of items."""

    @abstractmethod
    def hear(self) -> list[Answer]:
        """Return what it has said."""

    @abstractmethod
    def recall(self) -> None:
        """Have it say what it has done, and give back what it has not begun; ``take_returned`` says how much."""

    @abstractmethod
    def take_returned(self) -> int:
        """Return how many items it has given back since the last time."""

    @abstractmethod
    def apply(self, values: Mapping[str, Any]) -> None:
        """Have it use other values of parameters from the next span on."""

    @abstractmethod
    def finish(self) -> None:
        """Let it end when it has done what it has, and close its steps."""

    @abstractmethod
    def halt(self) -> None:
        """Let it begin nothing more, and end."""


class _HandHere(Hand):
    """A worker in this process."""

    def __init__(self, name: str, copy: StepsCopy) -> None:
        super().__init__(name)
        self._begun = [0]
        self.copy = copy
        copy.count_begun(self._begun)
        self._answers: deque[Answer] = deque()
        self._returned = 0
        self._is_halted = False

    @property
    def begun(self) -> int:
        """Return how many items it has begun."""
        return self._begun[0]

    def hear(self) -> list[Answer]:
        """Return what it has said."""
        found = []
        while self._answers:
            found.append(self._answers.popleft())
        return found

    def take_returned(self) -> int:
        """Return how many items it has given back since the last time."""
        count, self._returned = self._returned, 0
        return count

    def _tell(self, answer: Answer) -> None:
        self._answers.append(answer)
        self.wake()

    def _set(self, values: Mapping[str, Any]) -> None:
        try:
            self.copy.apply(values)
        except PenstockError as error:
            self.trouble = str(error)


class ThreadHand(_HandHere):
    """A worker that is a thread of its own."""

    def __init__(self, name: str, copy: StepsCopy) -> None:
        super().__init__(name, copy)
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._live,), name=f"penstock {name}", daemon=True
        )  # nobody waits for user code that never comes back
        self._has_begun = self._has_ended = False

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""
        return self._has_ended or not self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._has_begun = True
        self._thread.start()

    def give(self, items: list[Any]) -> None:
        """Let it work on a span of items."""
        self._inbox.put(items)

    def recall(self) -> None:
        """Have it give back what it has not begun."""
        # What lies ready first: the thread may take it meanwhile, and what is given back must be the last.
        kept = []
        try:
            while True:
                found = self._inbox.get_nowait()
                if isinstance(found, list):
                    self._returned += len(found)
                else:
                    kept.append(found)
        except Empty:
            pass
        self._returned += self.copy.recall()
        for each in kept:
            self._inbox.put(each)

    def apply(self, values: Mapping[str, Any]) -> None:
        """Have it use other values of parameters from the next span on."""
        self._inbox.put(dict(values))

    def finish(self) -> None:
        """Let it end when it has done what it has."""
        self._inbox.put(None)

    def halt(self) -> None:
        """Let it begin nothing more, and end."""
        self._is_halted = True
        self.copy.halt()
        self.finish()

    def join(self) -> None:
        """Wait until it has ended."""
        if self._has_begun:
            self._thread.join()

    def _live(self) -> None:
        try:
            self._work()
        finally:
            # Said before it wakes the stage, which would find a thread that is still alive, and wait for ever.
            self._has_ended = True
            self.wake()

    def _work(self) -> None:
        while (found := self._inbox.get()) is not None and not self._is_halted:
            if isinstance(found, dict):
                self._set(found)
            else:
                self.copy.work(found, self._tell)
        self.trouble = self.trouble or self.copy.close()


class TaskHand(_HandHere):
    """A worker that is a task of the loop on which its stage is."""

    credits = 1  # handing over costs nothing there, and what waits may go to another

    def __init__(self, name: str, copy: StepsCopy) -> None:
        super().__init__(name, copy)
        self._inbox: asyncio.Queue[list[Any] | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""
        return self._task is None or self._task.done()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._live(), name=self.name)
        self._task.add_done_callback(lambda _: self.wake())

    def give(self, items: list[Any]) -> None:
        """Let it work on a span of items."""
        self._inbox.put_nowait(items)

    def recall(self) -> None:
        """Have it give back what it has not begun."""
        while not self._inbox.empty():
            self._returned += len(self._inbox.get_nowait() or ())
        self._returned += self.copy.recall()

    def apply(self, values: Mapping[str, Any]) -> None:
        """Have it use other values of parameters from the next span on."""
        self._set(values)

    def finish(self) -> None:
        """Let it end when it has done what it has."""
        self._inbox.put_nowait(None)

    def halt(self) -> None:
        """Let it begin nothing more, and end."""
        self.copy.halt()
        if self._task is not None:
            self._task.cancel()

    async def join(self) -> None:
        """Wait until it has ended."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _live(self) -> None:
        try:
            while (items := await self._inbox.get()) is not None:
                await self.copy.work_awaiting(items, self._tell)
        finally:
            self.trouble = self.trouble or self.copy.close()


def _nothing() -> None: ...
