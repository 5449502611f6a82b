"""What keeps a recorded source: its blocks go to a durable stream as they come, with what was said before and behind.

It never holds the run up for long nor ends it: what cannot be kept is counted, and the output counts as lost.
"""

from contextlib import suppress
from typing import Any

import numpy as np

from penstock.core.block import Block
from penstock.core.stream_address import StreamAddress
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import PenstockError, SinkError, StateError, StreamError
from penstock.streams.opened import opened_store
from penstock.streams.store import Store, StreamState, StreamWriter

__all__ = ["Recorder"]


class Recorder(Sink):
    """Append every block of a source to ``beamtime/source/{run}``.

    Parameters
    ----------
    beamtime, source
        Of the stream's address.
    store
        A folder, from the pipeline's; or a store, which stays the caller's.
    """

    takes_blocks = is_recorder = True

    def __init__(self, beamtime: str, source: str, *, store: str | Store) -> None:
        self._source = StreamAddress(beamtime, source)
        self._given = store
        self._store: Store | None = None
        self._writer: StreamWriter | None = None
        self._trouble = ""
        self._whole = 0
        """The last message of a recording that was finished before the run went on."""

    def open(self, run: RunFacts) -> None:
        """Open store and stream.

        Raises
        ------
        SinkError
            If one of them cannot be had, or something was recorded under this run's name already.
        """
        address = StreamAddress(self._source.beamtime, self._source.source, run.run)
        try:
            self._store = opened_store(self._given, run.folder) if isinstance(self._given, str) else self._given
            info = self._store.info(address)
            if run.goes_on and info.state is StreamState.FINISHED:
                self._whole = info.last_id  # the run was cut off when it was closing
                return
            self._writer = self._store.write(address)
            if self._writer.written and not run.goes_on:
                raise StateError(f"{address} is there already; name another run")
        except (StreamError, StateError, OSError) as error:
            self._let_go()
            raise SinkError(f"{run.sink}: {error}") from error

    def write(self, item: Any) -> None:
        """Refuse: it is given blocks."""
        raise AssertionError(f"{item!r} came alone")

    def write_block(self, block: Block) -> str:
        """Append a block, as far as it is not there already; from the first that cannot be on, nothing more is."""
        if int(block.ids[-1]) <= self._whole:
            return ""
        if self._trouble or self._writer is None:
            return self._trouble or "the recording is closed"
        new = int(np.searchsorted(block.ids, self._writer.last_id, "right"))
        try:
            if new < len(block):
                self._writer.append(block.take(slice(new, len(block))) if new else block)
        except (PenstockError, OSError) as error:
            self._trouble = f"the recording ends before message {int(block.ids[0])}: {error}"
            with suppress(PenstockError, OSError):
                self._writer.abort(self._trouble)
        return self._trouble

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - a recording does not say
        """Say that this was all: whatever became of the run, the recording has everything.

        Raises
        ------
        SinkError
            If it has not.
        """
        try:
            if self._writer is not None and not self._trouble:
                self._writer.finish()
        except (PenstockError, OSError) as error:
            self._trouble = f"the end of the recording cannot be written: {error}"
        finally:
            self._let_go()
        if self._trouble:
            raise SinkError(f"{self._source.source}: {self._trouble}")

    def let_go(self) -> None:
        """Leave the stream as it is: the run was cut off, and whoever resumes it writes on."""
        self._let_go()

    def _let_go(self) -> None:
        with suppress(PenstockError, OSError):
            if self._writer is not None:
                self._writer.close()
        if self._store is not None and self._store is not self._given:
            self._store.close()
        self._writer = self._store = None
