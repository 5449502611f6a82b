"""A merge in one thread: several streams interleaved into one, in the order of arrival."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from penstock.core import Account, Block, Kind, Ledger
from penstock.core.decoder import Traits
from penstock.core.event_log import EventLog
from penstock.core.log_records import Merged
from penstock.core.result_range import ResultRange
from penstock.pipeline.plan import MergePlan
from penstock.services.flow import Flow, Outlet, kind_of

__all__ = ["MergeRoom", "merged_traits"]


class MergeRoom:
    """Pass on whatever comes, whoever it comes from, numbered anew.

    The merged stream starts with the first start of its inputs and ends with the last end; those between are filtered.
    """

    def __init__(self, plan: MergePlan, ledger: Ledger, log: EventLog | None = None) -> None:
        self.name = plan.name
        self._log = log
        self.outlet = Outlet(plan.name)
        self._entries = {stream: ledger.entry(stream, plan.name) for stream in plan.streams}
        self._is_started = False
        self._running = set(plan.streams)
        self._open = set(plan.streams)
        self._next = 0
        self.next_number = 0
        """Above the numbers of everything so far."""

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Hand a flow on."""
        self._entries[producer].arrive(len(flow))
        self._merge(flow, producer, now)

    def _merge(self, flow: Flow, producer: str, now: int) -> None:
        entry = self._entries[producer]
        if len(flow):
            self._note(producer, len(flow))
        if self._passes(kind_of(flow), producer):
            entry.post(Account.DONE, len(flow))
            self.outlet.give([self._numbered(flow)], now)
        else:
            entry.post(Account.FILTERED, len(flow))

    def close(self, producer: str, now: int) -> None:
        """Learn that an input has ended; the merge ends with its last."""
        self._note(producer, 0)
        self._running.discard(producer)
        self._open.discard(producer)
        if not self._open:
            self.outlet.close(now)

    def _note(self, producer: str, count: int) -> None:
        if self._log is not None:
            self._log.append(Merged(merge=self.name, stream=producer, count=count))

    def _passes(self, kind: Kind, producer: str) -> bool:
        if kind is Kind.START:
            is_first, self._is_started = not self._is_started, True
            return is_first
        if kind is Kind.END:
            self._running.discard(producer)
            return not self._running
        return True

    def _numbered(self, flow: Flow) -> Flow:
        """Give a flow the numbers of the merged stream, dense from 1 for messages and from 0 for events."""
        if isinstance(flow, Block):
            ids = np.arange(self._next + 1, self._next + 1 + len(flow), dtype=np.uint64)
            self._next += len(flow)
            self.next_number = self._next + 1
            return replace(flow, stream=self.name, ids=ids)
        if kind_of(flow) is not Kind.DATA:
            return flow
        numbers = np.arange(self._next, self._next + len(flow))
        self._next += len(flow)
        self.next_number = self._next
        if isinstance(flow, ResultRange):
            return replace(flow, numbers=numbers, lane="")  # one stream, whatever lanes its results came by
        return replace(flow, numbers=numbers)


def merged_traits(inputs: Sequence[Traits]) -> Traits:
    """Return what can be said of several instruments' messages, interleaved."""
    numbers = {traits.number for traits in inputs}
    clocks = {traits.clock for traits in inputs}
    return Traits(
        number=numbers.pop() if len(numbers) == 1 else "",
        has_start=any(traits.has_start for traits in inputs),
        has_end=any(traits.has_end for traits in inputs),
        clock=clocks.pop() if len(clocks) == 1 else "",
        pickled=any(traits.pickled for traits in inputs),
    )
