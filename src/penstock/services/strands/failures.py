"""Items that a parallel stage gives up: what is kept of them, and what stands in their place."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from penstock.services.strands.ending import Ending, Fatal
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import GIVEN_UP
from penstock.services.user_calls import Failure

__all__ = ["Failures"]


class Failures:
    """What becomes of items on which workers failed, or died.

    Parameters
    ----------
    stage
        Says whether the run is to fail on them.
    books
        By lane.
    ending
        Is told of an item on which it is to fail.
    """

    def __init__(self, stage: Stage, books: Sequence[Stage], ending: Ending) -> None:
        self._stage = stage
        self._books = books
        self._ending = ending

    def keep(self, failure: Failure, lane: int) -> None:
        """Keep what happened, in the name of the stage."""
        self._books[lane].keep(replace(failure, stage=self._stage.name, event=None))

    def give_up(self, failure: Failure, number: int | None = None) -> Any:
        """Return what stands in the place of an item that is given up, and whose number may be known."""
        if self._stage.plan.on_error != "fail":
            return GIVEN_UP
        self._ending.is_failing = True
        self._ending.fails_at = number
        return Fatal(f"stage {self._stage.name}: {failure.cause}; the item was {failure.item}")
