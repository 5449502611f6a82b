"""A run of a pipeline as scan software sees it: begun with a scan, heard while that goes on, ended with it.

It imports nothing of any scan software. An analysis that cannot be reached must not cost beam time: that is an error in
the log, and the scan goes on, unless it is told otherwise.
"""

import logging
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from penstock.client import Connection, connect
from penstock.compat.scan_wishes import ScanWishes
from penstock.core.feedback import Feedback
from penstock.errors import PenstockError, ServiceError, StateError

__all__ = ["Listener", "ScanRun"]

_LOG: Final = logging.getLogger(__name__)
RUNNING: Final = "running"
PATIENCE_S: Final = 30.0
POLL_S: Final = 5.0
"""How long one question for feedback waits; no longer does a listener need to notice that it is to end."""
BETWEEN_S: Final = 5.0
"""How long a program may be between two runs."""
AGAIN_S: Final = 1.0
"""How long it rests when nobody answers."""
MOST_WAITING: Final = 10_000


class Listener:
    """Hears what the analysis says back to the scan, in a thread of its own, so that no scan waits for a network.

    Parameters
    ----------
    address, token
        Of the pipeline, as ``penstock.connect`` takes them.
    run
        Whose feedback; with its end it ends.
    """

    def __init__(self, address: str, token: str, run: str) -> None:
        self.run = run
        self._to = address, token
        self._heard: list[Feedback] = []
        """In their order, as their numbers say."""
        self._news = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, name="penstock feedback", daemon=True)
        self._thread.start()

    def heard(self, after: int = 0) -> list[Feedback]:
        """Return what has come with numbers above this one, the oldest first; it waits for nothing."""
        with self._news:
            return [each for each in self._heard if each.number > after]

    def wait(self, after: int, wait_s: float) -> list[Feedback]:
        """Return the same, and wait so long until there is any."""
        with self._news:
            self._news.wait_for(lambda: self._newest > after or self._is_closed, wait_s)
        return self.heard(after)

    def close(self) -> None:
        """Hear nothing any more; it does not wait for the thread, which has nothing left to do."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is heard."""
        return self._is_closed

    @property
    def _newest(self) -> int:
        return self._heard[-1].number if self._heard else 0

    def _listen(self) -> None:
        connection: Connection | None = None
        try:
            while not self._is_closed:
                try:
                    if connection is None:
                        connection = _connected(*self._to)
                        if connection.run != self.run:  # another one goes on
                            return
                    began_s = time.monotonic()
                    found = connection.feedback(self._newest, POLL_S, run=self.run)
                except StateError:  # another run goes on, or the program is just between two
                    assert connection is not None, "it was asked"
                    connection.close()
                    connection = None
                    self._rest(AGAIN_S)
                    continue
                except ServiceError as error:
                    _LOG.warning("what the analysis says is not heard now: %s", error)
                    self._rest(AGAIN_S)
                    continue
                if found:
                    with self._news:
                        self._heard = [*self._heard, *found][-MOST_WAITING:]
                        self._news.notify_all()
                elif time.monotonic() - began_s < POLL_S / 2:  # the run has ended; another may follow
                    self._rest(AGAIN_S)
        finally:
            if connection is not None:
                connection.close()

    def _rest(self, s: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._is_closed, s)


class ScanRun:
    """Begin runs of a pipeline with scans, hear what it says back, and end them with the scans.

    The pipeline is one that stays: ``penstock run FILE --serve 8400 --stay``; a run that goes on when a scan begins is
    finished first. As a context manager it lets go of its listener at the end.

    Parameters
    ----------
    address, token
        Of the pipeline, as ``penstock.connect`` takes them.
    who
        Which scan software, kept with what it commands.
    must_run
        Whether a scan without its analysis is not to be made.
    """

    def __init__(self, address: str = "", token: str = "", *, who: str = "scan", must_run: bool = False) -> None:
        self._address, self._token = address, token
        self._who = who
        self._must_run = must_run
        self._listener: Listener | None = None
        self._wishes = ScanWishes()
        self.run = ""
        """The name of the last run that was begun."""

    def begin(
        self,
        name: str = "",
        trigger_maps: Mapping[str, Mapping[str, Any]] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        """Begin a run, and return whether it was begun.

        Parameters
        ----------
        name
            Of the run.
        trigger_maps
            By join, of those that come with the scan.
        values
            Start values of parameters.

        Raises
        ------
        PenstockError
            With ``must_run``, if no run could be begun.
        """
        self.close()
        self._listener, self._wishes = None, ScanWishes()
        try:
            self.run = self._begun(name, trigger_maps, values)
        except PenstockError as error:
            self.run = ""
            if self._must_run:
                raise
            _LOG.error("the scan %s has no analysis: %s", name, error)
            return False
        self._listener = Listener(self._address, self._token, self.run)
        return True

    def end(self, *, is_good: bool = True, reason: str = "") -> None:
        """End the run: finish it after a scan that is good, drain it after another one.

        One that has ended by itself is left alone. What cannot be done is an error in the log: the scan is over, and
        has nothing to lose.
        """
        self.close()
        if not self.run:
            return
        try:
            with self._connected() as run:
                if run.run != self.run:
                    return  # it has ended by itself, and another one goes on
                text = " ".join(reason.split())[:200]
                reply = run.command("finish" if is_good else "drain", reason=text, who=self._who)
            if reply.outcome != "done":
                _LOG.info("the run %s had ended before its scan: %s", self.run, reply.text)
        except PenstockError as error:
            _LOG.error("the run %s of the analysis was not ended: %s", self.run, error)

    # What the analysis says.

    def heard(self, after: int = 0) -> list[Feedback]:
        """Return what the analysis has said in this run, with numbers above this one; it waits for nothing."""
        return [] if self._listener is None else self._listener.heard(after)

    def wants(self, first_event: int | None = None, wait_s: float = 0.0) -> str:
        """Return what the analysis wants the scan to do: ``stop``, ``next`` or nothing.

        ``stop`` holds to the end of the run. ``next`` is returned once, and what was said about events before this
        point is not for it.

        Parameters
        ----------
        first_event
            The number of the first event of the present point; ``None``: whatever ``next`` has come is meant for it.
        wait_s
            How long to wait for it, in s.
        """
        until_s = time.monotonic() + wait_s
        while True:
            found = self._wishes.wants(self.heard(self._wishes.looked_at), first_event)
            left_s = until_s - time.monotonic()
            if found or left_s <= 0 or self._listener is None or self._listener.is_closed:
                return found
            self._listener.wait(self._wishes.looked_at, left_s)

    @property
    def stop(self) -> Feedback | None:
        """The feedback by which the scan is to stop, if there was one."""
        return self._wishes.stop(self.heard(self._wishes.looked_at))

    # How far it is.

    @property
    def progress(self) -> dict[str, Any]:
        """How far the run is, as ``Connection.progress``; empty if it cannot be asked."""
        try:
            with self._connected() as run:
                return run.progress if run.run == self.run else {}
        except PenstockError:
            return {}

    def wait_for(self, events: int, wait_s: float) -> bool:
        """Wait until so many events are through, or the run is over; return whether it came to that in time."""
        until_s = time.monotonic() + wait_s
        while True:
            progress = self.progress
            if progress and (progress["is_over"] or progress["completed"] >= events):
                return True
            if time.monotonic() >= until_s:
                return False
            time.sleep(0.05)

    def close(self) -> None:
        """Hear nothing any more; the run goes on, and what was heard of it stays known."""
        if self._listener is not None:
            self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begun(self, name: str, maps: Mapping[str, Mapping[str, Any]] | None, values: Mapping[str, Any] | None) -> str:
        """Begin a run, and return its name; a program that is between two runs is asked again for a while."""
        until_s = time.monotonic() + BETWEEN_S
        while True:
            try:
                with self._connected() as run:
                    self._end_other(run)
                    return run.start(maps, values, run=name, existing="next")  # scans are counted anew
            except StateError:
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.1)

    def _end_other(self, run: Connection) -> None:
        """Finish the run that goes on, such as the one a program that stays begins with."""
        if run.status["outcome"] != RUNNING:
            return
        _LOG.info("the run %s of the analysis is finished, as a scan begins", run.run)
        run.command("finish", reason="a scan begins", who=self._who)
        until_s = time.monotonic() + PATIENCE_S
        while run.status["outcome"] == RUNNING:
            if time.monotonic() > until_s:
                raise StateError(f"the run {run.run} goes on, and has not ended within {PATIENCE_S:g} s")
            time.sleep(0.05)

    def _connected(self) -> Connection:
        return _connected(self._address, self._token)


def _connected(address: str, token: str) -> Connection:
    return connect(*([address] if address else []), token=token or None)
