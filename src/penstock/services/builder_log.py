"""What is written of a run by its event builder: the event log, and what is known of instruments at their streams."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.core.decoder import Traits
from penstock.core.event_log import EventLog
from penstock.core.log_records import LogRecord, MapSet, ParametersSet, RunEnded
from penstock.core.log_repeats import Said
from penstock.core.run import Outcome, RunState
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError
from penstock.formats.event_log import LogHeader
from penstock.services.log_file import LONGEST_S, LogFile, LogOutlet, LogStream, RunLog
from penstock.services.orders import BuilderOrder
from penstock.services.recording import note_traits
from penstock.services.repeated_run import RepeatedRun
from penstock.streams.opened import opened_store
from penstock.streams.store import Store
from penstock.wire.values import decode_value, encode_value

__all__ = ["BuilderLog"]

LONGEST_NS = round(LONGEST_S * 1e9)


class BuilderLog:
    """The event log of a run that wants one, or nothing; until ``open``, nothing is written.

    Parameters
    ----------
    order
        The run's.
    """

    def __init__(self, order: BuilderOrder) -> None:
        self._order = order
        self._log: RunLog | None = None
        self._store: Store | None = None

    def open(self, fd: int | None, repeated: RepeatedRun) -> None:
        """Begin it, or go on with it, and write down the parameters and trigger maps of the start.

        Parameters
        ----------
        fd
            Of the log's file, if it is to be one.
        repeated
            What is said already, of a run that goes on.

        Raises
        ------
        PenstockError
            If the store cannot be opened, or nothing can be written.
        """
        order = self._order
        outlets: list[LogOutlet] = []
        if order.event_log:
            outlets.append(LogFile(Path(order.event_log), fd))
        if order.record is not None:
            self._store = opened_store(order.record.store, order.record.folder)
            outlets.append(LogStream(self._store, StreamAddress.parse(order.record.log)))
        if not outlets:
            return
        header = LogHeader(run=order.run, pipeline=order.pipeline, begun_ns=order.started_ns)
        self._log = RunLog(header, outlets, Said(repeated.records) if repeated.goes_on else None)
        if repeated.resumed is not None:
            self.append(repeated.resumed)
        self.append(ParametersSet(revision=0, first=0, values=decode_value(order.parameters)))
        for join, tables in decode_value(order.maps).items():
            self.append(MapSet(join=join, table=encode_value(tables)))

    @property
    def log(self) -> EventLog | None:
        """Where records go; ``None``: there is no log."""
        return None if self._log is None else self._log.log

    def append(self, record: LogRecord) -> None:
        """Note something, if there is a log."""
        if self._log is not None:
            self._log.log.append(record)

    def note_parameters(self, revision: int, first: int, values: msgspec.Raw, firsts: Mapping[str, int]) -> None:
        """Note a revision of the parameters, and from where on each stage has it."""
        if self._log is not None:
            plain: dict[str, Any] = decode_value(memoryview(values))
            self.append(ParametersSet(revision=revision, first=first, values=plain, stages=dict(firsts)))

    def note_traits(self, sources: Mapping[str, Traits]) -> str:
        """Say at the recorded streams what is known of their instruments; return what went wrong."""
        record = self._order.record
        if record is None or self._store is None:
            return ""
        traits = {StreamAddress.parse(address): sources[name] for name, address in record.sources}
        try:
            note_traits(self._store, self._order.pipeline, self._order.run, traits)
        except (PenstockError, OSError) as error:
            return f"the recording does not say what its instruments are: {error}"
        return ""

    def due_ns(self, now: int) -> int | None:
        """When ``flush`` must have been called; ``None``: nothing waits."""
        return now + LONGEST_NS if self._log is not None and self._log.is_waiting else None

    def flush(self) -> None:
        """Write what has been noted."""
        if self._log is not None:
            self._log.flush()

    def end(self, state: RunState) -> None:
        """Write how the run has ended; one whose log is not whole has failed."""
        if self._log is None:
            return
        record = RunEnded(outcome=str(state.prospect), reasons=tuple(state.reasons), ended_ns=time.time_ns())
        for trouble in self._log.troubles:
            state.mark(Outcome.FAILED, trouble)
        self.append(record)
        self.flush()

    def close(self, *, is_over: bool) -> None:
        """Write the rest and close everything; a log whose run is not over can be gone on with."""
        if self._log is not None:
            self._log.close(is_over=is_over)
        if self._store is not None:
            self._store.close()
