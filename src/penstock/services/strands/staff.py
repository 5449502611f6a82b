"""Who works for a parallel stage: workers that come, go, and are replaced while it runs.

It decides nothing by itself and gives no items to anybody.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from penstock.errors import PenstockError
from penstock.services.strands.desk import Desk
from penstock.services.strands.hands import Hand
from penstock.services.strands.process_hand import ProcessHand
from penstock.services.strands.shares import Shares

__all__ = ["MOST_WORKERS", "Staff"]

MOST_WORKERS = 1000


class Staff:
    """All workers of one stage.

    ``scale`` and ``restart`` may be called from one other thread; what they ask for happens in ``obey``.

    Parameters
    ----------
    stage
        Its name, with which those of its workers begin.
    hands
        Its first workers, not begun.
    shares
        What each has; those who come later get a number there.
    make
        Makes another worker of a name, not begun.
    """

    def __init__(self, stage: str, hands: Sequence[Hand], shares: Shares, make: Callable[[str], Hand] | None) -> None:
        self.stage = stage
        self.desks = [Desk(worker, hand) for worker, hand in enumerate(hands)]
        self._shares = shares
        self._make = make
        self._numbers = len(hands)
        """How many numbers have been given to workers, ever."""
        self._wanted = len(hands)
        self._orders: deque[Callable[[], None]] = deque()
        self._coming: set[str] = set()

    @property
    def present(self) -> int:
        """How many there are to share the work, at least 1."""
        return max(1, sum(desk.is_there for desk in self.desks))

    @property
    def processes(self) -> list[ProcessHand]:
        """Those that are processes: all or none."""
        return [desk.hand for desk in self.desks if isinstance(desk.hand, ProcessHand)]

    @property
    def coming(self) -> int:
        """How many have been made and do not take part yet; from any thread."""
        return len(self._coming)

    def scale(self, workers: int) -> None:
        """Let there be so many: new ones come, or the last ones leave when they have done what they have begun.

        Raises
        ------
        PenstockError
            If there cannot be so many, or one cannot be made; then nothing changes.
        """
        if not 1 <= workers <= MOST_WORKERS:
            text = f"stage {self.stage}: {workers} workers are impossible; ask for 1 to {MOST_WORKERS}"
            raise PenstockError(text)
        more = workers - self._wanted
        if more > 0:
            hands = [self._made(name) for name in self._free_names(more)]
            self._coming |= {hand.name for hand in hands}
            self._orders.extend(partial(self._join, hand) for hand in hands)
        elif more < 0:
            self._orders.append(partial(self._leave, -more))
        self._wanted = workers

    def restart(self, name: str) -> bool:
        """Let another worker take the place of this one; return false if there is none of this name.

        Raises
        ------
        PenstockError
            If another cannot be made.
        """
        desk = next((desk for desk in self.desks if desk.hand.name == name), None)
        if desk is None or (desk.is_leaving and desk.successor is None):
            return False
        if desk.successor is None:
            self._orders.append(partial(self._renew, desk, self._made(name)))
        return True

    def obey(self) -> None:
        """Do what was asked for since the last time, in the strand's thread."""
        while self._orders:
            self._orders.popleft()()

    def dismiss(self, desk: Desk) -> None:
        """Let a worker go that has ended."""
        self._shares.leave(desk.worker)
        self.desks = [each for each in self.desks if each is not desk]

    def _made(self, name: str) -> Hand:
        if self._make is None:
            raise PenstockError(f"stage {self.stage}: no other workers can be made")
        return self._make(name)

    def _free_names(self, count: int) -> list[str]:
        taken = {desk.hand.name for desk in self.desks} | self._coming
        numbered = (f"{self.stage}-{number}" for number in range(len(taken) + count))
        return [name for name in numbered if name not in taken][:count]

    def _join(self, hand: Hand) -> None:
        worker, self._numbers = self._numbers, self._numbers + 1
        self._shares.join(worker)
        self.desks = [*self.desks, Desk(worker, hand)]
        self._coming.discard(hand.name)

    def _leave(self, count: int) -> None:
        staying = [desk for desk in self.desks if not desk.is_leaving or desk.successor is not None]
        # Those that can do nothing go first, and then those who came last.
        staying.sort(key=lambda desk: (not desk.fault, -desk.worker))
        for desk in staying[:count]:
            desk.is_leaving, desk.successor = True, None

    def _renew(self, desk: Desk, successor: Hand) -> None:
        if not desk.is_leaving:
            desk.is_leaving, desk.successor = True, successor
