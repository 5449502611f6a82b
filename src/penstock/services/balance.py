"""Keep the sources of a join together: which to read now, and which joins have deadlines."""

from penstock.pipeline.plan import Plan
from penstock.services.build import Rooms
from penstock.services.intake import Intake
from penstock.services.join_room import JoinRoom
from penstock.services.replayed_merge import ReplayedMerge

__all__ = ["Balance"]

MOST_WAITING_BYTES = 1 << 30
"""A source whose messages wait for other streams is not read beyond this."""
AHEAD = 16_384
"""Messages a file may be ahead of the other files of its join."""


class Balance:
    """Which sources to read, so that none runs away from the others of its join."""

    def __init__(self, plan: Plan, rooms: Rooms) -> None:
        self._intakes = list(rooms.intakes.values())
        self._joins = list(rooms.joins.values())
        self._feeders = {
            join.name: {stream: _feeders(plan, rooms, stream) for stream in join.builder.streams}
            for join in self._joins
        }

        self._merges = [room for room in rooms.merges.values() if isinstance(room, ReplayedMerge)]
        self._merged = {
            room.name: {
                stream: _feeders(plan, rooms, stream)
                for stream in plan.merges[room.name].streams
                if stream in rooms.intakes or stream in rooms.merges
            }
            for room in self._merges
        }

    def readable(self) -> list[Intake]:
        """Return the sources to read now: not those whose messages already wait in masses for other streams."""
        return [intake for intake in self._intakes if intake.is_open and not self._is_held_back(intake)]

    def held_back(self) -> list[Intake]:
        """Return the sources that are open and must not be read now."""
        return [intake for intake in self._intakes if intake.is_open and self._is_held_back(intake)]

    def is_joined(self, intake: Intake) -> bool:
        """Tell whether a source feeds a join, whose end is then that of the source."""
        return any(intake in feeders for streams in self._feeders.values() for feeders in streams.values())

    def live_joins(self) -> list[JoinRoom]:
        """Return the joins whose deadlines count: a file is never late, however long it takes to read."""
        return [
            join for join in self._joins if not any(_is_file(feeders) for feeders in self._feeders[join.name].values())
        ]

    def _is_held_back(self, intake: Intake) -> bool:
        return self._is_ahead(intake) or any(self._is_early(intake, merge) for merge in self._merges)

    def _is_early(self, intake: Intake, merge: ReplayedMerge) -> bool:
        """Whether much of a source waits in a replayed merge for the turn of another that can be read."""
        streams = self._merged[merge.name]
        if merge.turn not in streams or intake in streams[merge.turn]:
            return False
        if not any(each.is_open and not self._is_ahead(each) for each in streams[merge.turn]):
            return False
        return any(intake in feeders and merge.waiting(stream) > AHEAD for stream, feeders in streams.items())

    def _is_ahead(self, intake: Intake) -> bool:
        for join in self._joins:
            pending = {stream: join.builder.pending(stream) for stream in join.builder.streams}
            for stream, feeders in self._feeders[join.name].items():
                if intake not in feeders:
                    continue
                if pending[stream] * intake.bytes_per_message > MOST_WAITING_BYTES:
                    return True
                behind = [n for other, n in pending.items() if _is_file(self._feeders[join.name][other])]
                if pending[stream] > AHEAD and min(behind, default=pending[stream]) < pending[stream]:
                    return True
        return False


def _is_file(feeders: list[Intake]) -> bool:
    return any(intake.is_always_ready for intake in feeders)


def _feeders(plan: Plan, rooms: Rooms, stream: str) -> list[Intake]:
    """Return the sources behind a stream: itself, or those of a merge."""
    if stream in rooms.intakes:
        return [rooms.intakes[stream]]
    there = (each for each in plan.merges[stream].streams if each in rooms.intakes or each in plan.merges)
    return [intake for each in there for intake in _feeders(plan, rooms, each)]
