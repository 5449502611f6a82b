"""The instances of user code in one room: their hooks, their ticks, their parameters."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core import NS_PER_S, Kind, Timestamp
from penstock.core.parameters import Parameters
from penstock.elements.instance import Instance
from penstock.errors import UserCodeError
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
    """

    def __init__(self, stage: str, instances: Iterable[Instance]) -> None:
        self.stage = stage
        self.instances: Sequence[Instance] = tuple(instances)
        self.parameters: Parameters | None = None
        """Those of the whole pipeline; set once all rooms have declared theirs."""
        self._due_ns: dict[int, int] = {}
        self._period_ns = [round((instance.tick_s or 0.0) * NS_PER_S) for instance in self.instances]
        self.is_ticking = any(self._period_ns)
        """Whether anybody has something to do now and then."""

    def flag(self, flow: Flow) -> None:
        """Call the start or end hook of everybody."""
        is_start = kind_of(flow) is Kind.START
        for item in items_of(flow):
            for instance in self.instances:
                hook = instance.hooks.start if is_start else instance.hooks.end
                if hook is not None:
                    try:
                        hook(item)
                    except (Exception, SystemExit) as error:  # user code may raise anything
                        raise self._failure("start" if is_start else "end", error) from error

    def next_tick_ns(self, now_ns: int) -> int | None:
        """Return when a tick is due on the clock of ``now_ns``; ``None`` if nobody ticks."""
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
                try:
                    hook(Timestamp(utc_ns))
                except (Exception, SystemExit) as error:  # user code may raise anything
                    raise self._failure("tick", error) from error

    def follow(self, revision: int, from_event: int, values: Mapping[str, Any]) -> None:
        """Take over a change of parameters from an event on; raises ``ParameterError`` if a value is refused."""
        if self.parameters is not None:
            self.parameters.follow(revision, max(from_event, self.parameters.last_start), values)

    def close(self) -> None:
        """Let everybody close what it opened, also if one of them raises."""
        failures: list[BaseException] = []
        for instance in self.instances:
            if instance.hooks.close is not None:
                try:
                    instance.hooks.close()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything; it is raised below
                    failures.append(error)
        for first in failures:
            raise self._failure("close", first) from first

    def apply(self, numbers: NDArray[np.int64], start: int = 0) -> int:
        """Give everybody the parameters that hold for an event.

        Parameters
        ----------
        numbers
            (n,), ascending event numbers.
        start
            Which of them.

        Returns
        -------
        Up to where, among the numbers, these parameters hold.
        """
        if self.parameters is None:  # one without any has revisions all the same, and results name them
            return len(numbers)
        values = self.parameters.at(int(numbers[start]))
        for instance in self.instances:
            if instance.revision != values.revision:
                instance.apply(values)
        if self.parameters.at(int(numbers[-1])).revision == values.revision:
            return len(numbers)
        later = (self.parameters.at(int(number)).revision for number in numbers[start:])
        return start + sum(1 for _ in takewhile(values.revision.__eq__, later))

    def _failure(self, hook: str, error: BaseException) -> UserCodeError:
        return UserCodeError(f"stage {self.stage}, hook {hook}: {type(error).__name__}: {error}", stage=self.stage)
