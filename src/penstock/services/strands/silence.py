"""Whether nothing has come from any source for so long that a run ends therefore."""

__all__ = ["Silence"]


class Silence:
    """Looks at how much has arrived; it knows no clock.

    >>> silence = Silence(100, now=0)
    >>> silence.is_too_long(0, now=1000), silence.is_too_long(1, now=1001), silence.is_too_long(1, now=1101)
    (False, False, True)

    Parameters
    ----------
    longest_ns
        For how long nothing may come after the first item; 0: for ever.
    now
        Nanoseconds of the clock by which it is looked at.
    """

    def __init__(self, longest_ns: int, now: int) -> None:
        self.longest_ns = longest_ns
        self._arrived = 0
        self._heard_ns = now

    def is_too_long(self, arrived: int, now: int, *, is_held: bool = False) -> bool:
        """Return whether it has lasted too long.

        Parameters
        ----------
        arrived
            How many items have come by now.
        is_held
            Whether somebody is held: what does not come then is no silence.
        """
        if arrived != self._arrived or is_held:
            self._arrived, self._heard_ns = arrived, now
        return bool(self.longest_ns and arrived) and now - self._heard_ns >= self.longest_ns

    @property
    def due_ns(self) -> int | None:
        """When it will have lasted too long, if nothing comes; ``None``: never."""
        return self._heard_ns + self.longest_ns if self.longest_ns else None
