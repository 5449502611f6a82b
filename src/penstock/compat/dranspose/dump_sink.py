"""A sink that writes the events of a join as dranspose's ingesters dump them: a file for each stream."""

from pathlib import Path
from typing import IO, Any

from penstock.compat.dranspose.dumps import encode_event
from penstock.compat.dranspose.events import event_data
from penstock.compat.dranspose.served.event import as_bytes
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import SinkError

__all__ = ["DumpSink"]


class DumpSink(Sink):
    """Write what was joined; frames that the trigger map discards, or nobody gets, are not in there.

    Parameters
    ----------
    prefix
        How paths begin: ``<prefix><stream>-ingester-<scan>.cbors``; a relative one begins at the pipeline's folder.
    scan
        Names the scan; by default the run does.
    """

    def __init__(self, prefix: str, scan: str = "") -> None:
        self._prefix = prefix
        self._scan = scan
        self._files: dict[str, IO[bytes]] = {}

    def open(self, run: RunFacts) -> None:
        """Make sure that there is a folder to write to; see the base."""
        self._prefix = str(Path(run.folder, self._prefix)) + ("/" if self._prefix.endswith("/") else "")
        self._scan = self._scan or run.run
        try:
            Path(f"{self._prefix}x").parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{self._prefix}…: no folder can be made there: {error.strerror}") from error

    def write(self, item: Any) -> None:
        """Write one event."""
        event = event_data(item)
        try:
            for name, stream in event.streams.items():
                frames = [as_bytes(frame) for frame in stream.frames]
                self._file(name).write(encode_event(event.event_number, {name: (stream.typ, frames)}))
        except OSError as error:
            raise SinkError(f"{self._prefix}…: event {event.event_number}: {error.strerror}") from error

    def close(self, ended_well: bool, outcome: str = "") -> None:
        """Close the files."""
        del ended_well, outcome
        try:
            for file in self._files.values():
                file.close()
        except OSError as error:
            raise SinkError(f"{self._prefix}…: {error.strerror}") from error

    def _file(self, stream: str) -> IO[bytes]:
        if stream not in self._files:
            self._files[stream] = Path(f"{self._prefix}{stream}-ingester-{self._scan}.cbors").open("ab")  # noqa: SIM115
        return self._files[stream]
