"""Which slots of a pool are free; kept by the pool's writer, who lends them and gets them back."""

from typing import NamedTuple

from penstock.errors import StateError

__all__ = ["Loan", "Slots"]


class Loan(NamedTuple):
    """One slot, lent once."""

    slot: int
    turn: int
    """How often the slot has been lent, this time included: an older loan of it is recognised."""


class Slots:
    """The free slots of one pool.

    The slot that came back last is lent first, because it is the one most likely to be in the cache.

    Parameters
    ----------
    count
        How many there are, at least 1.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"{count} slots; there must be at least 1")
        self._free = list(range(count - 1, -1, -1))
        self._turns = [0] * count
        self._is_lent = [False] * count

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def free(self) -> int:
        """How many can be lent."""
        return len(self._free)

    @property
    def lent(self) -> int:
        """How many are lent."""
        return len(self._turns) - len(self._free)

    def lend(self) -> Loan | None:
        """Return a slot that nobody has, ``None`` if there is none: that is what holds a source back."""
        if not self._free:
            return None
        slot = self._free.pop()
        self._turns[slot] += 1
        self._is_lent[slot] = True
        return Loan(slot, self._turns[slot])

    def release(self, loan: Loan) -> None:
        """Take a slot back.

        Raises
        ------
        StateError
            If this loan was released before or was never made; nothing changes.
        """
        slot, turn = loan
        if not 0 <= slot < len(self._turns):
            raise StateError(f"slot {slot} was released, and there are {len(self._turns)}")
        if turn != self._turns[slot] or not self._is_lent[slot]:
            raise StateError(
                f"slot {slot} was released for its loan {turn}, which is not out: "
                f"it was lent {self._turns[slot]} times and is {'lent' if self._is_lent[slot] else 'free'}"
            )
        self._is_lent[slot] = False
        self._free.append(slot)

    def loans(self) -> list[Loan]:
        """Return what is out, by slot."""
        return [Loan(slot, self._turns[slot]) for slot, is_lent in enumerate(self._is_lent) if is_lent]
