"""One worker's own copy of a parallel stage's steps: takes a span of items through them, and says what came of each.

It runs in whatever thread, task or process the worker is, and shares nothing with other copies.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter_ns
from typing import Any, Final

from penstock.core.feedback import Said
from penstock.core.ledger import Entry, Ledger
from penstock.elements.shape import StepShape
from penstock.elements.step import Step
from penstock.errors import UserCodeError
from penstock.monitor.feedback import HELD_BACK
from penstock.pipeline.plan import StagePlan
from penstock.services.strands.parts import OutPart, StepPart, Writer
from penstock.services.strands.run import Run, StageFailedError
from penstock.services.strands.stage import Stage, failure_of
from penstock.services.user_calls import Failure

__all__ = ["ACCOUNTED", "GIVEN_UP", "Answer", "StepsCopy", "Tally"]

GIVEN_UP: Final = object()
"""What came of an item on which a step failed, and the run goes on."""
ACCOUNTED: Final = object()
"""An item that a generator or a buffer may have taken: what it is in the books is said beside."""
SLOW_NS: Final = 5_000_000
"""A worker that has been at a span for so long says after each item what it has."""

Begun = MutableSequence[int] | memoryview
"""Whose first entry is how many items have been begun."""
Tally = tuple[int, int, int, int, int, int]
"""Of one step: arrived, filtered, failed; timed, how long those took together, and the longest, in ns."""


@dataclass(slots=True)
class Answer:
    """What came of the next items of a worker."""

    outcomes: list[Any]
    """Of each what goes on, ``None`` if it was filtered, ``GIVEN_UP`` if it failed; or ``ACCOUNTED``."""
    took_ns: int = 0
    failures: list[Failure] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    trouble: str = ""
    """Why the run is to fail: of the item behind these."""
    given: Sequence[Any] = ()
    """What goes on beside the outcomes of single items."""
    accounts: tuple[int, int, int] = (0, 0, 0)
    """Of items, those of ``ACCOUNTED`` and before: done, filtered, given up."""
    feedback: list[Said] = field(default_factory=list)
    """What was said back to the scan about these, where that waited for them."""


class StepsCopy:
    """A copy of all steps of a stage.

    Parameters
    ----------
    plan
        Of the stage; says what becomes of an item on which a step fails.
    steps, names
        Made for this copy alone, in their order.

    Raises
    ------
    UserCodeError
        If one of them is no function of an item.
    """

    def __init__(self, plan: StagePlan, steps: Sequence[Step], names: Sequence[str]) -> None:
        self.plan = plan
        self.steps = steps
        self._stage = _Noting(plan, Ledger().entry("", plan.name))
        for step in steps:
            _must_take_items(step, plan)
        parts = [
            StepPart(step, self._stage, name, step.shape, counts_for_stage=False)
            for step, name in zip(steps, names, strict=True)
        ]
        self._parts = parts
        self.is_async = any(part.shape.is_async for part in parts)
        out = OutPart(plan.name, writers=[Writer(plan.name, self._put, self._stage.entry)])
        self._run = Run([*parts, out], is_async=self.is_async)
        self._values: list[Any] = self._stage.values
        self._todo: deque[Any] = deque()
        self._begun: Begun = [0]
        self._since_ns = 0
        self._tell: Callable[[Answer], None] = _to_nobody
        self._pausing: list[bool] = []
        self._has_failed = False
        self._saying = threading.Lock()
        self.holds_feedback = False
        """Whether what is said back to the scan leaves with the answer for the item it was said about.

        So of an item that is given to another worker, because this one was killed, it is heard once.
        """
        self._feedback: list[tuple[int, Said]] = []
        """Each with how many items had been begun."""
        self._answered = 0

    def count_begun(self, begun: Begun) -> None:
        """Let the first entry of this say from now on how many items have been begun, for those who watch."""
        self._begun = begun

    def work(self, items: Sequence[Any], tell: Callable[[Answer], None]) -> None:
        """Take items through all steps.

        Parameters
        ----------
        tell
            Called with what came of them, in their order; more than once if it takes long.
        """
        self._begin(items, tell)
        HELD_BACK.set(self._hold if self.holds_feedback else None)
        try:
            for item in islice(self._each(), 1):  # it is timed
                self._run.one(item)
            if self._todo:  # where an item takes milliseconds, the one that was timed was all
                self._run.work(self._each(), self._pausing)
        except StageFailedError as error:
            self._fail(error)
        self._say()
        HELD_BACK.set(None)

    async def work_awaiting(self, items: Sequence[Any], tell: Callable[[Answer], None]) -> None:
        """Do as ``work`` on an event loop."""
        self._begin(items, tell)
        HELD_BACK.set(self._hold if self.holds_feedback else None)  # of this task
        try:
            for item in islice(self._each(), 1):
                await self._run.one_awaiting(item)
            if self._todo:
                await self._run.work_awaiting(self._each(), self._pausing)
        except StageFailedError as error:
            self._fail(error)
        self._say()

    def recall(self) -> int:
        """Say what is done, and give up what was not begun; return how many items that is. From any thread."""
        self._say(is_under_way=True)
        return self._give_up_rest()

    def _give_up_rest(self) -> int:
        count = 0
        while True:
            try:
                self._todo.pop()
            except IndexError:
                return count
            count += 1

    def answer_no_more(self) -> None:
        """Let what was told be the last word: answers are in order, and the rest of this span will have none."""
        self._has_failed = True
        self._give_up_rest()

    def halt(self) -> None:
        """Let it begin nothing more. From any thread."""
        self._give_up_rest()
        self._pausing.append(True)

    def apply(self, values: Mapping[str, Any]) -> None:
        """Use other values of parameters, by address, from the next span on.

        Raises
        ------
        UserCodeError
            If user code refuses one.
        """
        for step in self.steps:
            step.apply(values)

    def close(self) -> str:
        """Let user code close what it has opened; return what went wrong."""
        troubles = []
        for step in self.steps:
            if step.hooks.close is not None:
                try:
                    step.hooks.close()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - it is told, and the rest is closed
                    text = f"{self.plan.name}.{step.name} could not be closed: {type(error).__name__}: {error}"
                    troubles.append(text)
        return "; ".join(troubles)

    def _begin(self, items: Sequence[Any], tell: Callable[[Answer], None]) -> None:
        if self._has_failed:
            return
        self._todo.extend(items)
        self._tell = tell
        self._since_ns = perf_counter_ns()

    def _each(self) -> Iterator[Any]:
        """Yield what is to be worked on; the loop that takes it comes back for the next when one is through."""
        todo, begun, values = self._todo, self._begun, self._values
        while True:
            try:
                item = todo.popleft()
            except IndexError:
                return
            if perf_counter_ns() - self._since_ns > SLOW_NS:
                self._say()
            begun[0] += 1
            values.append(None)
            yield item

    def _hold(self, said: Said) -> None:
        self._feedback.append((self._begun[0], said))

    def _take_feedback(self, *, all_of_it: bool) -> list[Said]:
        """Return what was said about items that are answered, or about the last one, too."""
        count = len(self._feedback)
        while count and not all_of_it and self._feedback[count - 1][0] > self._answered:
            count -= 1
        taken = self._feedback[:count]
        del self._feedback[:count]
        return [said for _, said in taken]

    def _put(self, value: Any) -> None:
        self._values[-1] = value

    def _say(self, trouble: str = "", *, is_under_way: bool = False) -> None:
        """Say what is done and was not said.

        Parameters
        ----------
        trouble
            Why the run is to fail: of the last item.
        is_under_way
            Whether the last item may not be done.
        """
        with self._saying:
            stop = len(self._values) - bool(trouble or is_under_way)
            outcomes = self._values[:stop]
            if not trouble and (stop <= 0 or self._has_failed):
                return
            # What is under way goes on to be written at the end.
            del self._values[:stop]
            now_ns = perf_counter_ns()
            failures, self._stage.noted = self._stage.noted, []
            self._answered += len(outcomes)
            answer = Answer(outcomes, now_ns - self._since_ns, failures, self._tallies(), trouble)
            if self._feedback:
                answer.feedback = self._take_feedback(all_of_it=bool(trouble))
            self._since_ns = now_ns
            self._tell(answer)

    def _fail(self, error: StageFailedError) -> None:
        self.answer_no_more()
        self._say(str(error))

    def _tallies(self) -> list[Tally]:
        (count, *filtered_by), failed_by = self._run.news()
        count += sum(filtered_by) + sum(failed_by)
        found: list[Tally] = []
        for part, filtered, failed in zip(self._parts, filtered_by, failed_by, strict=False):
            found.append((count, filtered, failed, part.samples, part.sampled_ns, part.longest_ns))
            part.samples = part.sampled_ns = 0
            count -= filtered + failed
        return found


class _Noting(Stage):
    """What a copy takes for its stage: it keeps no books, and notes failures for the one that does."""

    def __init__(self, plan: StagePlan, entry: Entry) -> None:
        super().__init__(plan, entry)
        self.noted: list[Failure] = []
        self.values: list[Any] = []

    def note(self, step: str, item: Any, error: BaseException) -> Failure:
        """Note that the item under way has failed."""
        failure = failure_of(self.name, step, item, error)
        self.noted.append(failure)
        self.values[-1] = GIVEN_UP
        return failure


def _must_take_items(step: Step, plan: StagePlan) -> None:
    if step.shape.takes_upstream or step.shape is StepShape.BUFFER:
        raise UserCodeError(
            f"stage {plan.name}: {step.name} is {step.shape.value}, which sees the items of one worker only; put it "
            "in a stage of its own without workers and run_in",
            stage=plan.name,
        )


def _to_nobody(_: Answer) -> None: ...
