"""What an analysis wants of a scan, out of its feedback: which of it is meant for the point that is measured now."""

from collections.abc import Iterable

from penstock.core.feedback import NEXT, STOP, Feedback

__all__ = ["ScanWishes"]


class ScanWishes:
    """Looks at each piece of feedback once.

    Examples
    --------
    >>> wishes = ScanWishes()
    >>> late = Feedback(action="next", run="r1", event=7, number=1, time_ns=0)
    >>> wishes.wants([late], first_event=8), wishes.wants([], first_event=8)
    ('', '')
    """

    def __init__(self) -> None:
        self.looked_at = 0
        """The number of the last one."""
        self._stop: Feedback | None = None

    def stop(self, found: Iterable[Feedback]) -> Feedback | None:
        """Return that by which the scan is to stop, if there is one; what else was found is not looked at.

        Parameters
        ----------
        found
            What has come since ``looked_at``.
        """
        if self._stop is None:
            self._stop = next((each for each in found if each.action == STOP), None)
        return self._stop

    def wants(self, found: Iterable[Feedback], first_event: int | None = None) -> str:
        """Return ``stop``, ``next`` or nothing.

        ``stop`` holds from then on. ``next`` is returned once for all that has come, and not for what was said about
        events before this point: that came too late for its own.

        Parameters
        ----------
        found
            What has come since ``looked_at``.
        first_event
            The number of the first event of the present point; ``None``: whatever has come is meant for it.
        """
        has_next = False
        for each in found:
            self.looked_at = max(self.looked_at, each.number)
            if each.action == STOP and self._stop is None:
                self._stop = each
            is_of_point = first_event is None or each.event is None or each.event >= first_event
            has_next = has_next or (each.action == NEXT and is_of_point)
        return STOP if self._stop is not None else NEXT if has_next else ""
