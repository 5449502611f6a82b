"""A merge in one thread: several streams interleaved into one, in the order of arrival."""

from penstock.core import Account, Ledger
from penstock.pipeline.plan import MergePlan
from penstock.services.flow import Flow, Outlet

__all__ = ["MergeRoom"]


class MergeRoom:
    """Pass on whatever comes, whoever it comes from."""

    def __init__(self, plan: MergePlan, ledger: Ledger) -> None:
        self.name = plan.name
        self.outlet = Outlet(plan.name)
        self._entries = {stream: ledger.entry(stream, plan.name) for stream in plan.streams}
        self._open = set(plan.streams)

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Hand a flow on."""
        self._entries[producer].arrive(len(flow))
        self._entries[producer].post(Account.DONE, len(flow))
        self.outlet.give([flow], now)

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the merge ends with its last."""
        self._open.discard(producer)
        if not self._open:
            self.outlet.close(now)
