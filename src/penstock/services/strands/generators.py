"""The generators of a strand: one behind the other, before each the steps that it gets its items from.

They pull, so the last of them is all that whoever works on the strand sees. They are timed without what comes behind
them, and one that raises is made anew with all behind it.
"""

from collections.abc import Sequence
from functools import partial
from time import perf_counter_ns
from typing import Any

from penstock.errors import PenstockError
from penstock.services.strands.parts import StepPart
from penstock.services.strands.run import FILE, Pause, Run, StageFailedError, said_of
from penstock.services.strands.strand_books import StrandBooks

__all__ = ["Generators", "SourceFailedError"]


class SourceFailedError(PenstockError):
    """A source of plain values raised."""


class Generators:
    """The generators of one strand; false if there are none.

    Parameters
    ----------
    runs
        What each gets its items from, and last what takes from the last of them: one more than there are generators.
    makers
        Their places, in order.
    source
        The name of what comes before all of them, for texts.
    is_async
        Whether they run on an event loop.
    books
        Of the strand.

    Attributes
    ----------
    makers
        Their places, in order.
    pausings
        By generator: filled by whoever wants a pause before the next item that it gets.
    """

    def __init__(
        self, runs: Sequence[Run], makers: Sequence[StepPart], source: str, *, is_async: bool, books: StrandBooks
    ) -> None:
        self.makers = makers
        self.pausings: list[list[bool]] = [[] for _ in makers]
        self._runs = runs
        self._source = source
        self._is_async = is_async
        self._books = books
        self._taken_when_made = [0] * len(makers)
        """How many items each one's place had taken when it was last made."""
        self._ups: list[Any] = []
        """What there is to be iterated over: items, and for each generator what it gets, and itself."""

    def __bool__(self) -> bool:
        return bool(self.makers)

    def pull(self, items: Any) -> None:
        """Make all of them, the first of which gets its items here.

        Raises
        ------
        StageFailedError
            If one could not begin.
        """
        self._ups = [items]
        self._put_behind(0, items)

    @property
    def given(self) -> Any:
        """What the last of them gives, or what came where there are none: an iterator, on an event loop an async one.

        Another one whenever one of them was made anew.
        """
        return self._ups[-1]

    def _put_behind(self, first: int, up: Any) -> None:
        """Make all from one on, the first of which gets what comes from here."""
        for k in range(first, len(self.makers)):
            run = self._runs[k]
            made_of = run.segment_async if self._is_async else run.segment
            pause = Pause(partial(self._pause, k), partial(self._give, k), partial(self._end_sample, k))
            segment = made_of(up, self.pausings[k], pause)
            self._ups.append(segment)
            up = self._made(self.makers[k], segment)
            self._ups.append(up)

    def _made(self, maker: StepPart, segment: Any) -> Any:
        """Return what a generator of the user's gives."""
        try:
            return iter(maker.target(segment)) if not self._is_async else aiter(maker.target(segment))
        except (Exception, SystemExit) as error:  # user code may raise anything
            maker.stage.note(maker.name, None, error)
            text = f"stage {maker.stage.name}: {maker.name} could not begin: {type(error).__name__}: {error}"
            raise StageFailedError(text) from error

    # One that raised

    def begin_again(self, error: BaseException) -> None:
        """Make the generator that raised anew, with all behind it, if its stage goes on after an error.

        Raises
        ------
        SourceFailedError
            If it was the source.
        StageFailedError
            If the stage does not go on.
        """
        at = self._culprit(error)
        if at < 0:
            raise SourceFailedError(f"source {self._source}: {said_of(error)}") from error
        maker = self.makers[at]
        self._books.keep()
        maker.failed += 1
        maker.since_ns = 0
        failure = maker.stage.note(maker.name, None, error)
        if maker.counts_for_stage:
            maker.stage.give_up_held()
        if maker.stage.plan.on_error == "fail":
            raise StageFailedError(f"stage {maker.stage.name}: {failure.cause}") from error
        taken = self._runs[at].counted.cells[0]
        if taken == self._taken_when_made[at]:
            # Made anew it would raise again, for ever: as one that does so when nothing more comes.
            text = f"stage {maker.stage.name}: {failure.cause}; it had taken nothing since it was made"
            raise StageFailedError(text) from error
        self._taken_when_made[at] = taken
        # Its own loop over what comes before it still lives: nothing was raised there.
        before = self._ups[1 + 2 * at]
        del self._ups[2 + 2 * at :]
        up = self._made(maker, before)
        self._ups.append(up)
        self._put_behind(at + 1, up)

    def _culprit(self, error: BaseException) -> int:
        """Return which generator raised, −1 for the source: the one that gives to the innermost of our loops."""
        innermost, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == FILE:
                innermost = trace.tb_frame
            trace = trace.tb_next
        if innermost is None or innermost.f_code.co_name != "segment":
            return len(self.makers) - 1
        items = innermost.f_locals["items"]
        ups = self._ups[0::2]
        return next((k for k, up in enumerate(ups) if up is items), 0) - 1

    # Time

    def begin_sample(self) -> None:
        """Have them timed: of the last it is seen when it gives, of others between two items."""
        if self.makers:
            self.makers[-1].since_ns = 0
            for pausing in self.pausings:
                pausing.append(True)

    def end_sample(self) -> None:
        """Note that the last of them, if there is one, has given an item."""
        self._end_sample(len(self.makers) - 1)

    def _pause(self, k: int) -> None:
        """Keep the books between two items, the second of which goes to a generator."""
        self._end_sample(k - 1)
        self.pausings[k].clear()
        self._books.keep()
        self._books.on_news()  # of the item that comes now

    def _give(self, k: int) -> None:
        """Note that a generator is given an item now."""
        maker = self.makers[k]
        maker.given = self._behind(k).came
        maker.since_ns = perf_counter_ns()

    def _end_sample(self, k: int) -> None:
        """Note that a generator gives an item, or asks for another.

        If it has given one before, what was done with that took its part of the time; then nothing is noted.
        """
        maker = self.makers[k] if k >= 0 else None
        if maker is None or not maker.since_ns:
            return
        took_ns, maker.since_ns = perf_counter_ns() - maker.since_ns, 0
        if self._behind(k).came == maker.given:
            maker.sample(took_ns)

    def _behind(self, k: int) -> Run:
        """Return the parts that a generator gives to."""
        return self._runs[k + 1]
