"""A parallel stage as a feed: items of an edge go to workers, and what came of them comes out, in order or free.

It runs in the strand behind it, between whose items it hears the workers; no thread of its own. Of several lanes the
most urgent that has something goes first: a worker gives back what it has not begun of others, so that an urgent item
waits for one item at most. A worker that is alone may be a *net*, with generators or buffers: then what comes out
belongs to no item, and the worker says what of its items is in the books.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import length_hint
from typing import Any, Final

from penstock.core import NS_PER_S, Account
from penstock.errors import PenstockError, ResultTypeError
from penstock.services.strands.desk import Desk, backoff_ns
from penstock.services.strands.edge import Edge
from penstock.services.strands.gate import Gate
from penstock.services.strands.hands import Hand, TaskHand, ThreadHand
from penstock.services.strands.lane_out import LaneOut
from penstock.services.strands.laned_edge import LanedEdge
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.run import StageFailedError
from penstock.services.strands.shares import Shares, Suspect
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage, shortened
from penstock.services.strands.steps_copy import ACCOUNTED, GIVEN_UP, Answer
from penstock.services.strands.tallies import StepTally
from penstock.services.strands.waking import Waking
from penstock.services.user_calls import Failure
from penstock.wire.steps import cannot_travel

__all__ = ["ParallelFeed"]

SPAN_NS: Final = 2_000_000
"""What a worker is given at once takes about so long, unless one item takes longer."""
LARGEST_SPAN: Final = 1000
SMALL_SPAN: Final = 16
"""Spans of fewer are of items that take longer than to give them does."""
WORTH_GIVING: Final = 0.25
"""This part of a span at least is given to a worker that is still busy with one."""
SPAN_BYTES: Final = 1 << 20
"""And about so many bytes at most, in processes."""
RECALL_NS: Final = 50_000_000
"""A worker that has been at one item for so long says what it has done, and gives back what lies ready for it."""
_DISCARDED: Final = object()
"""What came of an item that was given up on request."""
_NOTHING: Final = frozenset({GIVEN_UP, ACCOUNTED, _DISCARDED})
"""What stands for what came of an item, and does not go on."""
AHEAD: Final = 16
"""Spans for each worker that may be under way, or done and waiting for one before them."""


@dataclass(frozen=True, slots=True)
class _Fatal:
    """What came of an item on which the run is to fail."""

    text: str
    lane: int = 0


_SPECIAL: Final = frozenset({type(None), object, _Fatal})
"""Types of what does not go on, or may not: without any of them all that came of items does."""


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
        self._is_giving_low = False
        self._edges: Sequence[Edge] = edge.edges if isinstance(edge, LanedEdge) else [edge]
        self.books = books or [stage]
        self._admitted = [0] * len(self._edges)
        """By lane, items that were taken from the edge and counted."""
        self._fatal: _Fatal | None = None
        self._fails_at: int | None = None
        """Number of an item on which the run is to fail, if it is known."""
        self.is_halted = False
        self.is_held = False
        """Whether workers are given nothing more."""
        self.gate: Gate | None = None
        """Shut while nothing that comes of items is to go on, once there is one."""
        self._shares = Shares(len(hands), order=stage.plan.order, lanes=len(self._edges))
        self.staff = Staff(stage.name, hands, self._shares, make)
        self._discards: deque[Callable[[int], None]] = deque()
        self._discarded: int | None = None
        """Of what is being discarded, how many items by now; ``None`` if nothing is."""
        self._mean_ns = 0.0
        self.worked_ns = 0
        """How long workers have been at work on what they have answered for, all together."""
        self._size = 1
        """How many items a span has at most by now."""
        self._is_failing = self._is_finishing = self._has_ended_early = False
        self._trouble = ""
        """Why the run is to fail when all that came before has gone on."""
        self._given: list[Any] = []
        self._then: dict[Account, int] = {}
        """What a net has said of its items, in the books when what it gave has gone on."""
        self._held = 0
        """Of what is settled: items whose account a net has not said, one at most."""
        self._giving: Iterator[Any] = iter(())
        self._n_giving = 0
        self._n_taken = self._passed_on = 0
        """Items of which what came is going on now, and of which it has gone on."""
        self._asked: dict[int, int | None] = {}
        """By number of items: behind how many that have gone on all of these have; ``None`` if that is not known."""
        self._told: set[int] = set()
        """Those of them that have gone on."""
        self._values: Mapping[str, Any] = {}
        self.waking = Waking()
        for tally in tallies:
            tally.step.on_change = self._change

    @property
    def name(self) -> str:
        """Of the edge."""
        return self.edge.name

    @property
    def processes(self) -> list[ProcessHand]:
        """Its workers that are processes."""
        return [desk.hand for desk in self.staff.desks if isinstance(desk.hand, ProcessHand)]

    @property
    def is_net(self) -> bool:
        """Whether its one worker has generators or buffers."""
        return any(desk.hand.is_net for desk in self.staff.desks)

    def begun(self) -> dict[str, int]:
        """Return how many items each worker has begun; one that took the place of another counts from 0."""
        return {desk.hand.name: desk.hand.begun for desk in self.staff.desks}

    def left(self) -> dict[str, int]:
        """Return by edge how many items lie before it that it has not counted."""
        return {
            edge.name: len(edge) + edge.taken - admitted
            for edge, admitted in zip(self._edges, self._admitted, strict=True)
        }

    @property
    def waiting(self) -> int:
        """Items that no worker was given; from any thread."""
        return self._shares.waiting + sum(len(edge.items) for edge in self._edges)

    def halt(self) -> None:
        """Let it give nothing more. From any thread."""
        self.is_halted = True
        self.wake()

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
        self._discards.append(then)
        self.wake()

    def has_passed_on(self, until: int) -> bool:
        """Return whether what came of the first so many items has gone on; asked again and again, from one thread.

        Of a stage without lanes. It is found out by the strand, on its next turn.
        """
        if until in self._told:
            self._told = {other for other in self._told if other > until}
            return True
        self._asked.setdefault(until, None)
        self.wake()
        return False

    def _look_who_asks(self) -> None:
        for until, answered in list(self._asked.items()):
            # They may go on in any order, but behind those that are ready by then, nobody is left.
            if answered is None and self._shares.first_open() >= until:
                answered = self._asked[until] = self._shares.answered
            if answered is not None and self._passed_on >= answered:
                del self._asked[until]
                self._told.add(until)

    # As a thread

    def items(self, _event: threading.Event) -> Iterator[Any]:
        """Yield what came of the items, waiting in this thread."""
        self._open()
        while not self._is_over():
            found = self._turn()
            while self._is_shut:
                self.wait_held()
            yield from found
            self._count_given()
            self._wait(self._how_long())

    def pieces(self) -> Iterator[tuple[int, Iterator[Any]]]:
        """Yield lanes, and of each some of what came of its items, waiting in this thread; urgent ones first.

        What was not taken of a piece comes again.
        """
        self._open()
        while not self._is_over():
            self._count_given()
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
            self._start()

    def _wait(self, wait_s: float | None) -> None:
        self.waking.sleep(wait_s, self._links)

    def _links(self) -> list[int]:
        return [fd for hand in self.processes for fd in hand.pollables]

    def close(self) -> None:
        """Let every worker end; one whose thread never comes back from user code is waited for."""
        self._release()
        self._count_given()
        while self._discards:
            self._discards.popleft()(self._discarded or 0)
            self._discarded = None
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
        self._start()
        while not self._is_over():
            self.waking.arm(loop)
            found = self._turn()
            while self._is_shut:
                await self.wait_held_awaiting()
            for item in found:
                yield item
            self._count_given()
            await self.waking.sleep_awaiting(loop, self._how_long())

    async def pieces_awaiting(self) -> AsyncIterator[tuple[int, Iterator[Any]]]:
        """Do as ``pieces`` on an event loop."""
        loop = asyncio.get_running_loop()
        self._start()
        while not self._is_over():
            self.waking.arm(loop)
            self._count_given()
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

    def _start(self) -> None:
        for desk in self.staff.desks:
            if not desk.has_begun:
                self._begin(desk)

    def _begin(self, desk: Desk) -> None:
        desk.has_begun = True
        desk.hand.wake = self.wake
        self._guarded(desk.hand.start)

    @property
    def _is_shut(self) -> bool:
        return self.gate is not None and self.gate.is_shut and not self.is_halted

    def wake(self) -> None:
        """Look again whether there is something to do; from any thread."""
        if self.waking.wake() and self._is_giving_low:
            self.pause()

    def _is_over(self) -> bool:
        if self.is_halted:
            return True
        if self._fatal is not None and not any(out.left for out in self.outs):
            self._fail(self._fatal)
        if self._has_ended_early:
            self._put_back()
            return True
        if self._shares.in_flight or not self.edge.has_ended or self.edge.items:
            return False
        if any(out.left for out in self.outs):
            return False
        if not self._is_finishing:
            self._is_finishing = True
            for desk in self.staff.desks:
                desk.since_ns = time.monotonic_ns()
                desk.successor = None
                if not desk.hand.has_ended and not desk.is_asked_to_end:
                    desk.is_asked_to_end = True
                    desk.hand.finish()
        if not all(desk.hand.has_ended for desk in self.staff.desks):
            return False
        if troubles := [desk.hand.trouble for desk in self.staff.desks if desk.hand.trouble]:
            raise StageFailedError("; ".join(troubles))
        return True

    def _put_back(self) -> None:
        """Let all that was not settled lie before the stage again, where it is left."""
        count = self._shares.in_flight
        self._admitted[0] -= count  # where a worker is a net there is one lane
        self.stage.take_back(count)

    def _turn(self) -> Iterator[Any]:
        """Hear everybody, give out what can be given, and return an iterator over what goes on."""
        self._attend()
        return self._ready()

    def _attend(self) -> None:
        """Hear everybody, and give out what can be given."""
        now_ns = time.monotonic_ns()
        self.staff.obey()
        self._start()
        for desk in self.staff.desks:
            if self._may_have_spoken(desk.hand):
                self._hear(desk)
            desk.look(now_ns)
            self._look_after(desk, now_ns)
            if desk.hand.is_net and desk.hand.is_ready:
                self._values_to(desk)  # it may give something without being given anything
        if self._discards:
            self._discard()
        self._give_out(now_ns)

    def _discard(self) -> None:
        """Give up what no worker has, and what those give back that have not begun it."""
        if self._discarded is None:
            self._discarded = 0
            for desk in self.staff.desks:
                if desk.holds_up and not desk.hand.is_recalling:
                    self._recall(desk)
        for books, count in zip(self.books, self._shares.discard(_DISCARDED), strict=True):
            self._discarded += count
            books.post(Account.ABORTED, count)
        if any(desk.hand.is_recalling for desk in self.staff.desks):
            return  # until they have said what they had not begun
        discarded, self._discarded = self._discarded, None
        while self._discards:
            self._discards.popleft()(discarded)
            discarded = 0

    def _recall(self, desk: Desk) -> None:
        desk.is_recalled = True
        desk.hand.recall()
        self._hear(desk)
        desk.look(time.monotonic_ns())  # it may have had nothing more to give back, and nothing else would wake us

    def _may_have_spoken(self, hand: Hand) -> bool:
        return not isinstance(hand, ProcessHand) or self.waking.may_have_come(hand.pollables)

    def _hear(self, desk: Desk) -> None:
        hand = desk.hand
        for answer in hand.hear():
            self._note(desk, answer)
        if returned := hand.take_returned():
            desk.count_returned(returned)
            self._shares.take_back(desk.worker, returned)
        if self._is_finishing:
            return
        if hand.trouble:
            self._trouble, self._is_failing = hand.trouble, True
        elif hand.is_net and hand.has_ended and desk.is_expected:
            self._has_ended_early = True
        elif hand.has_ended and desk.spans:
            raise StageFailedError(f"stage {self.stage.name}: {hand.name} has ended in the midst of its work")

    def _note(self, desk: Desk, answer: Answer) -> None:
        count, lane = len(answer.outcomes), self._shares.lane_of(desk.worker)
        self._shares.answer(desk.worker, answer.outcomes)
        desk.count(count)
        desk.barren_deaths = desk.fruitless_deaths = 0
        self.worked_ns += answer.took_ns
        if count:
            mean_ns = answer.took_ns / count
            self._mean_ns = mean_ns if not self._mean_ns else 0.7 * self._mean_ns + 0.3 * mean_ns
        for tally, (arrived, filtered, failed, samples, sampled_ns, longest_ns) in zip(
            self.tallies, answer.tallies, strict=False
        ):
            tally.arrived += arrived
            tally.filtered += filtered
            tally.failed += failed
            tally.samples += samples
            tally.sampled_ns += sampled_ns
            tally.longest_ns = max(tally.longest_ns, longest_ns)
        for failure in answer.failures:
            self._keep(failure, lane)
        if desk.hand.is_net:
            self._note_accounts(answer)
        if answer.trouble:
            self._shares.answer(desk.worker, [_Fatal(answer.trouble)])
            desk.count(1)
            self._is_failing = True

    def _note_accounts(self, answer: Answer) -> None:
        self._given += answer.given
        done, filtered, given_up = answer.accounts
        for account, more in ((Account.DONE, done), (Account.FILTERED, filtered), (self.stage.account, given_up)):
            self._then[account] = self._then.get(account, 0) + more
        self._held += len(answer.outcomes) - sum(answer.accounts)

    def _keep(self, failure: Failure, lane: int) -> None:
        self.books[lane].keep(
            Failure(
                stage=self.stage.name,
                event=None,
                cause=failure.cause,
                traceback=failure.traceback,
                item=failure.item,
            )
        )

    def _look_after(self, desk: Desk, now_ns: int) -> None:
        hand = desk.hand
        if desk.is_leaving and not self._is_finishing and self._has_left(desk):
            return
        if desk.again_ns is not None and now_ns >= desk.again_ns:
            desk.again_ns = None
            self._guarded(hand.start)
        waits_ns = now_ns - desk.since_ns
        if isinstance(hand, ProcessHand):
            if hand.is_dead:
                self._replace(desk, hand)
                return
            is_ending = self._is_finishing or desk.is_asked_to_end
            is_busy = desk.spans or (is_ending and not hand.is_net)  # its rest may take as long as it likes
            if is_busy and not hand.has_ended and waits_ns > self.stage.plan.deadline_s * NS_PER_S:
                hand.kill()  # its death is heard
        if waits_ns > RECALL_NS and not desk.is_recalled and desk.holds_up:
            self._recall(desk)

    def _has_left(self, desk: Desk) -> bool:
        """Let somebody end who is to go; return whether it has, and its successor, if there is one, has begun."""
        hand = desk.hand
        if desk.holds_up and not desk.is_recalled:
            self._recall(desk)
        if desk.spans or hand.is_recalling:
            return False
        if not desk.is_asked_to_end and not hand.has_ended:
            desk.is_asked_to_end = True
            desk.since_ns = time.monotonic_ns()
            hand.finish()
        if not hand.has_ended:
            return False
        if hand.trouble:
            raise StageFailedError(hand.trouble)
        if hand.is_net:
            self._release()
        if desk.successor is None:
            self.staff.dismiss(desk)
        else:
            desk.take_over()
            self._begin(desk)
        return True

    def _replace(self, desk: Desk, hand: ProcessHand) -> None:
        """Put another process in the place of one that has died, and give what it had to whoever is free."""
        begun, waited_s = hand.begun, (time.monotonic_ns() - desk.since_ns) / NS_PER_S
        # A worker that only waits for something to do may be killed as often as somebody likes.
        is_barren = not hand.is_made or (bool(desk.spans) and begun == desk.answered) or (hand.is_net and not begun)
        desk.barren_deaths = desk.barren_deaths + 1 if is_barren else 0
        death = hand.death()
        cause = str(death)
        is_hung = waited_s > self.stage.plan.deadline_s
        if is_hung:
            cause += f", because it had not got on for {self.stage.plan.deadline_s:g} s"
        if hand.is_net:
            self._let_go_of_kept(cause, death.text, desk)
        if self._is_finishing:
            if is_hung:
                raise StageFailedError(f"stage {self.stage.name}: {cause}")
            return  # it had done everything
        suspect = self._shares.lose(desk.worker, begun - desk.answered - 1 if begun > desk.answered else None)
        desk.fruitless_deaths = 0 if suspect is not None or desk.answered else desk.fruitless_deaths + 1
        desk.spans.clear()
        desk.answered, desk.known = 0, {}
        if suspect is not None:
            self._judge(suspect, cause, death.text)
        if desk.is_leaving:
            self.wake()  # it is gone, which was wanted: somebody may be to come in its place
            return
        if desk.barren_deaths >= self.stage.plan.trips:
            self._give_up_worker(desk, cause)
        elif wait_ns := backoff_ns(desk.fruitless_deaths):
            desk.again_ns = time.monotonic_ns() + wait_ns
        else:
            self._guarded(hand.start)

    def _give_up_worker(self, desk: Desk, cause: str) -> None:
        """Begin no other in the place of one that dies again and again; the others go on, if there are any."""
        desk.fault = f"died {desk.barren_deaths} times without having worked on anything; the last: {cause}"
        self.stage.entry.remark("fault", f"{desk.hand.name} {desk.fault}")
        if not any(each.is_there for each in self.staff.desks):
            raise StageFailedError(f"stage {self.stage.name}: {cause}")

    def _release(self) -> None:
        """Let what is settled be done, as nobody is left who could fail on it."""
        self._then[Account.DONE] = self._then.get(Account.DONE, 0) + self._held
        self._held = 0

    def _let_go_of_kept(self, cause: str, traceback: str, desk: Desk) -> None:
        """Note that what generators and buffers had kept is lost; the items that it was made of are done."""
        self._release()
        if desk.answered or self._is_finishing:
            cause = f"{cause}; what its generators and buffers had kept is lost"
            self._keep(Failure(stage="", event=None, cause=cause, traceback=traceback), 0)
        if self._is_finishing and self.stage.plan.on_error == "fail":
            self._trouble = f"stage {self.stage.name}: {cause}"

    def _judge(self, suspect: Suspect, cause: str, traceback: str) -> None:
        """Let an item that somebody died on be given again, unless too many have."""
        if suspect.deaths < self.stage.plan.trips:
            self._shares.again(suspect)
            return
        cause = f"{suspect.deaths} workers died on it; the last: {cause}"
        failure = Failure(stage="", event=None, cause=cause, traceback=traceback, item=shortened(suspect.item))
        self._keep(failure, suspect.lane)
        self._shares.give_up(suspect, self._given_up(failure, suspect.number))

    def _given_up(self, failure: Failure, number: int | None = None) -> Any:
        """Return what stands in the place of an item that is given up, and whose number may be known."""
        if self.stage.plan.on_error != "fail":
            return GIVEN_UP
        self._is_failing = True
        self._fails_at = number
        return _Fatal(f"stage {self.stage.name}: {failure.cause}; the item was {failure.item}")

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except PenstockError as error:
            raise StageFailedError(f"stage {self.stage.name}: {error}") from error

    # Giving out

    def _give_out(self, now_ns: int) -> None:
        if self.is_held or self._discards:
            return
        self._size = self._span_size()
        present = self.staff.present
        while (desk := self._who_is_free()) is not None:
            most = self._next_span(present, now_ns)
            if self._fails_at is not None and desk.hand.is_net:  # what it would give goes on at once
                most = min(most, self._fails_at - self._shares.first_waiting())
            if most <= 0:
                return
            self._give(desk, most)
        if len(self._edges) > 1 and self._make_way(now_ns):
            self._give_out(now_ns)

    def _next_span(self, present: int, now_ns: int) -> int:
        """Return how many items are to be given next, of the most urgent lane that has any; 0 if none has."""
        for lane, edge in enumerate(self._edges):
            waiting = self._shares.waiting_by[lane]
            share = -(-(waiting + len(edge.items)) // present)
            most = max(1, min(self._size, share))
            if waiting < most:
                self._admit(lane, most - waiting, present, now_ns)
            if self._shares.waiting_by[lane]:
                return most
        return 0

    def _make_way(self, now_ns: int) -> bool:
        """Take back what workers have not begun of lower lanes than what waits; return whether one can be given."""
        lane = next((lane for lane in range(len(self._edges) - 1) if self._waits(lane)), None)
        if lane is None:
            return False
        for desk in self._in_the_way(lane):
            desk.hand.recall()
            self._hear(desk)
            desk.look(now_ns)
        return self._who_is_free() is not None

    def _waits(self, lane: int) -> int:
        """Return how many items of a lane could be given if somebody were free."""
        there = len(self._edges[lane].items)
        return self._shares.waiting_by[lane] + (there if there and self._has_room_for(lane) else 0)

    def _in_the_way(self, lane: int) -> list[Desk]:
        """Return who is to be asked for what is less urgent than what waits in a lane: the longest at work first."""
        most = self._waits(lane) - sum(desk.hand.is_recalling for desk in self.staff.desks)
        if most <= 0:
            return []
        found = [
            desk
            for desk in self.staff.desks
            if not desk.hand.is_recalling and desk.hand.is_ready and self._shares.keeps_back(desk.worker, lane)
        ]
        return sorted(found, key=lambda desk: desk.since_ns)[:most]

    def _who_is_free(self) -> Desk | None:
        most = self._credits
        if not self._is_worth_a_turn():
            most = min(most, 1)
        free = [desk for desk in self.staff.desks if desk.is_open(most)]
        if len(free) <= 1:
            return free[0] if free else None
        # Of those who are busy, the one that has been at its item longest: what is given may be urgent.
        return min(free, key=lambda desk: (len(desk.spans), desk.since_ns))

    def _is_worth_a_turn(self) -> bool:
        """Whether so much waits that it is to be given to somebody who is busy; else more may come until it is not."""
        if self._size < SMALL_SPAN or len(self._edges) > 1:  # slow items, or urgent ones
            return True
        return self._shares.waiting + len(self._edges[0].items) >= self._size * WORTH_GIVING

    @property
    def _credits(self) -> int:
        # What lies ready bridges the way of an answer, which is nothing beside items of 50 ms.
        return 1 if self._mean_ns > RECALL_NS else 2

    def _span_size(self) -> int:
        size = LARGEST_SPAN if self._mean_ns < 1 else round(SPAN_NS / self._mean_ns)
        if size <= 1 or not self._mean_ns:
            return 1
        nbytes = max((hand.mean_bytes for hand in self.processes), default=0.0)
        if nbytes:
            size = min(size, round(SPAN_BYTES / nbytes))
        return max(1, min(size, LARGEST_SPAN))

    def _admit(self, lane: int, most: int, present: int, now_ns: int) -> None:
        """Take items of a lane from its edge, unless too many are under way."""
        edge = self._edges[lane]
        if self._is_failing or not edge.items:
            return
        room = AHEAD * self._size * present - self._under_way(lane)
        items = edge.take(min(most, room)) if room > 0 else []
        if items:
            self._admitted[lane] += len(items)
            self.books[lane].arrive(len(items))
            edge.worked_on(len(items), now_ns)
            self._shares.add(items, lane)

    def _under_way(self, lane: int) -> int:
        return self._shares.in_flight_by[lane] + (self.outs[lane].left if self.outs else 0)

    def _has_room_for(self, lane: int) -> bool:
        room = AHEAD * self._size * self.staff.present - self._under_way(lane)
        return room > 0 and not self._is_failing

    def _give(self, desk: Desk, most: int) -> None:
        self._values_to(desk)
        items = self._shares.give(desk.worker, most)
        try:
            if not desk.spans:
                desk.since_ns = time.monotonic_ns()
            desk.hand.give(items)
            desk.spans.append(len(items))
        except ResultTypeError:
            self._give_singly(desk, items)

    def _give_singly(self, desk: Desk, items: Sequence[Any]) -> None:
        """Give up those that cannot travel, until one can; the others wait again."""
        self._shares.take_back(desk.worker, len(items))
        for _ in items:
            (item,) = found = self._shares.give(desk.worker, 1)
            why = cannot_travel(item)
            if not why:
                desk.hand.give(found)
                desk.spans.append(1)
                return
            failure = Failure(stage="", event=None, cause=f"an item {why}", traceback="", item=shortened(item))
            self._keep(failure, self._shares.lane_of(desk.worker, -1))
            self._shares.answer_last(desk.worker, self._given_up(failure))

    def _change(self, values: Mapping[str, Any]) -> None:
        """Note other values of parameters, from whatever thread."""
        self._values = {**self._values, **values}
        self.wake()

    def _values_to(self, desk: Desk) -> None:
        values = self._values
        if desk.known is not values:
            known, desk.known = desk.known, values
            if changed := {a: value for a, value in values.items() if a not in known or known[a] is not value}:
                desk.hand.apply(changed)

    # Waiting

    def _how_long(self) -> float | None:
        """Return for how long to wait, in s; 0: not at all; ``None``: until somebody has something to say."""
        if (
            self.is_halted
            or self._has_ended_early
            or (self._is_finishing and all(desk.hand.has_ended for desk in self.staff.desks))
        ):
            return 0.0
        if not (self._asks_for_items() and self._asks_for_room()):
            return 0.0
        due_ns = [at_ns for desk in self.staff.desks for at_ns in self._due_ns(desk)]
        return max(0.001, (min(due_ns) - time.monotonic_ns()) / NS_PER_S) if due_ns else None

    def _due_ns(self, desk: Desk) -> Iterator[float]:
        """Yield when something is to be done about a worker that says nothing."""
        if desk.again_ns is not None:
            yield desk.again_ns
        if desk.holds_up and not desk.is_recalled:
            yield desk.since_ns + RECALL_NS
        hand = desk.hand
        is_busy = desk.spans or (desk.is_asked_to_end and not hand.has_ended and not hand.is_net)
        if is_busy and isinstance(hand, ProcessHand):
            yield desk.since_ns + self.stage.plan.deadline_s * NS_PER_S

    def _asks_for_items(self) -> bool:
        """Have it woken when an item comes that can be given; return false if there is something to do already."""
        if self._is_finishing or self._is_failing or self.is_held or self._discards:
            return True
        is_open = self._who_is_free() is not None
        lowest = len(self._edges) - 1
        for lane, edge in enumerate(self._edges):
            # Where everybody has enough to do, what is urgent is heard of all the same.
            is_wanted = is_open or (lane < lowest and (not edge.items or bool(self._in_the_way(lane))))
            if not (is_wanted and self._has_room_for(lane)) or edge.when_any(self.wake):
                continue
            if edge.items or not edge.has_ended:
                return False
        is_at_its_end = self.edge.has_ended and not self.edge.items and not self._shares.in_flight
        return not is_at_its_end or any(out.left for out in self.outs)

    def _how_long_held(self) -> float | None:
        """Return for how long to wait while what comes of items waits, as ``_how_long``."""
        if not self._is_shut:
            return 0.0
        wait_s = self._how_long()
        return None if wait_s == 0 and not (self._is_able_to_take() and self.edge.items) else wait_s

    def _is_able_to_take(self) -> bool:
        if self._is_finishing or self._is_failing or self.is_held or self._discards:
            return False
        if self._who_is_free() is None:
            return False
        return any(map(self._has_room_for, range(len(self._edges))))

    def _asks_for_room(self) -> bool:
        """Have it woken when there is room behind lanes that have something; return false if there is already."""
        return all(out.is_waiting(self.wake) for out in self.outs if out.left)

    # What goes on

    def _ready(self) -> Iterator[Any]:
        given, self._given = self._given, []
        before = self._shares.in_flight
        passed, fatal = self._passed(0)
        self._n_taken = before - self._shares.in_flight
        values = [*given, *passed] if given else passed
        self._giving, self._n_giving = iter(values), len(values)
        if fatal is not None:
            return self._and_fail(self._giving, fatal)
        return self._and_fail(self._giving) if self._trouble else self._giving

    def _lane_pieces(self) -> Iterator[tuple[int, Iterator[Any]]]:
        """Yield pieces of what goes on, urgent lanes first, until somebody has something to say."""
        for lane, out in enumerate(self.outs):
            if self._fatal is None and self._shares.is_ready(lane):
                values, self._fatal = self._passed(lane)
                out.add(values)
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

    def _passed(self, lane: int) -> tuple[list[Any], _Fatal | None]:
        """Return what goes on of a lane, and on what the run is to fail behind it."""
        values: list[Any] = []
        fatal: _Fatal | None = None
        books = self.books[lane]
        for outcomes in self._shares.take_ready(lane):
            if self._is_failing:
                outcomes, fatal = _until_fatal(outcomes, lane)
            if fatal is None and _SPECIAL.isdisjoint(map(type, outcomes)):
                values += outcomes
                continue
            passed = [each for each in outcomes if each is not None and not (type(each) is object and each in _NOTHING)]
            if len(passed) < len(outcomes):
                books.post(Account.FILTERED, sum(1 for outcome in outcomes if outcome is None))
                books.post(books.account, sum(1 for outcome in outcomes if outcome is GIVEN_UP))
            values += passed
            if fatal is not None:
                break
        return values, fatal

    def _and_fail(self, values: Iterator[Any], fatal: _Fatal | None = None) -> Iterator[Any]:
        yield from values
        self._count_given()
        if fatal is None:
            raise StageFailedError(self._trouble)
        self._fail(fatal)

    def _fail(self, fatal: _Fatal) -> None:
        self.books[fatal.lane].post(self.stage.account, 1)
        raise StageFailedError(fatal.text)

    def _count_given(self) -> None:
        """Count as done what went on; what did not, because somebody halts, stays under way."""
        left = length_hint(self._giving)
        done, self._n_giving = self._n_giving - left, 0
        self._giving = iter(())
        if not left:
            self._passed_on += self._n_taken
        self._n_taken = 0
        if self._asked:
            self._look_who_asks()
        hand = self.staff.desks[0].hand
        if not hand.is_net:
            self.stage.post(Account.DONE, done)
        elif not left:
            for account, count in self._then.items():
                self.stage.post(account, count)
            self._then.clear()
            self.processes[0].let_go_on()
        for out in self.outs:
            out.settle()


def _until_fatal(outcomes: list[Any], lane: int) -> tuple[list[Any], _Fatal | None]:
    """Return what comes before the item on which the run is to fail, and what is said of it."""
    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, _Fatal):
            return outcomes[:at], replace(outcome, lane=lane)
    return outcomes, None


def _nothing() -> None: ...
