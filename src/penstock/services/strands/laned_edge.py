"""The edges of a consumer that reads by lanes: one for each, of which the most urgent that has something goes first.

Each lane has its own bound where producers wait, so that a full low one never stops a high one. Where items are given
up, the bound is that of all lanes together, and the lowest gives up first.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from penstock.monitor.latency import Latency
from penstock.pipeline.chains import CAPACITY
from penstock.pipeline.plan import WhenFull
from penstock.services.strands.edge import MOST_AT_ONCE, ConsumersEnd, Edge, Seen

__all__ = ["LaneEdge", "LanedEdge"]


class LaneEdge(Edge):
    """The edge of one lane.

    Parameters
    ----------
    lane
        Its name.
    rank
        0 of the most urgent one.
    group
        All edges of its consumer, this one among them.
    """

    __slots__ = ("group", "lane", "rank")

    def __init__(self, name: str, lane: str, rank: int, group: "LanedEdge") -> None:
        super().__init__(name, capacity=group.bound, when_full=group.when_full)
        self.lane = lane
        self.rank = rank
        self.group = group
        if group.when_full != "block":
            self._lock = group.lock

    def _offer(self, item: Any) -> None:
        """Put an item, or have the lowest lane that has any give one up."""
        with self._lock:
            if self.group.makes_room(self) and self._is_kept():
                self.items.append(item)

    def give_up_one(self) -> None:
        """Make room for a more urgent lane; the lock is held."""
        if self.when_full == "sample":
            self._thin()
            return
        if self.when_full == "drop_newest":
            self.items.pop()
        else:
            self.items.popleft()
        self.dropped += 1


class LanedEdge(ConsumersEnd):
    """All edges of a consumer by lanes, as the consumer sees them.

    It does for a consumer what an ``Edge`` does. Of lower lanes it is given items only while nothing is in a higher
    one, and ``on_urgent`` tells when that has changed.

    Parameters
    ----------
    name
        For texts: ``producer → consumer``.
    names
        By lane, from high to low, that of its edge.
    capacity
        How many items each lane holds; where items are given up, how many all lanes hold together.
    when_full
        What becomes of an item that has no room.
    """

    def __init__(
        self, name: str, names: Mapping[str, str], *, capacity: int = CAPACITY, when_full: WhenFull = "block"
    ) -> None:
        self.name = name
        self.bound = capacity
        self.when_full = when_full
        self.lock = threading.Lock()
        self.edges = [LaneEdge(edge, lane, rank, self) for rank, (lane, edge) in enumerate(names.items())]
        self.on_urgent: Callable[[], None] = _nothing
        """Called, by whoever puts, when something more urgent has come than what was taken last."""
        self.latency = Latency()
        """Of all lanes together, for consumers that are not asked by which lane something came."""
        self._rank = 0
        """Of what was taken last."""
        self._taken: deque[tuple[int, int]] = deque()
        """Rank and count of what was taken and is not worked on."""

    def __len__(self) -> int:
        return sum(map(len, self.edges))

    def __repr__(self) -> str:
        return f"<LanedEdge {self.name}: {', '.join(f'{len(edge)} {edge.lane}' for edge in self.edges)}>"

    @property
    def items(self) -> deque[Any]:
        """What waits in the first lane in which anything does."""
        return next((edge.items for edge in self.edges if edge.items), self.edges[-1].items)

    @property
    def capacity(self) -> int:
        """How many items it holds."""
        return self.bound * (len(self.edges) if self.when_full == "block" else 1)

    @property
    def dropped(self) -> int:
        """Items given up because there was no room."""
        return sum(edge.dropped for edge in self.edges)

    @property
    def taken(self) -> int:
        """Items that were taken out."""
        return sum(edge.taken for edge in self.edges)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be put."""
        return all(edge.has_ended for edge in self.edges)

    @property
    def is_overtaken(self) -> bool:
        """Whether there is something more urgent than what was taken last."""
        return any(edge.items for edge in self.edges[: self._rank])

    def makes_room(self, edge: LaneEdge) -> bool:
        """Return whether an item may be put to an edge, after a lower one gave up some; the lock is held."""
        if len(self) < self.bound:
            return True
        lowest = max((other.rank for other in self.edges if other.items), default=edge.rank)
        if lowest > edge.rank:
            self.edges[lowest].give_up_one()
            return True
        if lowest < edge.rank:
            edge.dropped += 1
            return False
        return edge.makes_room()

    def seen(self) -> Seen:
        """Return what all lanes together have seen by now, each item once; from any thread."""
        came, waiting, dropped = map(sum, zip(*(edge.seen() for edge in self.edges), strict=True))
        return Seen(came, waiting, dropped)

    def take(self, most: int = MOST_AT_ONCE) -> list[Any]:
        """Return what there is in the most urgent lane that has anything, without waiting."""
        for edge in self.edges:
            if found := edge.take(most):
                self._rank = edge.rank
                self._taken.append((edge.rank, len(found)))
                self._watch_higher()
                return found
        return []

    def put_back(self, items: list[Any]) -> None:
        """Let items wait again that were taken last and not begun."""
        if items:
            rank, count = self._taken.pop()
            self.edges[rank].put_back(items)
            if count > len(items):
                self._taken.append((rank, count - len(items)))

    def discard(self) -> int:
        """Give up everything that lies here, from whatever thread; return how many items that was."""
        return sum(edge.discard() for edge in self.edges)

    def worked_on(self, count: int, now_ns: int) -> None:
        """Note that so many more of what was taken are done."""
        while count and self._taken:
            rank, taken = self._taken.popleft()
            done = min(count, taken)
            if done < taken:
                self._taken.appendleft((rank, taken - done))
            self.edges[rank].worked_on(done, now_ns)
            count -= done

    def when_any(self, wake: Callable[[], None]) -> bool:
        """Have the consumer woken when something comes or a lane ends; return false if something is there already."""
        waits = False
        for edge in self.edges:
            if edge.has_ended and not edge.items:
                continue
            if not edge.when_any(wake):
                return False
            waits = True
        return waits

    def _watch_higher(self) -> None:
        """Hear of what comes in higher lanes while a lower one is worked on."""
        for edge in self.edges[: self._rank]:
            if not edge.when_any(self.on_urgent) and edge.items:
                self.on_urgent()


def _nothing() -> None: ...
