"""How many workers a stage should have, by what there is to do: more when it lags, fewer when they have little to do.

It only decides. It starts nobody and lets nobody go, knows no process, and is told the time.
"""

from collections import deque
from math import ceil
from typing import Final

import msgspec

from penstock.core.timestamp import NS_PER_S

__all__ = ["Limits", "Load", "Move", "Staffing"]

BEHIND: Final = 0.9
"""Workers that are at work for this part of the time, while something waits all the time, are too few."""
ENOUGH: Final = 0.75
"""So many workers are left that they are at work for this part of the time at most; the gap to ``BEHIND`` is what keeps
one and the same load from bringing and sending away the same workers again and again."""
MOST_PATIENT: Final = 16
"""How many times longer it waits, at most, before it lets workers go that were wanted again at once the last times."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Between which numbers of workers a stage is kept, and how soon it changes."""

    least: int = 1
    most: int
    grow_s: float = 1.0
    """For how long it must lag before more come, half as many again."""
    shrink_s: float = 10.0
    """For how long fewer must have been enough before some leave."""

    def trouble(self, workers: int) -> str:
        """Return why there cannot be so many; empty if there can.

        >>> Limits(least=2, most=8).trouble(9)
        '9 workers are not within its limits; ask for 2 to 8, or change workers in the pipeline file'
        """
        if self.least <= workers <= self.most:
            return ""
        return (
            f"{workers} workers are not within its limits; ask for {self.least} to {self.most}, "
            "or change workers in the pipeline file"
        )


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage has to do, and who is there for it."""

    present: int
    """Workers that take part and stay."""
    coming: int = 0
    """Workers that were asked for and are not there yet."""
    spare: int
    """How many of those present could leave now, and nothing that belongs together would be parted."""
    busy: float
    """How many of those present were at work, on the average since the last look."""
    waiting: int
    """Events or items that nobody was given."""
    busiest: float = 0.0
    """For which part of the time since the last look the one was at work that was so the most."""
    opens: bool = False
    """Whether since then events began to come that must stay together, which another worker could have had."""
    is_blocked: bool = False
    """Whether nothing may be begun now, because who reads the results has enough; more workers would not help."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """Another number of workers, and the reason."""

    workers: int
    why: str


class Staffing:
    """Decides when workers come and go.

    It looks at stretches of ``grow_s``. Workers come when those there were at work all through one, and something
    waited all the time: half as many again. Where events must stay together, it is enough that one was at work all
    through, while others began to come that could have gone to another worker.

    Workers leave when fewer would have done for every stretch of the last ``shrink_s``; those with whom something must
    stay leave when that is over. Who was sent away and was wanted again within twice that time is kept twice as long
    the next time. It never changes anything twice within a stretch, nor while somebody is still on the way.

    Parameters
    ----------
    limits
        Of the stage.

    Examples
    --------
    >>> staffing = Staffing(Limits(most=8))
    >>> lagging = Load(present=1, spare=1, busy=1.0, waiting=500)
    >>> [staffing.look(second * 500_000_000, lagging) for second in range(2)]
    [None, None]
    >>> staffing.look(1_000_000_000, lagging)
    Move(workers=2, why='100% busy for 1 s while 500 wait')
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pinned: int | None = None
        """How many somebody has asked for, whatever there is to do; ``None``: it goes by the load."""
        self.busy = 0.0
        """How many workers were at work, on the average of the last stretch."""
        self.why = ""
        """Of the last change."""
        self.surplus = 0
        """How many are too many, and stay because something must stay with them: give them nothing else."""
        self._grow_ns = max(1, round(limits.grow_s * NS_PER_S))
        self._shrink_ns = max(1, round(limits.shrink_s * NS_PER_S))
        self._patience_ns = self._shrink_ns
        self._looked_ns: int | None = None
        self._begun_ns = self._calm_ns = 0
        """Since when the present stretch goes on; since when nothing has changed and nobody was behind."""
        self._work_ns = 0.0
        """Of all workers, in the present stretch."""
        self._busiest_ns = 0.0
        """Of the one who was at work the most at each look of it."""
        self._always_waits = self._is_free = True
        """Whether something waited, and whether results were taken, at every look of it."""
        self._opens = False
        self._shrunk_ns: int | None = None
        self._stretches: deque[tuple[int, float]] = deque()
        """When each ended, and how many were at work."""

    def pin(self, workers: int | None) -> None:
        """Keep so many from now on, whatever there is to do; ``None``: go by the load again.

        Raises
        ------
        ValueError
            If it is not within the limits.
        """
        if workers is not None and (trouble := self.limits.trouble(workers)):
            raise ValueError(trouble)
        self.pinned = workers
        self.forget()

    def forget(self) -> None:
        """Begin to measure anew, because what there was to do says nothing of what there is."""
        self._looked_ns, self.surplus = None, 0

    def look(self, now_ns: int, load: Load) -> Move | None:
        """Return how many there should be from now on; ``None``: as many as there are.

        Parameters
        ----------
        now_ns
            On a clock that never goes back.
        load
            Since the last look.
        """
        if self._looked_ns is None or load.coming or not load.present:
            self._begin(now_ns)
        else:
            self._work_ns += load.busy * (now_ns - self._looked_ns)
            self._busiest_ns += load.busiest * (now_ns - self._looked_ns)
            self._opens |= load.opens
            self._always_waits &= load.waiting > 0
            self._is_free &= not load.is_blocked
            self._looked_ns = now_ns
        took_ns = now_ns - self._begun_ns
        has_ended = took_ns >= self._grow_ns
        if has_ended:
            self.busy = self._work_ns / took_ns
        if self.pinned is not None:
            if has_ended:
                self._next_stretch(now_ns)
            return self._towards(self.pinned, load)
        return self._judge(now_ns, load, took_ns) if has_ended else None

    # Inside

    def _begin(self, now_ns: int) -> None:
        self._looked_ns = self._calm_ns = now_ns
        self._stretches.clear()
        self._next_stretch(now_ns)

    def _next_stretch(self, now_ns: int) -> None:
        self._begun_ns, self._work_ns, self._busiest_ns = now_ns, 0.0, 0.0
        self._always_waits = self._is_free = True
        self._opens = False

    def _judge(self, now_ns: int, load: Load, took_ns: int) -> Move | None:
        """Look at a stretch that has ended."""
        is_parted = self._opens and self._busiest_ns >= BEHIND * took_ns
        is_behind = self._always_waits and (self.busy >= BEHIND * load.present or is_parted)
        is_free = self._is_free
        self._next_stretch(now_ns)
        if is_behind:
            self._calm_ns, self.surplus = now_ns, 0
            self._stretches.clear()
            return self._grow(now_ns, load, took_ns) if is_free else None
        self._stretches.append((now_ns, self.busy))
        return self._shrink(now_ns, load)

    def _towards(self, workers: int, load: Load) -> Move | None:
        there = load.present + load.coming
        if workers < there:
            workers = self._as_far_as_can_be(workers, load)
        return self._move(workers, "as asked") if workers != there else None

    def _grow(self, now_ns: int, load: Load, took_ns: int) -> Move | None:
        workers = min(self.limits.most, load.present + min(ceil(load.present / 2), load.waiting))
        if workers <= load.present:
            return None
        if self._shrunk_ns is not None:
            is_regretted = now_ns - self._shrunk_ns < 2 * self._patience_ns
            longer_ns = min(2 * self._patience_ns, MOST_PATIENT * self._shrink_ns)
            self._patience_ns, self._shrunk_ns = longer_ns if is_regretted else self._shrink_ns, None
        self._begin(now_ns)
        share = min(1.0, self.busy / load.present)
        how = f"{share:.0%} busy" if share >= BEHIND else f"one busy with what belongs together, {share:.0%} all,"
        return self._move(workers, f"{how} for {took_ns / NS_PER_S:.3g} s while {load.waiting} wait")

    def _shrink(self, now_ns: int, load: Load) -> Move | None:
        while self._stretches[0][0] <= now_ns - self._patience_ns:
            self._stretches.popleft()
        took_ns = now_ns - self._calm_ns
        if took_ns < self._patience_ns and not self.surplus:
            return None
        busiest = max(busy for _, busy in self._stretches)
        workers = self._as_far_as_can_be(max(self.limits.least, ceil(busiest / ENOUGH)), load)
        if workers >= load.present:
            return None
        self._shrunk_ns = now_ns
        self._begin(now_ns)
        return self._move(workers, f"at most {busiest:.2g} of {load.present} busy for {took_ns / NS_PER_S:.3g} s")

    def _as_far_as_can_be(self, workers: int, load: Load) -> int:
        """Return how many must stay if there are to be so many, and note who of them is too many."""
        there = load.present + load.coming
        most = max(workers, there - load.spare)
        self.surplus = max(0, min(most, load.present) - workers)
        return most

    def _move(self, workers: int, why: str) -> Move:
        self.why = why
        return Move(workers=workers, why=why)
