"""A link of a chain of steps: it is fed rows and gives rows, whoever asks whom inside; and what goes wrong in it.

What comes out belongs to the item that a link had taken last. Nothing here knows a stage, a room or a process.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from penstock.errors import UserCodeError
from penstock.services.fed import Fed, Row

__all__ = ["ChainLink", "Mishaps", "tried"]


class Mishaps:
    """What went wrong in one chain, and what that means for it.

    Parameters
    ----------
    nothing
        What something belongs to that came before any item.
    """

    def __init__(self, nothing: Fed) -> None:
        self.nothing = nothing
        self.error: UserCodeError | None = None
        """What the run ends with; nothing is worked on any more."""
        self.stopped_at: tuple[Fed, int] | None = None
        """At which item."""

    def lose(self, fed: Fed, row: int, item: Any, error: BaseException) -> bool:
        """Give an item up; return whether the link must work on no other."""
        found = fed.lose(row, item, error)
        if found is not None and self.error is None:
            self.error, self.stopped_at = found, (fed, row)
        return found is not None

    def stop_of(self, fed: Fed) -> int | None:
        """Return from which row on nothing of what was fed was worked on; ``None``: all was."""
        if self.error is None:
            return None
        return self.stopped_at[1] + 1 if self.stopped_at is not None and self.stopped_at[0] is fed else 0

    def end(self, error: BaseException) -> None:
        """Take it that nothing can go on, whatever ``on_error`` says."""
        if self.error is None:
            self.error = self.nothing.calls.failure(None, None, error, self.nothing.revision)


class ChainLink(ABC):
    """One part of a chain. All methods are called from one thread, or in one loop."""

    def __init__(self, mishaps: Mishaps) -> None:
        self._mishaps = mishaps

    @abstractmethod
    async def feed(self, rows: Sequence[Row]) -> list[Row]:
        """Work on rows; return what has come out since the last time. No rows: just that."""

    async def end(self) -> list[Row]:
        """Learn that no more rows will come; return the rest."""
        return []

    def close(self) -> None:  # noqa: B027 - many have nothing to close
        """Let go of everything, whatever is under way; not in the loop."""


async def tried(call: Callable[[Any], Awaitable[Any]], item: Any, tries: int, retry_s: float) -> Any:
    """Await user code, several times if it raises and may be tried again; raise the first of what it raised.

    Parameters
    ----------
    retry_s
        How long before it is tried again; twice as long each time.
    """
    first: BaseException | None = None
    for trip in range(tries):
        if trip:
            import asyncio  # only who waits on a loop needs it, which has it

            await asyncio.sleep(retry_s * 2 ** (trip - 1))
        try:
            return await call(item)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything; it is raised below
            first = first or error
    assert first is not None, "it was tried once at least"
    raise first
