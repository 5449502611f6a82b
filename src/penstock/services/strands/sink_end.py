"""A sink in the chains engine: written to where its items are made, or on a thread of its own if it may wait."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from penstock.core.ledger import Account, Entry
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import PenstockError, SinkError
from penstock.pipeline.plan import SinkPlan
from penstock.services.strands.parts import Writer

__all__ = ["SinkEnd"]


class SinkEnd:
    """One sink of one run.

    Parameters
    ----------
    plan
        Its entry in the pipeline.
    sink
        Made, not open.
    entry
        The books of what is written.
    producers
        How many sources and stages it is written by, each in a thread that may be another's.
    """

    def __init__(self, plan: SinkPlan, sink: Sink, entry: Entry, producers: int = 1) -> None:
        self.plan = plan
        self.sink = sink
        self.entry = entry
        self.path = ""
        self._is_open = False
        self._number = 0
        self._producers = producers
        self.writer = Writer(plan.name, sink.write, entry)
        if sink.takes_numbers:
            self.writer.write_all = self._write_numbered
        elif type(sink).write_ready is not Sink.write_ready:
            self.writer.write_ready = sink.write_ready

    @property
    def needs_strand(self) -> bool:
        """Whether writing may take long, is done for many at once, or would be done by several at the same time."""
        sink = self.sink
        return sink.may_wait or sink.takes_numbers or self.plan.when_full != "block" or self._producers > 1

    def is_written(self) -> bool:
        """Whether a kill of this process would take nothing of what the sink was given. From any thread."""
        return self._is_open and self.sink.is_written()

    def open(self, run: RunFacts) -> None:
        """Open the sink.

        Raises
        ------
        SinkError
            If it cannot be opened.
        """
        self._guard(lambda: self.sink.open(run))
        self._is_open = True
        self.path = self.sink.path

    def tell(self, books: Callable[[], Mapping[str, Any]]) -> None:
        """Give the run's books to a sink that tells all."""
        if self.sink.tells_all:
            self.sink.books = books()

    def close(self, ended_well: bool, outcome: str, trouble: str) -> None:
        """Finish the output, if it was opened.

        Raises
        ------
        SinkError
            If that fails.
        """
        if self._is_open:
            self._is_open = False
            self.sink.trouble = trouble
            self._guard(lambda: self.sink.close(ended_well, outcome))

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except PenstockError as error:
            text = str(error)
            raise SinkError(text if text.startswith(f"{self.plan.name}: ") else f"{self.plan.name}: {text}") from error
        except (Exception, SystemExit) as error:  # a sink may be user code
            raise SinkError(f"{self.plan.name}: {type(error).__name__}: {error}") from error

    def _write_numbered(self, items: list[Any]) -> None:
        """Write items under the numbers of their arrival, from 1."""
        numbers = np.arange(self._number + 1, self._number + 1 + len(items))
        written = self.sink.write_numbered(numbers, items)
        self._number += len(items)
        for account, count in ((Account.DUPLICATE, written.duplicates), (Account.DROPPED, written.dropped)):
            if count:
                self.writer.not_done[account] = self.writer.not_done.get(account, 0) + count
        if written.why:
            self.entry.remark(Account.DROPPED.label, written.why)
