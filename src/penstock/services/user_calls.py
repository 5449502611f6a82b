"""Call user code for every item of a range, and do what ``on_error`` says when it raises.

The one place where a broad ``except`` around user code stands; whatever is caught is counted and kept with its cause.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import is_
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import Account, Event, EventBatch
from penstock.core.ledger import Entry
from penstock.core.result_range import Values
from penstock.core.values import check_value
from penstock.elements import clock
from penstock.errors import UserCodeError
from penstock.monitor.feedback import AT_WORK
from penstock.pipeline.plan import OnError
from penstock.services.users_traceback import users_traceback

__all__ = ["Failure", "MiscountError", "UserCalls", "count_of"]

TRIPS = 3
"""How often an item may fail under ``retry`` before it is dead-lettered."""
KEPT_FAILURES = 20
KEPT_DEAD_LETTERS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One exception of user code."""

    stage: str
    event: int | None
    cause: str
    """The exception's type and text."""
    traceback: str
    item: str = ""
    """What was being worked on, in short."""


class MiscountError(ValueError):
    """A worker's ``process_batch`` returned another number of values than it got events."""


class UserCalls:
    """Call one stage's user code item by item.

    Parameters
    ----------
    stage
        Its name, for the texts of errors.
    entry
        Where every item is accounted: done, filtered, failed or dead-lettered.
    on_error
        What becomes of an item for which user code raises.
    returns
        Whether what user code returns is its result; a reducer's is not looked at.
    trips, retry_s
        How often an item may fail under ``retry``, and how long before it is tried again, twice as long each time.
    """

    def __init__(
        self, stage: str, entry: Entry, on_error: OnError, *, returns: bool = True, trips: int = TRIPS,
        retry_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.stage = stage
        self.entry = entry
        self.on_error = on_error
        self.failures: deque[Failure] = deque(maxlen=KEPT_FAILURES)
        """The last few exceptions."""
        self.dead_letters: deque[Failure] = deque(maxlen=KEPT_DEAD_LETTERS)
        self.lost: list[int] = []
        """Which items of the last range were given up, by position."""
        self._returns = returns
        self._trips = trips
        self.retry_s = retry_s
        self._has_returned = False
        self.is_whole = False
        """Whether every item of the last range has a value."""

    def run(
        self, call: Callable[[Any], Any], items: Iterable[Any], numbers: NDArray[np.int64], *, revision: int = 0
    ) -> list[Any]:
        """Call user code for each item.

        Returns
        -------
        One value an item; ``None`` where there is no result. Items may end before the numbers do.

        Raises
        ------
        UserCodeError
            If it raised and ``on_error`` is ``fail``; what was called before is accounted.
        ResultTypeError
            If the first value it returned cannot travel between processes.
        """
        values: list[Any] = []
        self.lost, self.is_whole = [], False
        iterator = iter(items)
        # Asked only by user code that says something back: which event it is at.
        at_work = AT_WORK.set(lambda: (self.stage, _at(numbers, len(values))))
        try:
            self._call_each(call, iterator, values, numbers, revision)
        finally:
            AT_WORK.reset(at_work)
        self._check(values)
        self._post(values, len(self.lost))
        return values

    def _call_each(
        self, call: Callable[[Any], Any], iterator: Iterator[Any], values: list[Any], numbers: NDArray[np.int64],
        revision: int,
    ) -> None:  # fmt: skip
        add = values.append
        while len(values) < len(numbers):
            item: Any = None
            try:
                for item in iterator:
                    add(call(item))
            except KeyboardInterrupt:
                if not self._returns:  # what was folded is in the views; results that go nowhere are not done
                    self._post(values, len(self.lost))
                raise
            except (Exception, SystemExit) as error:  # user code may raise anything
                value = self._again(call, item) if self.on_error == "retry" else None
                if value is None:
                    self._note(item, int(numbers[len(values)]), error)
                    self.lost.append(len(values))
                add(value)
                if self.on_error == "fail":
                    self._post(values, len(self.lost))
                    raise self._failure(item, int(numbers[len(values) - 1]), error, revision, values[:-1]) from error
            else:
                break  # the items may end before the numbers

    def run_batch(
        self,
        call_batch: Callable[[EventBatch], Values | None],
        call: Callable[[Any], Any],
        events: EventBatch,
        *,
        revision: int = 0,
    ) -> Values:
        """Call user code once for a whole range; event by event if that raises, so that only the culprit is lost.

        Raises
        ------
        UserCodeError
            As ``run``; also if it returned another number of values than there are events.
        """
        n = len(events)
        at_work = AT_WORK.set(lambda: (self.stage, _only(events.numbers)))
        try:
            returned = call_batch(events)
        except MiscountError as error:
            raise self._miscounted(error, events, revision) from None
        except (Exception, SystemExit):  # noqa: BLE001 - user code may raise anything; event by event it is named
            return self.run(call, events.events(), events.numbers, revision=revision)
        finally:
            AT_WORK.reset(at_work)
        self.lost, self.is_whole = [], False
        try:
            values = [None] * n if returned is None else count_of(returned, n)
        except MiscountError as error:
            raise self._miscounted(error, events, revision) from None
        self._check(values)
        self._post(values, 0)
        return values

    def run_fold(self, call_batch: Callable[[Any], object], batch: Any, numbers: NDArray[np.int64]) -> None:
        """Call a reducer once for a whole range; if that raises, all of it is given up.

        It is not tried event by event: what was folded before it raised would be folded twice.

        Raises
        ------
        UserCodeError
            If it raised and ``on_error`` is ``fail``.
        """
        self.lost = []
        at_work = AT_WORK.set(lambda: (self.stage, _only(numbers)))
        try:
            call_batch(batch)
        except (Exception, SystemExit) as error:  # user code may raise anything
            n, first, last = len(numbers), int(numbers[0]), int(numbers[-1])
            self.lost = list(range(n))
            self._note(batch, first, error, n)
            if self.on_error == "fail":
                text = f"stage {self.stage}, reduce_batch of events {first} to {last}: {type(error).__name__}: {error}"
                raise UserCodeError(text, stage=self.stage, event=first) from error
            return
        finally:
            AT_WORK.reset(at_work)
        self.entry.post(Account.DONE, len(numbers))

    def run_singly(
        self,
        call_batch: Callable[[EventBatch], Values | None],
        call: Callable[[Any], Any],
        events: EventBatch,
        marks: Iterable[None],
        *,
        revision: int = 0,
    ) -> Values:
        """Do as ``run_batch``, in ranges of one event each: for a range of which one event may kill.

        Parameters
        ----------
        marks
            One an event, asked for before it is worked on.
        """
        columns: list[Values] = []
        lost: list[int] = []
        is_whole = True
        for row, _ in enumerate(marks):
            try:
                column = self.run_batch(call_batch, call, events.take(slice(row, row + 1)), revision=revision)
            except UserCodeError as error:
                error.done = [*(value for column in columns for value in column), *error.done]
                raise
            columns.append(column)
            lost += [row] * len(self.lost)
            is_whole = is_whole and self.is_whole
        self.lost, self.is_whole = lost, is_whole
        return _joined(columns)

    @property
    def tries(self) -> int:
        """How often an item may be tried."""
        return self._trips if self.on_error == "retry" else 1

    def again(self, call: Callable[[Any], Any], item: Any) -> Any:  # whatever user code returns
        """Try an item again that failed, if ``on_error`` says so; return its value, ``None`` if that fails too."""
        return self._again(call, item) if self.on_error == "retry" else None

    def give_up(self, item: Any, number: int | None, error: BaseException, *, is_counted: bool) -> Account:
        """Keep what happened to an item, and return the account it ends in.

        Parameters
        ----------
        number
            ``None``: it raised before there was any item.
        is_counted
            Whether the item is posted there; one that is accounted for already is only named.
        """
        account = Account.DEAD_LETTERED if self._sets_aside else Account.FAILED
        self._note(item, number, error, int(is_counted))
        if not is_counted:
            self.entry.remark(account.label, f"{_event(number)}{type(error).__name__}: {error}")
        return account

    def failure(self, item: Any, number: int | None, error: BaseException, revision: int) -> UserCodeError:
        """Return what a run ends with."""
        failure = self._failure(item, number, error, revision, ())
        failure.__cause__ = error
        return failure

    def check(self, values: Values) -> None:
        """Look at the first value there is; raises ``ResultTypeError`` if it cannot travel between processes."""
        self._check(values)

    def accounts(self, values: Values) -> NDArray[np.uint8]:
        """(n,), the account in which each item of the last range ended."""
        if self.is_whole:
            return np.full(len(values), Account.DONE, np.uint8)
        ended = np.fromiter((Account.FILTERED if v is None else Account.DONE for v in values), np.uint8, len(values))
        ended[[row for row in self.lost if row < len(values)]] = (
            Account.DEAD_LETTERED if self._sets_aside else Account.FAILED
        )
        return ended

    @property
    def _sets_aside(self) -> bool:
        return self.on_error in ("retry", "dead_letter")

    def _again(self, call: Callable[[Any], Any], item: Any) -> Any:
        """Try an item again; return its value, ``None`` if it fails for good or has no result."""
        for trip in range(self._trips - 1):
            clock.sleep(self.retry_s * 2**trip)
            try:
                return call(item)
            except (Exception, SystemExit):  # noqa: BLE001 - user code may raise anything; the first cause is kept
                continue
        return None

    def _note(self, item: Any, number: int | None, error: BaseException, count: int = 1) -> None:
        """Keep what happened to items that are given up, and account for them."""
        failure = Failure(
            stage=self.stage,
            event=number,
            cause=f"{type(error).__name__}: {error}",
            traceback=users_traceback(error),
            item=_short(item),
        )
        self.failures.append(failure)
        if self._sets_aside:
            self.dead_letters.append(failure)
        self.entry.post(
            Account.DEAD_LETTERED if self._sets_aside else Account.FAILED, count, f"{_event(number)}{failure.cause}"
        )

    def _failure(
        self, item: Any, number: int | None, error: BaseException, revision: int, done: Sequence[Any]
    ) -> UserCodeError:
        place = f"stage {self.stage}" if number is None else f"stage {self.stage}, event {number}"
        text = f"{place}: {type(error).__name__}: {error}{_hint(item)}"
        return UserCodeError(text, stage=self.stage, event=number, revision=revision, done=done)

    def _miscounted(self, error: MiscountError, events: EventBatch, revision: int) -> UserCodeError:
        self.entry.post(Account.FAILED, len(events))
        number = int(events.numbers[0])
        return UserCodeError(f"stage {self.stage}: {error}", stage=self.stage, event=number, revision=revision)

    def _check(self, values: Values) -> None:
        """Look at the first value there is: it stands for all, whose types cost too much to look at one by one."""
        if self._has_returned or not self._returns:
            return
        value = next((value for value in values if value is not None), None)
        if value is not None:
            self._has_returned = True
            check_value(value, f"stage {self.stage}")

    def _post(self, values: Values, accounted: int) -> None:
        nothing = accounted
        if self._returns:
            nothing = sum(map(is_, values, repeat(None))) if isinstance(values, list) else 0
            self.is_whole = not nothing
        self.entry.post(Account.DONE, len(values) - nothing)
        self.entry.post(Account.FILTERED, nothing - accounted)


def count_of(returned: Any, n: int) -> Values:  # whatever user code returned
    """Return what ``process_batch`` gave for ``n`` events, one value each.

    Raises
    ------
    MiscountError
        If it gave another number of values, or nothing that can be counted.
    """
    values = _column(returned)
    if values is None or len(values) != n:
        found = f"a {type(returned).__name__}" if values is None else f"{len(values)} values"
        raise MiscountError(f"process_batch returned {found} for {n} events; return one value each")
    return values


def _at(numbers: NDArray[np.int64], row: int) -> int | None:
    return int(numbers[row]) if row < len(numbers) else None


def _only(numbers: NDArray[np.int64]) -> int | None:
    """Return the one number there is; of several, none."""
    return int(numbers[0]) if len(numbers) == 1 else None


def _column(returned: Any) -> Values | None:  # whatever user code returned
    """Return its values, ``None`` if they cannot be counted; an array stays one if its rows are arrays or numbers."""
    if type(returned) is np.ndarray and returned.ndim and returned.dtype.kind in "biufc":
        return returned.copy() if returned.ndim == 1 else returned  # the user may fill the same memory again
    try:
        return list(returned)
    except TypeError:
        return None


def _joined(columns: Sequence[Values]) -> Values:
    """Return the values of several ranges, as one array if they could have come as one."""
    arrays = [column for column in columns if isinstance(column, np.ndarray)]
    if arrays and len(arrays) == len(columns) and len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
        return np.concatenate(arrays)
    return [value for column in columns for value in column]


def _hint(item: Any) -> str:
    """Say what is often behind an exception: a part that never came."""
    if isinstance(item, Event) and not item.is_complete:
        absent = ", ".join(name for name, part in zip(item.names, item.parts, strict=True) if part is None)
        return (
            f"; this event has no part {absent}: test for None, or write `incomplete: drop` to keep such events "
            "from user code"
        )
    return ""


def _event(number: int | None) -> str:
    return "" if number is None else f"event {number}: "


def _short(item: Any) -> str:
    text = repr(item)
    return text if len(text) <= 200 else f"{text[:197]}..."
