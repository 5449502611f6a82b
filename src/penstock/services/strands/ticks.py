"""Calls of those steps of a strand that want to be called now and then."""

import asyncio
from collections.abc import Sequence

from penstock.core import NS_PER_S
from penstock.elements import clock
from penstock.elements.step import Step
from penstock.services.crew import Crew
from penstock.services.strands.parts import Part, StepPart

__all__ = ["Ticks"]


class Ticks:
    """The ticks of some parts; true if there are any.

    Whoever works on items calls them between two; nobody is to be at an item.

    Parameters
    ----------
    parts
        Of a strand; a step that is closed elsewhere ticks there, too.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        steps: dict[str, list[Step]] = {}
        for part in parts:
            if isinstance(part, StepPart) and part.closes and part.step.tick_s:
                steps.setdefault(part.stage.name, []).append(part.step)
        self._crews = [Crew(stage, found) for stage, found in steps.items()]

    def __bool__(self) -> bool:
        return bool(self._crews)

    def tick(self) -> None:
        """Call those that are due.

        Raises
        ------
        UserCodeError
            If one raised.
        """
        if self._crews:
            now, utc = clock.monotonic_ns(), clock.utc_ns()
            for crew in self._crews:
                crew.tick(now, utc)

    async def tick_for_ever(self) -> None:
        """Do as ``tick`` whenever something is due, beside the items of an event loop; there is something to call."""
        while True:
            now = clock.monotonic_ns()
            due = [crew.next_tick_ns(now) for crew in self._crews]
            await asyncio.sleep(max(0.0, (min(ns for ns in due if ns is not None) - now) / NS_PER_S))
            self.tick()
