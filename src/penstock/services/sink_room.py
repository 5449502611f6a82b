"""A sink in one thread: items as they come, or views when they are due."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.core import Account, Block, Kind, Ledger
from penstock.core.ledger import Entry
from penstock.core.timestamp import NS_PER_S
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import PenstockError, UserCodeError
from penstock.pipeline.plan import SinkPlan
from penstock.services.chooser import Chooser, messages_of
from penstock.services.flow import Flow, is_counted, items_of, kind_of, numbers_of, with_values

__all__ = ["SinkRoom"]


class SinkRoom:
    """Hand items, or views, to one sink.

    Parameters
    ----------
    views
        Gives the views to write and their version, if the sink's input is a reducer; otherwise items are written.
    input, part
        Of a sink that chooses by results: what it reads, and which stream of events it wants.
    """

    def __init__(
        self,
        plan: SinkPlan,
        sink: Sink,
        ledger: Ledger,
        views: Callable[[], tuple[Any, int]] | None,
        input: str = "",  # noqa: A002  # what it is called everywhere
        part: str = "",
    ) -> None:
        self.name = plan.name
        self.sink = sink
        self._plan = plan
        self._views = views
        self._entry = None if views is not None else ledger.entry(input or plan.input, plan.name)
        self._chooser = None if plan.where is None else Chooser(plan.where[1], part)
        self._written_version = -1
        self._written_ns: int | None = None
        self._is_open = False
        self.path = ""
        """The file that is written, if any, once opened; at the end only if it is there."""

    def open(self, facts: RunFacts) -> None:
        """Make sure that writing will be possible."""
        with self._calling():
            self.sink.open(facts)
        self._is_open = True
        self.path = self.sink.path

    def take(self, flow: Flow, producer: str, now: int) -> None:
        """Write items at once; views when the plan says so."""
        if self._views is not None:
            self.tick(now)
            return
        if self._entry is None:
            return
        if self._plan.takes_blocks and isinstance(flow, Block):
            self._record(flow)
            return
        if self._chooser is not None:
            self._choose(flow, producer, self._entry, self._chooser)
            return
        if self.sink.takes_flows:
            self._write_flow(with_values(flow), producer, self._entry)
            return
        if kind_of(flow) is not Kind.DATA:  # an instrument's own is a message like others; no start event is an item
            counted = len(flow) if isinstance(flow, Block) and flow.stream == producer else 0
            self._entry.arrive(counted)
            self._entry.post(Account.FILTERED, counted)
            return
        flow = with_values(flow)
        self._entry.arrive(len(flow))
        if self.sink.takes_numbers:
            self._write_numbered(flow, self._entry)
            return
        for item in items_of(flow):
            with self._calling():
                self.sink.write(item)
            self._entry.post(Account.DONE, 1)

    def _choose(self, flow: Flow, producer: str, entry: Entry, chooser: Chooser) -> None:
        """Hold what comes until its results are known, and write what is known to be wanted."""
        assert self._plan.where is not None
        if producer == self._plan.where[0]:
            chooser.learn(flow)
        if producer == entry.producer:
            flow = with_values(flow)
            entry.arrive(len(flow) if _is_item(flow, producer) else 0)
            chooser.hold(0, flow)
        for chosen in chooser.ready():
            is_item = _is_item(chosen.given, producer)
            entry.post(Account.FILTERED, chosen.filtered)
            if chosen.flow is None:
                continue
            if self.sink.takes_flows:
                with self._calling():
                    self.sink.write_flow(chosen.flow)
            elif kind_of(chosen.flow) is Kind.DATA:
                self._write_items(messages_of(chosen.flow))
            entry.post(Account.DONE, len(chosen.given) - chosen.filtered if is_item else 0)

    def _write_items(self, flow: Flow) -> None:
        for item in items_of(flow):
            with self._calling():
                self.sink.write(item)

    def _write_numbered(self, flow: Flow, entry: Entry) -> None:
        with self._calling():
            written = self.sink.write_numbered(numbers_of(flow), items_of(flow))
        entry.post(Account.DONE, written.done)
        entry.post(Account.DUPLICATE, written.duplicates)
        entry.post(Account.DROPPED, written.dropped, written.why)

    def _write_flow(self, flow: Flow, producer: str, entry: Entry) -> None:
        if not len(flow):
            return
        if kind_of(flow) is not Kind.DATA:
            counted = len(flow) if is_counted(flow, producer) else 0
            entry.arrive(counted)
            with self._calling():
                self.sink.write_flow(flow)
            entry.post(Account.DONE, counted)
            return
        entry.arrive(len(flow))
        with self._calling():
            written = self.sink.write_flow(flow)
        entry.post(Account.DONE, written.done)
        entry.post(Account.DUPLICATE, written.duplicates)

    def _record(self, block: Block) -> None:
        assert self._entry is not None, "a recorder reads a source"
        self._entry.arrive(len(block))
        with self._calling():
            dropped = self.sink.write_block(block)
        self._entry.post(Account.DROPPED if dropped else Account.DONE, len(block), dropped)

    @property
    def is_open(self) -> bool:
        """Whether it may be written to."""
        return self._is_open

    @property
    def written_ns(self) -> int | None:
        """When views were written last because it was time, on the clock of ``tick``."""
        return self._written_ns

    def reads(self, stage: str) -> bool:
        """Whether it writes the views of a stage."""
        return self._views is not None and self._plan.input == stage

    def next_due_ns(self) -> int | None:
        """Return when views must be written; ``None`` if no time is set."""
        if self._views is None or self._plan.when != "every" or self._written_ns is None:
            return None
        return self._written_ns + round(self._plan.every_s * NS_PER_S)

    def tick(self, now: int) -> None:
        """Write the views if they are due."""
        if self._views is None or self._plan.when in ("end", "item"):
            return
        due = self.next_due_ns()
        if self._plan.when == "change" or due is None or now >= due:
            self._written_ns = now
            self._write_views()

    def close(self, producer: str, now: int) -> None:
        """Learn that the input has ended; the sink itself is closed with the run."""

    def finish(
        self, ended_well: bool, outcome: str, trouble: str = "", books: Callable[[], Mapping[str, Any]] = dict
    ) -> None:
        """Write the last views and finish the output.

        Parameters
        ----------
        trouble
            Why the run did not end well.
        books
            Gives the run's books, for a sink that tells all.
        """
        if not self._is_open:
            return
        self._is_open = False
        try:
            if self._views is not None:
                self._write_views()
        finally:
            self.sink.trouble = trouble
            if self.sink.tells_all:
                self.sink.books = books()
            with self._calling():
                self.sink.close(ended_well, outcome)
            self.path = self.sink.path if Path(self.sink.path).exists() else ""

    def _write_views(self) -> None:
        if self._views is None:
            return
        with self._calling():
            tree, version = self._views()
            if version != self._written_version and tree:  # before the first view there is nothing to say
                self._written_version = version
                self.sink.write(tree)

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Name the sink in whatever its own code, or that of the views, raises unexpectedly."""
        try:
            yield
        except PenstockError:
            raise
        except (Exception, SystemExit) as error:  # a sink may be user code
            raise UserCodeError(f"sink {self.name}: {type(error).__name__}: {error}", stage=self.name) from error


def _is_item(flow: Flow, producer: str) -> bool:
    return kind_of(flow) is Kind.DATA or is_counted(flow, producer)
