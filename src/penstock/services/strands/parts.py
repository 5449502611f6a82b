"""What a strand is made of: steps, and the places where items leave it, each with what is counted of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.core.ledger import Account, Entry
from penstock.elements.shape import StepShape
from penstock.elements.step import Step
from penstock.services.strands.edge import Edge
from penstock.services.strands.stage import Stage

__all__ = ["Counted", "MarkPart", "OutPart", "Part", "StepPart", "Writer"]


@dataclass(eq=False, slots=True)
class StepPart:
    """One step of one stage."""

    step: Step
    stage: Stage
    name: str
    shape: StepShape
    """As it is used here: a buffer's ``put`` is called like any other function."""
    call: Callable[..., Any] | None = None
    """What to call instead of the step's own; ``None`` for that."""
    counts_for_stage: bool = True
    """Whether an item that ends here is one that came to the stage; behind a generator or a buffer it is another."""
    closes: bool = True
    """Whether the step is closed here; a buffer is where items come out."""
    arrived: int = 0
    filtered: int = 0
    failed: int = 0
    samples: int = 0
    """How many calls were timed."""
    sampled_ns: int = 0
    longest_ns: int = 0
    since_ns: int = 0
    """Of a generator that is timed: when it was given an item; 0 if none is."""
    given: int = 0
    """How many it had given by then."""

    def sample(self, ns: int) -> None:
        """Note how long one call took."""
        self.samples += 1
        self.sampled_ns += ns
        self.longest_ns = max(self.longest_ns, ns)

    @property
    def address(self) -> str:
        """Where it is: ``stage.step``."""
        return f"{self.stage.name}.{self.name}"

    @property
    def target(self) -> Callable[..., Any]:
        """What is called; other parameters may make it another."""
        return self.step.call if self.call is None else self.call


@dataclass(eq=False, slots=True)
class Writer:
    """A sink that is written to where its items are made."""

    name: str
    write: Callable[[Any], Any]
    entry: Entry
    is_async: bool = False
    write_all: Callable[[list[Any]], None] | None = None
    """Writes items together, where that is much cheaper; ``None`` if they are written one by one."""
    write_ready: Callable[[Sequence[Any]], int] | None = None
    """Writes the first of some items without waiting, and says how many; ``None`` if there is no such thing."""
    not_done: dict[Account, int] = field(default_factory=dict)
    """Of what was written since this was last looked at: what ended in another account than done."""


@dataclass(eq=False, slots=True)
class OutPart:
    """Where what a producer gives leaves a strand."""

    producer: str
    edges: Sequence[Edge] = ()
    writers: Sequence[Writer] = ()
    merged: Sequence[Entry] = ()
    """Of merges that it is one of."""
    goes_on: bool = False
    """Whether more steps follow."""

    @property
    def is_shared(self) -> bool:
        """Whether several get each item."""
        return len(self.edges) + len(self.writers) + self.goes_on > 1


@dataclass(eq=False, slots=True)
class MarkPart:
    """Where items come to a stage, or where they have ended there as far as its books go."""

    stage: Stage
    kind: Literal["in", "done", "held"]
    """``held``: a generator takes them."""


Part = StepPart | OutPart | MarkPart


@dataclass(eq=False, slots=True)
class Counted:
    """What happened in a run of parts, since it began. Numbers only grow, so that another thread may look at them."""

    cells: list[int] = field(default_factory=list)
    """How many came through, then how many each part filtered; without what a loop that still runs has counted."""
    failed: list[int] = field(default_factory=list)
    """How many each part failed on."""
    kept: list[int] = field(default_factory=list)
    """What of ``cells``, and then of ``failed``, is in the books."""

    @property
    def came(self) -> int:
        """How many have come and are no longer under way."""
        return sum(self.cells) + sum(self.failed)
