"""For how long workers were at work: each from its first lease until it has none, as seen by who lends them."""

__all__ = ["Occupancy"]


class Occupancy:
    """The time that each worker had something to do.

    Examples
    --------
    >>> occupancy = Occupancy()
    >>> occupancy.begins("fit-0", 100); occupancy.begins("fit-1", 150); occupancy.ends("fit-1", 200)
    >>> occupancy.take(300), occupancy.take(400)
    ({'fit-1': 50, 'fit-0': 200}, {'fit-0': 100})
    """

    def __init__(self) -> None:
        self._since_ns: dict[str, int] = {}
        self._took_ns: dict[str, int] = {}

    def begins(self, worker: str, now_ns: int) -> None:
        """Note that a worker has something to do; nothing if it had."""
        self._since_ns.setdefault(worker, now_ns)

    def ends(self, worker: str, now_ns: int) -> None:
        """Note that a worker has nothing to do, or has gone; nothing if it had nothing."""
        since_ns = self._since_ns.pop(worker, None)
        if since_ns is not None:
            self._took_ns[worker] = self._took_ns.get(worker, 0) + max(0, now_ns - since_ns)

    def take(self, now_ns: int) -> dict[str, int]:
        """Return for how many nanoseconds each worker was at work since this was asked last."""
        for worker in list(self._since_ns):
            self.ends(worker, now_ns)
            self._since_ns[worker] = now_ns
        took_ns, self._took_ns = self._took_ns, {}
        return took_ns
