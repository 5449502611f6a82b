"""What a strand has worked on, put in the books of stages, edges, sources and sinks: many items at once."""

import threading
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from penstock.core import Account
from penstock.services.strands.feed import BufferFeed, EdgeFeed, SourceFeed
from penstock.services.strands.parallel_feed import ParallelFeed
from penstock.services.strands.parts import MarkPart, OutPart, StepPart
from penstock.services.strands.run import Run

__all__ = ["StrandBooks"]


class StrandBooks:
    """Accounts for what the runs of a strand have done since the last time; any thread may ask for that.

    Parameters
    ----------
    feed
        What is taken from it is counted there.
    runs
        In the order of the flow; items come to the first.
    makers
        The generators between them.
    lanes
        Of a feed with lanes: of each the run that leads out.

    Attributes
    ----------
    lock
        Held while they are kept.
    on_news
        Told, in the strand's own thread, when something new is in them.
    """

    def __init__(
        self,
        feed: SourceFeed | EdgeFeed | BufferFeed | ParallelFeed,
        runs: Sequence[Run],
        makers: Sequence[StepPart] = (),
        lanes: Sequence[Run] = (),
    ) -> None:
        self.lock = threading.Lock()
        self.on_news: Callable[[], None] = _nothing
        self._feed = feed
        self._first = runs[0]
        self._pairs: list[tuple[Run, StepPart | None]] = [*zip(runs, (*makers, None), strict=True)]
        self._pairs += [(run, None) for run in lanes]

    def keep(self) -> None:
        """Account for what was worked on since the last time, and tell if that was anything."""
        if self.put():
            self.on_news()

    def put(self) -> bool:
        """Account for what was worked on since the last time; return whether that was anything."""
        now = perf_counter_ns()
        is_news = False
        with self.lock:
            for run, maker in self._pairs:
                came, given = _keep_run(run, now)
                is_news = is_news or came > 0
                if run is self._first:
                    self._count_taken(came, now)
                if maker is not None:
                    maker.arrived += given
        return is_news

    def _count_taken(self, count: int, now: int) -> None:
        if isinstance(self._feed, SourceFeed):
            self._feed.count(count)
        elif isinstance(self._feed, EdgeFeed):
            self._feed.edge.worked_on(count, now)


def _keep_run(run: Run, now: int) -> tuple[int, int]:
    """Account for what a run of parts has worked on; return how many came, and how many came out."""
    (through, *filtered_by), failed_by = run.news()
    came = count = through + sum(filtered_by) + sum(failed_by)
    if not came:
        return 0, 0
    for part, filtered, gone in zip(run.parts, filtered_by, failed_by, strict=True):
        match part:
            case MarkPart():
                _count_mark(part, count)
            case OutPart():
                _count_out(part, count, gone, now)
            case StepPart():
                part.arrived += count
                part.filtered += filtered
                part.failed += gone
                if part.counts_for_stage:
                    part.stage.post(Account.FILTERED, filtered)
                    part.stage.post(part.stage.account, gone)
                count -= filtered + gone
    return came, count


def _count_mark(part: MarkPart, count: int) -> None:
    if part.kind == "in":
        part.stage.arrive(count)
    elif part.kind == "done":
        part.stage.post(Account.DONE, count)
    else:
        part.stage.hold(count)


def _count_out(part: OutPart, count: int, gone: int, now: int) -> None:
    for edge in part.edges:
        edge.mark(count, now)
    for writer in part.writers:
        writer.entry.arrive(count)
        writer.entry.post(Account.FAILED, gone)
        others, writer.not_done = writer.not_done, {}
        for account, number in others.items():
            writer.entry.post(account, number)
        writer.entry.post(Account.DONE, count - gone - sum(others.values()))
    for entry in part.merged:
        entry.arrive(count)
        entry.post(Account.DONE, count)


def _nothing() -> None: ...
