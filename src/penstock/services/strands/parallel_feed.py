"""A parallel stage as a feed: items of an edge go to workers, and what came of them comes out, in order or free.

It runs in the strand behind it, between whose items it hears the workers; no thread of its own. A worker that is alone
may be a *net*, with generators or buffers: then what comes out belongs to no item, and the worker says what of its
items is in the books.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from penstock.core import NS_PER_S
from penstock.services.strands.admission import Admission
from penstock.services.strands.care import Care
from penstock.services.strands.discarding import Discarding
from penstock.services.strands.edge import Edge
from penstock.services.strands.ending import Ending
from penstock.services.strands.failures import Failures
from penstock.services.strands.gate import Gate
from penstock.services.strands.handout import Handout
from penstock.services.strands.hands import Hand, TaskHand, ThreadHand
from penstock.services.strands.hearing import Hearing
from penstock.services.strands.lane_out import LaneOut
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.net_accounts import NetAccounts
from penstock.services.strands.outflow import Outflow
from penstock.services.strands.pace import Pace
from penstock.services.strands.passed_on import PassedOn
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.shares import Shares
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage
from penstock.services.strands.tallies import StepTally
from penstock.services.strands.told_values import ToldValues
from penstock.services.strands.waking import Waking

__all__ = ["ParallelFeed"]


class ParallelFeed:
    """All workers of a parallel stage, and what they give.

    Parameters
    ----------
    stage
        Its plan and its books.
    edge
        From which its items come.
    hands
        Its workers, not begun; all of one kind.
    tallies
        Of its steps.
    books
        By lane, its books; by default the stage's.
    make
        Makes another worker of a name, not begun; without it there will be no others.
    """

    def __init__(
        self,
        stage: Stage,
        edge: Edge | LanedEdge,
        hands: Sequence[Hand],
        tallies: Sequence[StepTally],
        books: Sequence[Stage] = (),
        make: Callable[[str], Hand] | None = None,
    ) -> None:
        self.stage = stage
        self.edge = edge
        self.tallies = tallies
        self.is_async = isinstance(hands[0], TaskHand)
        self.outs: list[LaneOut] = []
        """By lane; of a stage without lanes none."""
        self.pause: Callable[[], None] = _nothing
        """Called, by whoever wakes it, while a piece of a lower lane goes on."""
        self.books = books or [stage]
        self.is_held = False
        """Whether workers are given nothing more."""
        self.gate: Gate | None = None
        """Shut while nothing that comes of items is to go on, once there is one."""
        self.waking = Waking()
        self._is_giving_low = False
        self._edges: Sequence[Edge] = edge.edges if isinstance(edge, LanedEdge) else [edge]
        self._shares = Shares(len(hands), order=stage.plan.order, lanes=len(self._edges))
        self.staff = Staff(stage.name, hands, self._shares, make)
        self._ending = ending = Ending()
        self._pace = Pace()
        self._net = NetAccounts(stage)
        self._passed_on = PassedOn(self._shares)
        self._values = ToldValues(self.wake)
        failures = Failures(stage, self.books, ending)
        self._hearing = Hearing(stage.name, self._shares, self._pace, tallies, failures, self._net, ending)
        self._care = Care(stage, self.staff, self._shares, self._hearing, failures, self._net, ending, self.wake)
        self._discarding = Discarding(self.books, self._shares, self.staff, self._hearing)
        self._admission = Admission(
            self._edges, self.books, self._shares, self.staff, self._pace, ending, self.outs
        )  # fmt: skip
        self._handout = Handout(
            self._admission, self._shares, self.staff, self._pace, self._hearing, failures, self._values, ending
        )
        self._outflow = Outflow(
            stage, self.books, self._shares, self.staff, self._net, self._passed_on, ending, self.outs
        )
        for tally in tallies:
            tally.step.on_change = self._values.change

    @property
    def name(self) -> str:
        """Of the edge."""
        return self.edge.name

    @property
    def processes(self) -> list[ProcessHand]:
        """Its workers that are processes."""
        return self.staff.processes

    @property
    def is_net(self) -> bool:
        """Whether its one worker has generators or buffers."""
        return any(desk.hand.is_net for desk in self.staff.desks)

    @property
    def is_halted(self) -> bool:
        """Whether it is to give nothing more."""
        return self._ending.is_halted

    @property
    def worked_ns(self) -> int:
        """How long workers have been at work on what they have answered for, all together."""
        return self._pace.worked_ns

    def begun(self) -> dict[str, int]:
        """Return how many items each worker has begun; one that took the place of another counts from 0."""
        return {desk.hand.name: desk.hand.begun for desk in self.staff.desks}

    def left(self) -> dict[str, int]:
        """Return by edge how many items lie before it that it has not counted."""
        return self._admission.left()

    @property
    def waiting(self) -> int:
        """Items that no worker was given; from any thread."""
        return self._admission.waiting

    def halt(self) -> None:
        """Let it give nothing more. From any thread."""
        self._ending.is_halted = True
        self.wake()

    def wake(self) -> None:
        """Look again whether there is something to do; from any thread."""
        if self.waking.wake() and self._is_giving_low:
            self.pause()

    # What may be asked of it from one other thread

    def hold(self, *, is_held: bool) -> None:
        """Give nothing more to workers, or go on."""
        self.is_held = is_held
        self.wake()

    def scale(self, workers: int) -> None:
        """Let there be so many workers from now on; ``Staff.scale`` says how."""
        self.staff.scale(workers)
        self.wake()

    def restart(self, name: str) -> bool:
        """Let another worker take the place of this one; return false if there is none of this name."""
        is_there = self.staff.restart(name)
        self.wake()
        return is_there

    def discard(self, then: Callable[[int], None]) -> None:
        """Give up what no worker has begun; ``then`` is told how much, in the strand's thread."""
        self._discarding.ask(then)
        self.wake()

    def has_passed_on(self, until: int) -> bool:
        """Return whether what came of the first so many items has gone on; asked again and again, from one thread.

        Of a stage without lanes. It is found out by the strand, on its next turn.
        """
        if self._passed_on.has(until):
            return True
        self.wake()
        return False

    # As a thread

    def items(self, _event: threading.Event) -> Iterator[Any]:
        """Yield what came of the items, waiting in this thread."""
        self._open()
        while not self._is_over():
            self._attend()
            found = self._outflow.ready()
            while self._is_shut:
                self.wait_held()
            yield from found
            self._outflow.count_given()
            self._wait(self._how_long())

    def pieces(self) -> Iterator[tuple[int, Iterator[Any]]]:
        """Yield lanes, and of each some of what came of its items, waiting in this thread; urgent ones first.

        What was not taken of a piece comes again.
        """
        self._open()
        while not self._is_over():
            self._outflow.count_given()
            self._attend()
            while self._is_shut:
                self.wait_held()
            yield from self._lane_pieces()
            self._wait(self._how_long())

    def wait_held(self) -> None:
        """Hear the workers and look after them until one says something more, while what comes of items waits."""
        self._open()
        self._attend()
        self._wait(self._how_long_held())

    def _open(self) -> None:
        if not self.waking.is_open:  # it may have been held before it had given anything
            self.waking.open()
            self._care.start()

    def _wait(self, wait_s: float | None) -> None:
        self.waking.sleep(wait_s, self._links)

    def _links(self) -> list[int]:
        return [fd for hand in self.processes for fd in hand.pollables]

    def close(self) -> None:
        """Let every worker end; one whose thread never comes back from user code is waited for."""
        self._net.release()
        self._outflow.count_given()
        self._discarding.end()
        for desk in self.staff.desks:
            if not desk.hand.has_ended:
                desk.hand.halt()
            if isinstance(desk.hand, ThreadHand):
                desk.hand.join()
        self.waking.close()

    # As a task

    async def items_awaiting(self) -> AsyncIterator[Any]:
        """Do as ``items`` on an event loop."""
        loop = asyncio.get_running_loop()
        self._care.start()
        while not self._is_over():
            self.waking.arm(loop)
            self._attend()
            found = self._outflow.ready()
            while self._is_shut:
                await self.wait_held_awaiting()
            for item in found:
                yield item
            self._outflow.count_given()
            await self.waking.sleep_awaiting(loop, self._how_long())

    async def pieces_awaiting(self) -> AsyncIterator[tuple[int, Iterator[Any]]]:
        """Do as ``pieces`` on an event loop."""
        loop = asyncio.get_running_loop()
        self._care.start()
        while not self._is_over():
            self.waking.arm(loop)
            self._outflow.count_given()
            self._attend()
            while self._is_shut:
                await self.wait_held_awaiting()
            for piece in self._lane_pieces():
                yield piece
            await self.waking.sleep_awaiting(loop, self._how_long())

    async def wait_held_awaiting(self) -> None:
        """Do as ``wait_held`` on an event loop."""
        loop = asyncio.get_running_loop()
        self.waking.arm(loop)
        self._attend()
        await self.waking.sleep_awaiting(loop, self._how_long_held())

    async def close_awaiting(self) -> None:
        """Do as ``close`` on an event loop."""
        self.close()
        for desk in self.staff.desks:
            if isinstance(desk.hand, TaskHand):
                await desk.hand.join()

    # Both

    @property
    def _is_shut(self) -> bool:
        return self.gate is not None and self.gate.is_shut and not self._ending.is_halted

    def _is_over(self) -> bool:
        ending = self._ending
        if ending.is_halted:
            return True
        if ending.fatal is not None and not self._outflow.waits_in_lanes:
            self._outflow.fail(ending.fatal)
        if ending.has_ended_early:
            self._admission.take_back()
            return True
        if self._shares.in_flight or not self.edge.has_ended or self.edge.items:
            return False
        if self._outflow.waits_in_lanes:
            return False
        if not ending.is_finishing:
            ending.is_finishing = True
            self._care.finish()
        if not self._have_all_ended():
            return False
        if troubles := [desk.hand.trouble for desk in self.staff.desks if desk.hand.trouble]:
            raise StageFailedError("; ".join(troubles))
        return True

    def _have_all_ended(self) -> bool:
        return all(desk.hand.has_ended for desk in self.staff.desks)

    def _attend(self) -> None:
        """Hear everybody, and give out what can be given."""
        now_ns = time.monotonic_ns()
        self.staff.obey()
        self._care.start()
        for desk in self.staff.desks:
            if self._may_have_spoken(desk.hand):
                self._hearing.hear(desk)
            desk.look(now_ns)
            self._care.look_after(desk, now_ns)
            if desk.hand.is_net and desk.hand.is_ready:
                self._values.tell(desk)  # it may give something without being given anything
        if self._discarding:
            self._discarding.go_on()
        if not (self.is_held or self._discarding):
            self._handout.give_out(now_ns)

    def _may_have_spoken(self, hand: Hand) -> bool:
        return not isinstance(hand, ProcessHand) or self.waking.may_have_come(hand.pollables)

    def _lane_pieces(self) -> Iterator[tuple[int, Iterator[Any]]]:
        """Yield pieces of what goes on, urgent lanes first, until somebody has something to say."""
        self._outflow.fill_lanes()
        for lane, out in enumerate(self.outs):
            while (piece := out.next_piece()) is not None:
                for edge in self._edges[:lane]:
                    edge.when_any(self.wake)
                self._is_giving_low = lane > 0
                yield lane, piece
                self._is_giving_low = False
                out.settle()
                if self._is_shut or (lane and self.waking.is_woken):
                    return

    # Waiting

    def _how_long(self) -> float | None:
        """Return for how long to wait, in s; 0: not at all; ``None``: until somebody has something to say."""
        ending = self._ending
        if ending.is_halted or ending.has_ended_early or (ending.is_finishing and self._have_all_ended()):
            return 0.0
        if not (self._asks_for_items() and self._asks_for_room()):
            return 0.0
        due_ns = [at_ns for desk in self.staff.desks for at_ns in self._care.due_ns(desk)]
        return max(0.001, (min(due_ns) - time.monotonic_ns()) / NS_PER_S) if due_ns else None

    def _how_long_held(self) -> float | None:
        """Return for how long to wait while what comes of items waits, as ``_how_long``."""
        if not self._is_shut:
            return 0.0
        wait_s = self._how_long()
        return None if wait_s == 0 and not (self._is_able_to_take() and self.edge.items) else wait_s

    @property
    def _takes_nothing(self) -> bool:
        """Whether nothing more is given to workers, whatever comes."""
        ending = self._ending
        return ending.is_finishing or ending.is_failing or self.is_held or bool(self._discarding)

    def _asks_for_items(self) -> bool:
        """Have it woken when an item comes that can be given; return false if there is something to do already."""
        if self._takes_nothing:
            return True
        is_open = self._handout.who_is_free() is not None
        lowest = len(self._edges) - 1
        for lane, edge in enumerate(self._edges):
            # Where everybody has enough to do, what is urgent is heard of all the same.
            is_wanted = is_open or (lane < lowest and (not edge.items or bool(self._handout.in_the_way(lane))))
            if not (is_wanted and self._admission.has_room_for(lane)) or edge.when_any(self.wake):
                continue
            if edge.items or not edge.has_ended:
                return False
        is_at_its_end = self.edge.has_ended and not self.edge.items and not self._shares.in_flight
        return not is_at_its_end or self._outflow.waits_in_lanes

    def _is_able_to_take(self) -> bool:
        if self._takes_nothing or self._handout.who_is_free() is None:
            return False
        return any(map(self._admission.has_room_for, range(len(self._edges))))

    def _asks_for_room(self) -> bool:
        """Have it woken when there is room behind lanes that have something; return false if there is already."""
        return all(out.is_waiting(self.wake) for out in self.outs if out.left)


def _nothing() -> None: ...
