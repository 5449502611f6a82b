"""What user code says back to the scan, for those who wait for it: asked of the supervisor when it rings."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec

from penstock.errors import PenstockError
from penstock.web.supervisor_line import SupervisorLine

__all__ = ["LONGEST_WAIT_S", "Following", "Heard"]

LONGEST_WAIT_S: Final = 30.0
"""How long one may wait for an answer; what is between here and there may end a connection that is silent for long."""


class Heard:
    """Feedback, as many as there are who wait for it.

    Parameters
    ----------
    line
        To the supervisor.
    has_run
        Whether there is a run, or only the wish for one.
    """

    def __init__(self, line: SupervisorLine, *, has_run: bool) -> None:
        self._line = line
        self._has_run = has_run

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self._line.last is not None or not self._has_run

    @contextmanager
    def _bell(self) -> Iterator[asyncio.Event]:
        bell = asyncio.Event()
        self._line.bells.add(bell)
        try:
            yield bell
        finally:
            self._line.bells.discard(bell)

    async def since(self, after: int, run: str = "") -> list[dict[str, Any]]:
        """Return what there is with numbers above this one, the oldest first.

        Raises
        ------
        StateError
            If another run was meant.
        """
        if not self._has_run:
            return []
        return list(await self._line.ask("feedback", {"after": after, "run": run}))

    async def wait(self, after: int, wait_s: float, run: str = "") -> list[dict[str, Any]]:
        """Return as ``since``, and wait so long until there is any; after the end of a run nothing is waited for."""
        until_s = asyncio.get_running_loop().time() + min(wait_s, LONGEST_WAIT_S)
        with self._bell() as bell:
            while True:
                has_ended = self.has_ended
                bell.clear()  # before it is asked: what comes meanwhile rings again
                found = await self.since(after, run)
                left_s = until_s - asyncio.get_running_loop().time()
                if found or has_ended or left_s <= 0:
                    return found
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_s):
                        await bell.wait()


class Following:
    """One viewer that is told of everything that is said back to the scan, from some number on.

    Parameters
    ----------
    heard
        ``None``: nobody says anything.
    say
        Called with each, as a text in JSON.
    """

    def __init__(self, heard: Heard | None, say: Callable[[str], None]) -> None:
        self._heard = heard
        self._say = say
        self._task: asyncio.Task[None] | None = None

    def begin(self, after: int | None) -> None:
        """Tell of what has numbers above this one, ``None``: of nothing; from now on, and of nothing else."""
        self.end()
        if after is not None and self._heard is not None:
            self._task = asyncio.create_task(self._follow(self._heard, after))

    def end(self) -> None:
        """Tell of nothing any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _follow(self, heard: Heard, after: int) -> None:
        with suppress(PenstockError):  # the supervisor is silent, which viewers see by everything else
            has_ended = False
            while not has_ended:
                has_ended = heard.has_ended
                for each in await heard.wait(after, LONGEST_WAIT_S):
                    after = each["number"]
                    self._say(msgspec.json.encode({"feedback": each}).decode())
