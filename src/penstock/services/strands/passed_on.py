"""Whether what came of the first so many items of a parallel stage has gone on, for who asks from elsewhere."""

from penstock.services.strands.shares import Shares

__all__ = ["PassedOn"]


class PassedOn:
    """Questions of one other thread, and the answers that the strand finds on its turns.

    Parameters
    ----------
    shares
        Of a stage without lanes.
    """

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._count = 0
        """Items of which what came has gone on."""
        self._asked: dict[int, int | None] = {}
        """By number of items: behind how many that have gone on all of these have; ``None`` if that is not known."""
        self._told: set[int] = set()
        """Those of them that have gone on."""

    def has(self, until: int) -> bool:
        """Return whether it is known that what came of the first so many has gone on; if not, it will be looked for."""
        if until in self._told:
            self._told = {other for other in self._told if other > until}
            return True
        self._asked.setdefault(until, None)
        return False

    def add(self, count: int) -> None:
        """Note that what came of so many more has gone on; in the strand's thread."""
        self._count += count

    def look(self) -> None:
        """Find answers; in the strand's thread."""
        if not self._asked:
            return
        for until, answered in list(self._asked.items()):
            # They may go on in any order, but behind those that are ready by then, nobody is left.
            if answered is None and self._shares.first_open() >= until:
                answered = self._asked[until] = self._shares.answered
            if answered is not None and self._count >= answered:
                del self._asked[until]
                self._told.add(until)
