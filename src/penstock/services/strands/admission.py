"""Taking items in for a parallel stage, lane by lane: as many as its workers may soon need, and no more."""

from collections.abc import Sequence

from penstock.services.strands.edge import Edge
from penstock.services.strands.ending import Ending
from penstock.services.strands.lane_out import LaneOut
from penstock.services.strands.pace import Pace
from penstock.services.strands.shares import Shares
from penstock.services.strands.staff import Staff
from penstock.services.strands.stage import Stage

__all__ = ["Admission"]


class Admission:
    """The way in.

    Parameters
    ----------
    edges, books
        By lane.
    shares
        Gets the items.
    outs
        By lane, the ways out: what waits there is under way, too. None of a stage without lanes.
    """

    def __init__(
        self,
        edges: Sequence[Edge],
        books: Sequence[Stage],
        shares: Shares,
        staff: Staff,
        pace: Pace,
        ending: Ending,
        outs: Sequence[LaneOut],
    ) -> None:
        self.edges = edges
        self._books = books
        self._shares = shares
        self._staff = staff
        self._pace = pace
        self._ending = ending
        self._outs = outs
        self._admitted = [0] * len(edges)
        """By lane, items that were taken from the edge and counted."""

    def left(self) -> dict[str, int]:
        """Return by edge how many items lie before the stage that it has not counted."""
        return {
            edge.name: len(edge) + edge.taken - admitted
            for edge, admitted in zip(self.edges, self._admitted, strict=True)
        }

    @property
    def waiting(self) -> int:
        """Items that no worker was given; from any thread."""
        return self._shares.waiting + sum(len(edge.items) for edge in self.edges)

    def waiting_in(self, lane: int) -> int:
        """Return how many items of a lane no worker was given."""
        return self._shares.waiting_by[lane] + len(self.edges[lane].items)

    def could_give(self, lane: int) -> int:
        """Return how many items of a lane could be given if somebody were free."""
        there = len(self.edges[lane].items)
        return self._shares.waiting_by[lane] + (there if there and self.has_room_for(lane) else 0)

    def has_room_for(self, lane: int) -> bool:
        """Return whether more of a lane may be taken in."""
        return self._room(lane, self._staff.present) > 0 and not self._ending.is_failing

    def admit(self, lane: int, most: int, present: int, now_ns: int) -> None:
        """Take items of a lane from its edge, unless too many are under way.

        Parameters
        ----------
        present
            How many workers there are.
        """
        edge = self.edges[lane]
        if self._ending.is_failing or not edge.items:
            return
        room = self._room(lane, present)
        items = edge.take(min(most, room)) if room > 0 else []
        if items:
            self._admitted[lane] += len(items)
            self._books[lane].arrive(len(items))
            edge.worked_on(len(items), now_ns)
            self._shares.add(items, lane)

    def take_back(self) -> None:
        """Let all that has not gone on lie before the stage again, where it is left."""
        count = self._shares.in_flight
        self._admitted[0] -= count  # where a worker is a net there is one lane
        self._books[0].take_back(count)

    def _room(self, lane: int, present: int) -> int:
        under_way = self._shares.in_flight_by[lane] + (self._outs[lane].left if self._outs else 0)
        return self._pace.ahead * present - under_way
