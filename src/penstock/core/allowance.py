"""How much somebody may ask for: so much at once, and then so much a second."""

__all__ = ["Allowance"]


class Allowance:
    """Grows with time up to its bound; time comes in as a number.

    Parameters
    ----------
    most
        What may be taken at once.
    per_s
        How fast it comes back.

    >>> allowance = Allowance(2, per_s=10)
    >>> [allowance.take(now_s) for now_s in (0.0, 0.0, 0.0, 0.1)]
    [True, True, False, True]
    """

    __slots__ = ("_at_s", "_left", "_most", "_per_s")

    def __init__(self, most: float, per_s: float) -> None:
        self._most, self._per_s = most, per_s
        self._left = most
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take one; return whether there was one left."""
        if self._at_s is not None:
            self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
