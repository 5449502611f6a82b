"""How far a parallel stage is on its way to its end, and on what it is to fail there."""

from dataclasses import dataclass

__all__ = ["Ending", "Fatal"]


@dataclass(frozen=True, slots=True)
class Fatal:
    """What came of an item on which the run is to fail."""

    text: str
    lane: int = 0


@dataclass(eq=False, slots=True)
class Ending:
    """What is known of the end of one parallel stage; but for ``is_halted`` its strand's own."""

    is_halted: bool = False
    """Whether nothing more is to be given; from any thread."""
    is_finishing: bool = False
    """Whether all that came has gone on, and workers are asked to end."""
    has_ended_early: bool = False
    """Whether its one worker takes no more, and has ended by itself."""
    is_failing: bool = False
    """Whether nothing more is taken in, as the run fails when what came before has gone on."""
    fails_at: int | None = None
    """Number of an item on which the run is to fail, if it is known."""
    trouble: str = ""
    """Why the run is to fail when all that came before has gone on, of no item."""
    fatal: Fatal | None = None
    """On what the run fails as soon as nothing waits behind any lane."""
