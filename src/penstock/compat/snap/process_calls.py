"""Calls of a function in processes, for whoever has an event loop and no stage: the workers of a stage, without one.

A thread of its own hears them. Items and what comes of them are plain values, the function goes by name.
"""

import asyncio
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from penstock.compat.snap.names import HERE
from penstock.compat.snap.namespace import prelude
from penstock.compat.snap.outcome import Outcome
from penstock.compat.snap.recipe import ARGUMENTS, OBJECT, Recipe
from penstock.core import Account
from penstock.core.ledger import Ledger
from penstock.errors import PenstockError, ServiceError, UserCodeError
from penstock.pipeline.plan import StagePlan
from penstock.services.element_orders import encoded
from penstock.services.orders import ElementOrder
from penstock.services.strands.edge import Edge
from penstock.services.strands.nursery import Nursery
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_order import StepsOrder
from penstock.services.user_calls import Failure

__all__ = ["PATIENCE_S", "ProcessCalls"]

PATIENCE_S: Final = 86_400
"""A call that takes longer hangs, and its process is killed. SNAP would wait for ever."""
_STAGE: Final = "Parallel"


class ProcessCalls:
    """Processes that call a function, each for another item; nothing is started before the first is called.

    A process that dies is replaced, and its items are given to others; an item that three have died on is an error.

    Parameters
    ----------
    recipe
        How each process has the function.
    workers
        How many processes.
    tell
        Called in the loop with what came of each item, in no order; of one for which the function returned ``None``
        with that.
    tell_end
        Called there once, when nothing more will be told, with the error that ended it too early, if one did.
    """

    def __init__(
        self,
        recipe: Recipe,
        workers: int,
        tell: Callable[[Outcome], None],
        tell_end: Callable[[PenstockError | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tell, self._tell_end = tell, tell_end
        self._nursery = Nursery()
        self._edge = Edge(_STAGE)
        self._edge.join()
        plan = StagePlan(
            name=_STAGE, kind="steps", inputs=(), elements=(), workers=workers, order="free", on_error="skip",
            deadline_s=PATIENCE_S,
        )  # fmt: skip
        hands = [ProcessHand(_order(recipe, plan, number), self._nursery) for number in range(workers)]
        self._feed = ParallelFeed(_Telling(plan, lambda outcome: self._soon(tell, outcome)), self._edge, hands, ())
        self._thread = threading.Thread(target=self._live, name=f"penstock {_STAGE}", daemon=True)
        self._thread.start()

    def call(self, item: Any) -> None:
        """Have the function called with an item."""
        self._edge.put(item)
        if self._edge.hungry:
            self._edge.wake()

    def end(self) -> None:
        """Have nothing more called; what was goes on."""
        self._edge.leave()

    def close(self) -> None:
        """End all processes at once, and wait for that."""
        self._feed.halt()
        self._thread.join()

    def _live(self) -> None:
        trouble: PenstockError | None = ServiceError("the workers were left alone by an error of penstock's own")
        try:
            for value in self._feed.items(threading.Event()):
                self._soon(self._tell, Outcome(value))
            trouble = None
        except PenstockError as error:
            trouble = error
        finally:
            self._feed.close()
            self._nursery.close()
            self._soon(self._tell_end, trouble)

    def _soon(self, call: Callable[[Any], None], told: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody listens
            self._loop.call_soon_threadsafe(call, told)


class _Telling(Stage):
    """What the workers take for their stage: it keeps no books, and tells of what is not given on."""

    def __init__(self, plan: StagePlan, tell: Callable[[Outcome], None]) -> None:
        super().__init__(plan, Ledger().entry("", plan.name))
        self._tell = tell

    def arrive(self, count: int) -> None:
        """Keep no books."""

    def post(self, account: Account, count: int) -> None:
        """Tell of items for which the function returned nothing."""
        if account is Account.FILTERED:
            for _ in range(count):
                self._tell(Outcome())

    def keep(self, failure: Failure) -> None:
        """Tell of an item that failed."""
        cause = failure.cause
        if not failure.traceback:  # it was not the function that failed
            cause = cause.replace("run_in: thread", "executor: thread")
        error = UserCodeError(f"{cause}; the item was {failure.item}", stage=self.name)
        if failure.traceback:
            error.add_note(failure.traceback.rstrip())
        self._tell(Outcome(error=error))


def _order(recipe: Recipe, plan: StagePlan, number: int) -> StepsOrder:
    arguments: Mapping[str, Any] = {} if recipe.arguments is None else {ARGUMENTS: dict(recipe.arguments)}
    made = ElementOrder(
        name=recipe.name,
        reference=f"{HERE}:made",
        arguments=encoded({OBJECT: recipe.name, **arguments}, f"{_STAGE}.arguments"),
    )
    return StepsOrder(
        name=f"{_STAGE}-{number}",
        stage=plan.name,
        elements=(made,),
        folder=str(Path.cwd()),
        on_error=plan.on_error,
        trips=plan.trips,
        retry_s=plan.retry_s,
        parameters=encoded({}, _STAGE),
        modules=_modules_beside(recipe),
        workers=max(2, plan.workers),  # one that is alone may be a generator of all items, which is not meant here
        prelude=prelude(),
    )


def _modules_beside(recipe: Recipe) -> tuple[str, ...]:
    """Return the modules that were loaded from the function's folder: they may define what items are made of."""
    file = getattr(sys.modules.get(recipe.name.partition(":")[0]), "__file__", None)
    if file is None:
        return ()
    folder = Path(file).parent
    found = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return tuple(name for name, path in found.items() if path and Path(path).parent == folder and name != "__main__")
