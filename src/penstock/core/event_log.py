"""The event log of a run as it grows: records in, records out to whoever writes them, nothing lost in between.

It writes no file and keeps no record that was taken.
"""

from penstock.core.log_records import EventsEnded, EventsFormed, LogRecord, RangeWorked, RunEnded
from penstock.core.log_repeats import Said
from penstock.errors import StateError

__all__ = ["EventLog"]


class EventLog:
    """Collects what must be written, and counts what was told.

    Parameters
    ----------
    said
        What the log of a run that is resumed says already.
    """

    def __init__(self, said: Said | None = None) -> None:
        self._said = said
        self._pending: list[LogRecord] = []
        self._is_ended = False
        self.formed = 0
        """Events that were formed."""
        self.ended = 0
        """Ends of events, over all consumers."""
        self.ranges = 0
        """Ranges that were worked on."""

    def __len__(self) -> int:
        """Return the number of records nobody has taken yet."""
        return len(self._pending)

    def append(self, record: LogRecord) -> None:
        """Add a record.

        Raises
        ------
        StateError
            If the run has ended: nothing comes after ``RunEnded``.
        """
        if self._is_ended:
            raise StateError(f"a {type(record).__name__} after the end of the run; append RunEnded last")
        new = record if self._said is None else self._said.rest(record)
        if new is None:
            return
        record = new
        match record:
            case EventsFormed():
                self.formed += len(record.numbers)
            case EventsEnded():
                self.ended += len(record.numbers)
            case RangeWorked():
                self.ranges += 1
            case RunEnded():
                self._is_ended = True
        self._pending.append(record)

    def take(self) -> list[LogRecord]:
        """Hand over the records so far, in order."""
        taken, self._pending = self._pending, []
        return taken
