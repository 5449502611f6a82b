"""Working on what a source on an event loop gives many at once: no coroutine is gone through for each item."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from operator import length_hint

from penstock.services.strands.edge import Edge
from penstock.services.strands.feed import SourceFeed
from penstock.services.strands.free_room import FreeRoom
from penstock.services.strands.gate import Gate
from penstock.services.strands.generators import SourceFailedError
from penstock.services.strands.parts import OutPart, Part
from penstock.services.strands.pauses import Pauses
from penstock.services.strands.run import Run, said_of

__all__ = ["ChunkWork"]


class ChunkWork:
    """Takes the chunks of a source through the parts of a strand without generators, until the source has ended.

    Parameters
    ----------
    feed
        Gives chunks.
    run
        What is done with items.
    gate
        Where the next item waits while the strand is held.
    room
        How much may be given.
    """

    def __init__(self, feed: SourceFeed, run: Run, gate: Gate, room: FreeRoom, pauses: Pauses) -> None:
        self._feed = feed
        self._run = run
        self._gate = gate
        self._room = room
        self._pauses = pauses
        self._only_edge = _only_edge(run.parts)

    async def work_awaiting(self) -> None:
        """Work on the event loop.

        Raises
        ------
        SourceFailedError
            If the source raised.
        """
        chunks = self._feed.chunks_awaiting()
        gate, pauses = self._gate, self._pauses
        while not gate.is_halted:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except (Exception, SystemExit) as error:  # user code may raise anything
                raise SourceFailedError(f"source {self._feed.name}: {said_of(error)}") from error
            left = iter(chunk if type(chunk) is list else list(chunk))
            while (count := length_hint(left)) and not gate.is_halted:
                if gate.is_shut:
                    await gate.pass_awaiting()  # with one of them in its hand, as any source that is held
                    continue
                room = min(count, await self._room.wait_awaiting())
                if room <= 0:
                    continue
                if pauses.is_sample_due:
                    pauses.is_sample_due = False
                    await self._run.one_awaiting(next(left))
                    room -= 1
                if self._only_edge is None:
                    await self._run.work_awaiting(islice(left, room), pauses.asked)
                else:
                    self._only_edge.put_all(list(islice(left, room)))
                    self._run.counted.cells[0] += room
                pauses.end()
            await asyncio.sleep(0)


def _only_edge(parts: Sequence[Part]) -> Edge | None:
    """Return the edge that all there is to be done is to put items on, if there is none else and it blocks."""
    if len(parts) == 1 and isinstance(parts[0], OutPart) and not parts[0].is_shared and parts[0].edges:
        (edge,) = parts[0].edges
        return edge if edge.when_full == "block" else None
    return None
