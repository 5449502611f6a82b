"""A merge of a replay: it takes its inputs in the order in which the recorded run took them."""

from collections import deque
from collections.abc import Iterable

from penstock.core import Account, Ledger
from penstock.core.event_log import EventLog
from penstock.core.log_records import Merged
from penstock.pipeline.plan import MergePlan
from penstock.services.flow import Flow
from penstock.services.merge_room import MergeRoom

__all__ = ["ReplayedMerge"]


class ReplayedMerge(MergeRoom):
    """Pass on what comes when its turn has come, cut as it was then.

    What comes behind the last turn, of a run that was cut off, is discarded.

    Parameters
    ----------
    turns
        What the event log says of this merge.
    """

    def __init__(self, plan: MergePlan, ledger: Ledger, turns: Iterable[Merged], log: EventLog | None = None) -> None:
        super().__init__(plan, ledger, log)
        self._turns = deque((turn.stream, turn.count) for turn in turns)
        self._waiting: dict[str, deque[Flow]] = {stream: deque() for stream in plan.streams}
        self._coming = set(plan.streams)
        """Inputs of which more may come."""

    @property
    def turn(self) -> str:
        """The input whose turn it is; empty if there is no more."""
        return self._turns[0][0] if self._turns else ""

    def waiting(self, stream: str) -> int:
        """Return how much of an input waits for its turn."""
        return sum(map(len, self._waiting[stream]))

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Keep a flow until its turn comes."""
        if len(flow):
            self._entries[producer].arrive(len(flow))
            self._waiting[producer].append(flow)
            self._advance(now)

    def close(self, producer: str, now: int) -> None:
        """Learn that nothing more of an input will come; that it had ended was noted in its turn."""
        self._coming.discard(producer)
        self._advance(now)
        if self._coming:
            return
        for stream, waiting in self._waiting.items():
            self._entries[stream].post(Account.DISCARDED, sum(map(len, waiting)))
            waiting.clear()
        for stream in sorted(self._open):
            super().close(stream, now)

    def _advance(self, now: int) -> None:
        while self._turns:
            stream, count = self._turns[0]
            if not count:
                self._turns.popleft()
                super().close(stream, now)
                continue
            waiting = self._waiting[stream]
            if not waiting:
                return
            flow = waiting.popleft()
            if len(flow) > count:
                waiting.appendleft(flow.take(slice(count, len(flow))))
                flow = flow.take(slice(0, count))
            self._turns.popleft()
            if len(flow) < count:
                self._turns.appendleft((stream, count - len(flow)))
            self._merge(flow, stream, now)
