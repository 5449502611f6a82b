"""A step of which every worker of a parallel stage has a copy: its parameters, and what happened in all copies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.parameter import Parameter
from penstock.services.strands.stage import Stage
from penstock.services.strands.steps_copy import Tally

__all__ = ["StepTally", "TeamStep"]


class TeamStep:
    """A step of which every worker has a copy, as parameters see it.

    Parameters
    ----------
    parameters
        As its code declares them.
    values
        Start values, by name.
    """

    def __init__(self, parameters: Sequence[Parameter], values: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self._values = {p.name: values.get(p.name, p.default) for p in parameters}
        self.on_change: Callable[[Mapping[str, Any]], None] = lambda _: None

    def value_of(self, parameter: Parameter) -> Any:  # of the type the user declared
        """Return the start value of one of its parameters."""
        return self._values[parameter.name]

    def apply(self, values: Mapping[str, Any]) -> None:
        """Have all workers use other values, by address."""
        own = {p.address: values[p.address] for p in self.parameters if p.address in values}
        if own:
            self.on_change(own)


@dataclass(eq=False, slots=True)
class StepTally:
    """What happened in all copies of one step."""

    step: TeamStep
    stage: Stage
    name: str
    arrived: int = 0
    filtered: int = 0
    failed: int = 0
    samples: int = 0
    sampled_ns: int = 0
    longest_ns: int = 0

    @property
    def address(self) -> str:
        """Where it is: ``stage.step``."""
        return f"{self.stage.name}.{self.name}"

    def add(self, news: Tally) -> None:
        """Add what happened in one copy since the last time."""
        arrived, filtered, failed, samples, sampled_ns, longest_ns = news
        self.arrived += arrived
        self.filtered += filtered
        self.failed += failed
        self.samples += samples
        self.sampled_ns += sampled_ns
        self.longest_ns = max(self.longest_ns, longest_ns)
