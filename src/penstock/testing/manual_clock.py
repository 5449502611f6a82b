"""A clock that stands still until a test moves it; wherever penstock asks for a clock, this is one."""

from penstock.core.timestamp import NS_PER_S

__all__ = ["ManualClock"]


class ManualClock:
    """Nanoseconds that pass when they are told to.

    >>> clock = ManualClock(1_000)
    >>> clock.advance(ns=500)
    1500
    >>> clock(), clock.advance(s=0.001)
    (1500, 1001500)
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def __call__(self) -> int:
        """Return the time in nanoseconds."""
        return self._now_ns

    def utc_ns(self) -> int:
        """Return the time, which is both clocks' here."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """Return the time, which is both clocks' here."""
        return self._now_ns

    def sleep(self, s: float) -> None:
        """Let time pass."""
        self.advance(s=max(0.0, s))

    def advance(self, *, s: float = 0.0, ns: int = 0) -> int:
        """Let time pass; return the new time.

        Raises
        ------
        ValueError
            If it would go back: code under test may rely on a clock that does not.
        """
        step_ns = round(s * NS_PER_S) + ns
        if step_ns < 0:
            raise ValueError(f"a clock does not go back by {-step_ns} ns; make a new one for an earlier time")
        self._now_ns += step_ns
        return self._now_ns
