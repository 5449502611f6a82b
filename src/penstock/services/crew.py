"""The instances of user code in one room: their hooks, their ticks, their parameters."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import NS_PER_S, Kind, Timestamp
from penstock.core.log_records import Ticked
from penstock.core.parameters import Parameters
from penstock.elements.instance import Instance
from penstock.errors import UserCodeError
from penstock.monitor.feedback import AT_WORK
from penstock.services.flow import Flow, items_of, kind_of

__all__ = ["Crew"]


class Crew:
    """All instances of user code in one room.

    Parameters
    ----------
    stage
        The room's name, for the texts of errors.
    instances
        In the order in which their hooks are called.
    names
        Of each: the worker's, and which of a chain of steps it is; by default one worker's chain.
    """

    def __init__(
        self, stage: str, instances: Iterable[Instance], names: Sequence[tuple[str, int]] | None = None
    ) -> None:
        self.stage = stage
        self.instances: Sequence[Instance] = tuple(instances)
        self.parameters: Parameters | None = None
        """Those of the whole pipeline; set once all rooms have declared theirs."""
        self.on_tick: Callable[[Ticked], None] | None = None
        """Told of every tick by the clock."""
        self.calling: Callable[..., Any] = _call
        """Calls a hook where the user code runs."""
        self._names = [(f"{stage}-0", k) for k in range(len(self.instances))] if names is None else names
        self._last = [-1] * len(self.instances)
        self._flags = 0
        self._repeated: list[deque[Ticked]] = [deque() for _ in self.instances]
        self._clock_from: int | None = -1
        """From which event on ticks come by the clock; ``None``: never."""
        self._due_ns: dict[int, int] = {}
        self._period_ns = [round((instance.tick_s or 0.0) * NS_PER_S) for instance in self.instances]
        self.is_ticking = any(self._period_ns)
        """Whether anybody has something to do now and then."""

    def repeat(self, ticks: Iterable[Ticked], clock_from: int | None) -> None:
        """Tick where a recorded run did, between the same events, and tell the same times.

        Parameters
        ----------
        ticks
            Of anybody in the stage, in their order.
        clock_from
            From which event on it ticks by the clock; ``None``: never.
        """
        self._clock_from, self.is_ticking = clock_from, False
        for tick in ticks:
            if (tick.worker, tick.step) in self._names:
                self._repeated[self._names.index((tick.worker, tick.step))].append(tick)

    def skip_repeated(self, number: int) -> None:
        """Leave out what was repeated before an event: it is in the state that was taken over."""
        for repeated in self._repeated:
            while repeated and repeated[0].after < number:
                repeated.popleft()

    def flag(self, flow: Flow) -> None:
        """Call the start or end hook of everybody."""
        for k in range(len(self.instances)):
            self._repeat(k, lambda tick: tick.flags <= self._flags)
        self._flags += 1
        is_start = kind_of(flow) is Kind.START
        for item in items_of(flow):
            for instance in self.instances:
                hook = instance.hooks.start if is_start else instance.hooks.end
                if hook is not None:
                    try:
                        self._hooked(hook, item)
                    except (Exception, SystemExit) as error:  # user code may raise anything
                        raise self._failure("start" if is_start else "end", error) from error

    def next_tick_ns(self, now_ns: int) -> int | None:
        """Return when a tick is due on the clock of ``now_ns``; ``None`` if nobody ticks."""
        if self._clock_from != -1:
            return None
        for k, period in enumerate(self._period_ns):
            if period:
                self._due_ns.setdefault(k, now_ns + period)
        return min(self._due_ns.values(), default=None)

    def tick(self, now_ns: int, utc_ns: int) -> None:
        """Call the ticks that are due; one that comes late does not bring a burst of others."""
        self.next_tick_ns(now_ns)
        for k, due_ns in self._due_ns.items():
            hook = self.instances[k].hooks.tick
            if now_ns >= due_ns and hook is not None:
                self._due_ns[k] = max(due_ns + self._period_ns[k], now_ns)
                if self.on_tick is not None:
                    worker, step = self._names[k]
                    tick = Ticked(
                        stage=self.stage, worker=worker, now_ns=utc_ns, after=self._last[k], flags=self._flags,
                        step=step,
                    )  # fmt: skip
                    self.on_tick(tick)
                self._tick(k, utc_ns)

    def follow(self, revision: int, from_event: int, values: Mapping[str, Any]) -> None:
        """Take over a change of parameters from an event on; raises ``ParameterError`` if a value is refused."""
        if self.parameters is not None:
            self.parameters.follow(revision, max(from_event, self.parameters.last_start), values)

    def close(self) -> None:
        """Let everybody close what it opened, also if one of them raises."""
        failures: list[BaseException] = []
        for k in range(len(self.instances)):
            self._repeat(k, lambda _: True)
        for instance in self.instances:
            if instance.hooks.close is not None:
                try:
                    self._hooked(instance.hooks.close)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything; it is raised below
                    failures.append(error)
        for first in failures:
            raise self._failure("close", first) from first

    def apply(self, numbers: NDArray[np.int64], start: int = 0, only: Sequence[Instance] | None = None) -> int:
        """Give everybody the parameters that hold for an event, after the ticks that came before it.

        Parameters
        ----------
        numbers
            (n,), ascending event numbers.
        start
            Which of them.
        only
            Who works on them; by default everybody.

        Returns
        -------
        Up to where, among the numbers, these parameters hold and nobody ticks.
        """
        stop = self._until_tick(numbers, start, only)
        if stop < len(numbers):
            numbers = numbers[:stop]
        stop = self._apply(numbers, start)
        for k, instance in enumerate(self.instances):
            if only is None or instance in only:
                self._last[k] = int(numbers[stop - 1])
        return stop

    def _until_tick(self, numbers: NDArray[np.int64], start: int, only: Sequence[Instance] | None) -> int:
        """Repeat the ticks that came before an event; return up to where among the numbers no other one is."""
        if self._clock_from == -1:
            return len(numbers)
        number, stop = int(numbers[start]), len(numbers)
        for k, instance in enumerate(self.instances):
            if only is not None and instance not in only:
                continue
            repeated = self._repeated[k]
            self._repeat(
                k, lambda tick: tick.flags < self._flags or (tick.flags == self._flags and tick.after < number)
            )
            if repeated and repeated[0].flags <= self._flags:
                stop = min(stop, int(np.searchsorted(numbers, repeated[0].after, "right")))
        if self._clock_from is not None and number >= self._clock_from and not any(self._repeated):
            self._clock_from, self.is_ticking = -1, any(self._period_ns)
        return stop

    def _repeat(self, k: int, is_due: Callable[[Ticked], bool]) -> None:
        repeated = self._repeated[k]
        while repeated and is_due(repeated[0]):
            self._tick(k, repeated.popleft().now_ns)

    def _tick(self, k: int, utc_ns: int) -> None:
        hook = self.instances[k].hooks.tick
        if hook is None:
            return
        try:
            self._hooked(hook, Timestamp(utc_ns))
        except (Exception, SystemExit) as error:  # user code may raise anything
            raise self._failure("tick", error) from error

    def _hooked(self, hook: Callable[..., Any], *arguments: Any) -> None:
        self.calling(_named, self.stage, hook, *arguments)

    def _apply(self, numbers: NDArray[np.int64], start: int) -> int:
        if self.parameters is None:  # one without any has revisions all the same, and results name them
            return len(numbers)
        values = self.parameters.at(int(numbers[start]), self.stage)
        for instance in self.instances:
            if instance.revision != values.revision:
                instance.apply(values)
        if self.parameters.at(int(numbers[-1]), self.stage).revision == values.revision:
            return len(numbers)
        later = (self.parameters.at(int(number), self.stage).revision for number in numbers[start:])
        return start + sum(1 for _ in takewhile(values.revision.__eq__, later))

    def _failure(self, hook: str, error: BaseException) -> UserCodeError:
        return UserCodeError(f"stage {self.stage}, hook {hook}: {type(error).__name__}: {error}", stage=self.stage)


def _named(stage: str, hook: Callable[..., Any], *arguments: Any) -> Any:  # whatever the user's hook returns
    """Call a hook; what it says back to the scan is about no event."""
    at_work = AT_WORK.set(lambda: (stage, None))
    try:
        return hook(*arguments)
    finally:
        AT_WORK.reset(at_work)


def _call(hook: Callable[..., Any], *arguments: Any) -> Any:  # whatever the user's hook returns
    return hook(*arguments)
