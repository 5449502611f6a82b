"""What is written of a run in one thread: the event log, and what is known of instruments at their streams."""

from pathlib import Path

from penstock.core import Timestamp
from penstock.core.event_log import EventLog
from penstock.core.log_records import LogRecord, MapSet, RunEnded
from penstock.core.log_repeats import Said
from penstock.core.parameters import Change
from penstock.core.run import RunState
from penstock.formats.event_log import LogHeader
from penstock.pipeline.plan import Plan
from penstock.services.build import Rooms
from penstock.services.log_file import LogFile, LogOutlet, LogStream, RunLog
from penstock.services.recorded_run import RecordedRun
from penstock.services.recording import begin_recording, go_on_recording, log_address, note_traits, stream_address
from penstock.streams.opened import opened_store
from penstock.streams.store import Store
from penstock.wire.values import encode_value

__all__ = ["ThreadLog"]


class ThreadLog:
    """The event log of a run that wants one, or nothing; until ``open``, nothing is written.

    Parameters
    ----------
    plan
        Says whether the run is recorded.
    run, started
        Its name, and when it began.
    event_log
        A new file for the log; ``None``: none.
    store
        Where recorded sources are kept; it stays the caller's. By default the pipeline's.
    resumed
        The run, if it was cut off and goes on.
    """

    def __init__(
        self,
        plan: Plan,
        run: str,
        started: Timestamp,
        *,
        event_log: Path | str | None,
        store: Store | None,
        resumed: RecordedRun | None,
    ) -> None:
        self._plan, self._run, self._started = plan, run, started
        self._event_log, self._resumed = event_log, resumed
        self._store, self._is_own_store = store, False
        self._log: RunLog | None = None

    def open(self) -> None:
        """Begin it, or go on with it.

        Raises
        ------
        SinkError
            If a run of this name is recorded already, or nothing can be written.
        """
        outlets: list[LogOutlet] = [] if self._event_log is None else [LogFile(Path(self._event_log))]
        if self._plan.is_recorded:
            if self._store is None:
                self._store, self._is_own_store = opened_store(self._plan.store, self._plan.folder), True
            begin = begin_recording if self._resumed is None else go_on_recording
            begin(self._store, self._plan, self._run, self._started, "inline")
            outlets.append(LogStream(self._store, log_address(self._plan.beamtime, self._run)))
        if outlets:
            header = LogHeader(run=self._run, pipeline=self._plan.name, begun_ns=self._started.ns)
            resumed = self._resumed
            self._log = RunLog(header, outlets, None if resumed is None else Said(resumed.records))
            if resumed is not None and resumed.resumed is not None:
                self.append(resumed.resumed)

    @property
    def log(self) -> EventLog | None:
        """Where records go; ``None``: there is no log."""
        return None if self._log is None else self._log.log

    @property
    def troubles(self) -> list[str]:
        """Why something of it is not written any more."""
        return [] if self._log is None else self._log.troubles

    def append(self, record: LogRecord) -> None:
        """Note something, if there is a log."""
        if self._log is not None:
            self._log.log.append(record)

    def set(self, change: Change, firsts: dict[str, int] | None = None) -> None:
        """Note a revision of the parameters, and from where on each stage has it."""
        if self._log is not None:
            self._log.set(change, firsts)

    def note_start(self, rooms: Rooms) -> None:
        """Note start values and trigger maps."""
        self.set(rooms.parameters.history[0])
        for name, room in rooms.joins.items():
            if self._log is not None and room.builder.trigger_map is not None:
                self.append(MapSet(join=name, table=encode_value(room.builder.trigger_map.tables())))

    def note_traits(self, rooms: Rooms) -> None:
        """Say at the recorded streams what is known of their instruments.

        Raises
        ------
        StreamError
            If the store cannot be written.
        """
        if self._store is not None and self._plan.is_recorded:
            traits = {
                stream_address(self._plan, name, self._run): rooms.intakes[name].source.traits
                for name, source in self._plan.sources.items()
                if source.record
            }
            note_traits(self._store, self._plan.name, self._run, traits)

    def flush(self) -> None:
        """Write what has been noted."""
        if self._log is not None:
            self._log.flush()

    def end(self, state: RunState, utc_ns: int) -> None:
        """Note how the run has ended, and write the rest; then nothing follows.

        Raises
        ------
        SinkError
            If it cannot be written.
        """
        if self._log is not None:
            reasons = tuple(state.reasons)
            self._log.log.append(RunEnded(outcome=str(state.prospect), reasons=reasons, ended_ns=utc_ns))
            self._log.close()

    def close_store(self) -> None:
        """Close the store, unless it is the caller's."""
        if self._store is not None and self._is_own_store:
            self._store.close()
