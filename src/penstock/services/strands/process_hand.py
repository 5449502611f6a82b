"""A worker of a parallel stage that is a process, as its stage sees it; one that dies can be begun anew.

Two links lead to it: by one go items and come answers; by the other it is asked to give back what it has not begun,
also while user code keeps it busy.
"""

import mmap
import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.core.feedback import Said
from penstock.monitor.feedback import let_out
from penstock.services.blob import write_blob
from penstock.services.child import Child, Death
from penstock.services.element_orders import plain
from penstock.services.strands.hands import Hand
from penstock.services.strands.nursery import Nursery
from penstock.services.strands.shelf import INLINE_BYTES, SHARED_BYTES, Shelf, are_long, shelves
from penstock.services.strands.steps_copy import ACCOUNTED, GIVEN_UP, Answer
from penstock.services.strands.steps_order import StepsOrder
from penstock.services.usage import Gauge, Usage
from penstock.services.user_calls import Failure
from penstock.transport.seqpacket import Link
from penstock.wire.steps import (
    MOST_UNHEARD,
    Answered,
    Broken,
    Closed,
    End,
    Gave,
    Made,
    Recall,
    Returned,
    Set,
    Spoke,
    Took,
    Work,
    decode,
    decode_values,
    encode,
    encode_values,
)
from penstock.wire.values import encode_value

__all__ = ["ProcessHand"]

FUNCTION: Final = "penstock.services.strands.steps_process:run"
_NOTHING: Final = msgspec.Raw(b"\xc0")


class ProcessHand(Hand):
    """A worker that is a process.

    Parameters
    ----------
    order
        What it is to be.
    nursery
        Starts and kills it.
    cpus
        The processors it may run on; none named: any.
    """

    def __init__(self, order: StepsOrder, nursery: Nursery, *, cpus: Collection[int] = ()) -> None:
        super().__init__(order.name)
        self.order = order
        self.cpus = cpus
        self.deaths = 0
        self.child: Child | None = None
        self._nursery = nursery
        self._link: Link | None = None
        self._control: Link | None = None
        self._map: mmap.mmap | None = None
        self._page: memoryview | None = None
        self._items: Shelf | None = None
        """Where items lie that are long, and likewise what came of them."""
        self._outcomes: Shelf | None = None
        self.is_made = False
        """Whether it has made its steps."""
        self._is_over = False
        self._returned = 0
        self._asked_to_end = False
        self.pollables: Sequence[int] = ()
        """What can be read when it has something to say."""
        self._spoken: list[Said] = []
        """Said back to the scan about items that it has not answered for."""
        self._untold = 0
        """Of its ``Gave``: how many have gone on without its having been told."""
        self.mean_bytes = 0.0
        """Of an item, by now."""
        self.usage = Usage()
        self._gauge = Gauge()
        self.usage_s = 0.0
        """When that was asked."""

    @property
    def begun(self) -> int:
        """Return how many items it has begun."""
        page = self._page
        try:
            return 0 if page is None else page[0]
        except ValueError:  # the stage's own thread has let go of it, just now
            return 0

    @property
    def is_ready(self) -> bool:
        """Whether its steps are made."""
        return self.is_made and not self._asked_to_end and not self._is_over

    @property
    def has_ended(self) -> bool:
        """Whether it does nothing any more."""
        return self.child is None

    @property
    def pid(self) -> int:
        """Of the process; 0 if there is none."""
        child = self.child
        return 0 if child is None else child.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process lives, as the kernel says now, whoever has heard of its death; from any thread."""
        pid = self.pid
        try:
            return pid > 0 and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    @property
    def is_dead(self) -> bool:
        """Whether it has died without having been asked to end."""
        return self._link is not None and self._link.is_ended and not self._is_over

    @property
    def state(self) -> str:
        """What it is at, for reports."""
        if self.child is None:
            return "stopped"
        return "processing" if self.is_made else "initialised"

    def start(self) -> None:
        """Begin, or begin anew.

        Raises
        ------
        ProcessError
            If no process can be made.
        """
        page = os.memfd_create("penstock-begun", os.MFD_CLOEXEC)
        links: list[Link] = []
        try:
            os.ftruncate(page, SHARED_BYTES)
            for _ in range(2):
                links += Link.pair()
            fds = (links[1].fileno(), links[3].fileno(), page)
            self._map = mmap.mmap(page, SHARED_BYTES)
            self._page = memoryview(self._map)[: mmap.PAGESIZE].cast("q")
            self._items, self._outcomes = shelves(self._map)
            self.child = self._nursery.start(self.name, FUNCTION, self.order, fds, cpus=self.cpus)
        except BaseException:
            for link in links[0::2]:
                link.close()
            raise
        finally:
            for link in links[1::2]:
                link.close()
            os.close(page)
        self._link, self._control = links[0::2]
        self._note_pollables()
        self.is_made = self._is_over = self.is_recalling = False
        self._returned = self._untold = 0
        self._spoken = []  # it is said again, of items that another one gets

    def give(self, items: list[Any]) -> None:
        """Let it work on a span of items.

        Raises
        ------
        ResultTypeError
            If one of them cannot travel; nothing was sent.
        """
        shelf, freed = (None, []) if self.is_net or self._outcomes is None else (self._items, self._outcomes.news())
        laid = shelf.lay(items) if shelf is not None and are_long(items) else None
        if laid is None:
            data = encode_values(items)
            self.mean_bytes = len(data) / len(items)
            if len(data) <= INLINE_BYTES:
                self._send(Work(len(items), msgspec.Raw(data), None, freed))
                return
            laid = shelf.lay(items, data) if shelf is not None else None
        if laid is not None:
            self.mean_bytes = laid.nbytes / len(items)
            self._send(Work(len(items), _NOTHING, laid, freed))
            return
        file = write_blob("items", data)
        try:
            self._send(Work(len(items), _NOTHING, None, freed), file)
        finally:
            os.close(file)

    def hear(self) -> list[Answer]:
        """Return what it has said."""
        found: list[Answer] = []
        for link in (self._link, self._control):
            while link is not None and not link.is_ended and (message := link.try_receive()) is not None:
                self._take(decode(message.data, "stage"), message.fds, found)
            if link is not None and link.is_ended:
                self._note_pollables()
        if self._is_over and self._link is not None and self._link.is_ended:
            self._bury()
        return found

    def recall(self) -> None:
        """Ask it to give back what it has not begun."""
        self.is_recalling = True
        if self._control is not None:
            with suppress(BrokenPipeError):
                self._control.send(encode(Recall()))

    def let_go_on(self) -> None:
        """Tell it now and then that everything it gave has gone on."""
        if self._untold >= MOST_UNHEARD // 2:
            self._send(Took(self._untold))
            self._untold = 0

    def take_returned(self) -> int:
        """Return how many items it has given back since the last time."""
        count, self._returned = self._returned, 0
        return count

    def apply(self, values: Mapping[str, Any]) -> None:
        """Have it use other values of parameters from the next span on."""
        self._send(Set(encode_value(plain(values))))

    def look_at_usage(self) -> None:
        """Note what it uses by now."""
        if self.child is not None:
            self.usage, self.usage_s = self._gauge.of(self.child.pid), time.monotonic()

    def finish(self) -> None:
        """Let it end when it has done what it has."""
        self.look_at_usage()
        self._asked_to_end = True
        self._send(End())

    def halt(self) -> None:
        """Kill it, and wait for its end."""
        self._asked_to_end = self._is_over = True
        self.kill()
        if self.child is not None:
            self._bury()

    def kill(self) -> None:
        """Kill it; what it had is lost with it."""
        if self.child is not None:
            self._nursery.kill(self.child)

    def death(self) -> Death:
        """Let go of one that has died, and return how."""
        self.deaths += 1
        return self._bury()

    def _bury(self) -> Death:
        child = self.child
        assert child is not None, "there was a process"
        for link in (self._link, self._control):
            if link is not None:
                link.close()
        self._link = self._control = None
        self._note_pollables()
        for shelf in (self._items, self._outcomes):
            if shelf is not None:
                shelf.close()
        self._items = self._outcomes = None
        if self._page is not None and self._map is not None:
            self._page.release()
            self._map.close()
        self._page = self._map = None
        death = self._nursery.death_of(child)
        self.child = None
        return death

    def _note_pollables(self) -> None:
        links = (self._link, self._control)
        self.pollables = tuple(link.fileno() for link in links if link is not None and not link.is_ended)

    def _send(self, message: Work | Set | End | Took, *fds: int) -> None:
        if self._link is not None:
            with suppress(BrokenPipeError):  # it has died, which is heard next
                self._link.send(encode(message), fds)

    def _take(self, message: Any, fds: tuple[int, ...], found: list[Answer]) -> None:
        self.heard += 1
        match message:
            case Answered():
                if self._items is not None:
                    self._items.free(message.freed)
                found.append(self._answer(message, fds))
                spoken, self._spoken = self._spoken, []
                for said in spoken:
                    let_out(said)
            case Spoke(feedback):
                self._spoken += feedback
            case Gave():
                self._untold += 1
                found.append(_given(message, fds))
            case Returned(count):
                self._returned += count
                self.is_recalling = False
            case Made(is_net):
                self.is_made, self.is_net = True, is_net
            case Broken(text):
                self.trouble = text
            case Closed(trouble):
                self.trouble = trouble
                self._is_over = True

    def _answer(self, message: Answered, fds: tuple[int, ...]) -> Answer:
        if message.laid is not None and self._outcomes is not None:
            outcomes = self._outcomes.take(message.laid, message.count)
        else:
            outcomes = _values(message, fds)
        for at in message.given_up:
            outcomes[at] = GIVEN_UP
        return Answer(outcomes, message.took_ns, _failures(message), message.tallies, message.trouble)


def _given(message: Gave, fds: tuple[int, ...]) -> Answer:
    outcomes = [ACCOUNTED] * message.settled
    answer = Answer(outcomes, message.took_ns, _failures(message), message.tallies)
    answer.given, answer.accounts = _values(message, fds), message.accounts
    return answer


def _values(message: Answered | Gave, fds: tuple[int, ...]) -> list[Any]:
    data: Any = message.values
    if fds:
        # Of the reader's own: what is written into an array goes nowhere else, and what is not is never copied.
        with os.fdopen(fds[0], "rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    return decode_values(data, message.count)


def _failures(message: Answered | Gave) -> list[Failure]:
    return [
        Failure(stage="", event=None, cause=failed.cause, traceback=failed.traceback, item=failed.item)
        for failed in message.failures
    ]
