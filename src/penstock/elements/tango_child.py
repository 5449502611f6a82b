"""The program that serves the device of a sink: begun, given the newest values at a pace, begun anew, ended."""

import logging
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from penstock.elements.tango_frames import read_frame, write_frame
from penstock.errors import SinkError

__all__ = ["TangoChild"]

_LOG: Final = logging.getLogger("penstock.elements")
LOOK_S: Final = 0.5
"""How often it is seen whether the program is there."""
MOST_DEATHS: Final = 5
"""In a row, each within `YOUNG_S`; then it is not begun anew."""
YOUNG_S: Final = 10.0
END_S: Final = 3.0
"""How long the end may take."""


class TangoChild:
    """Serves values.

    Parameters
    ----------
    begin
        What the program is told first: which device, where, of what run.
    max_hz
        How often at most it is given values; always the newest.
    patience_s
        How long it may take until it serves.
    """

    def __init__(self, begin: Mapping[str, Any], max_hz: float, patience_s: float) -> None:
        self._begin = dict(begin)
        self._period_s = 1.0 / max_hz
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._newest: Any = None
        self._news, self._is_over = threading.Event(), threading.Event()
        self._deaths, self._born_s = 0, 0.0
        self._thread = threading.Thread(target=self._live, name="values to Tango", daemon=True)
        self.problem = ""
        """Why nothing is served any more; empty while it is."""

    def open(self) -> str:
        """Begin to serve, and return the device's address.

        Raises
        ------
        SinkError
            If it cannot be served.
        """
        address = self._start()
        self._thread.start()
        return address

    def give(self, values: Any) -> None:
        """Have values shown; they take the place of those that are not shown yet.

        Raises
        ------
        SinkError
            If nothing is served any more.
        """
        if self.problem:
            raise SinkError(self.problem)
        self._newest = values
        self._news.set()

    def show(self, values: Any) -> None:
        """Have values shown behind all that were before, and wait for room; nothing is passed over.

        Raises
        ------
        SinkError
            If nothing is served any more.
        """
        if self._process is None or not self._send(values):
            raise SinkError(self.problem or f"the program that serves {self._begin['device']} has ended")

    def close(self) -> None:
        """Show what is newest, and end."""
        self._is_over.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(END_S)
        self._stop()

    def _live(self) -> None:
        shown: Any = None
        while True:
            self._news.wait(LOOK_S)
            self._news.clear()
            is_last = self._is_over.is_set()
            newest = self._newest
            is_there = self._process is not None and self._process.poll() is None
            if not is_there and not is_last:
                is_there, shown = self._revived(), None
            if is_there and newest is not None and newest is not shown and self._send(newest):
                shown = newest
            if is_last or self.problem:
                return
            self._is_over.wait(self._period_s)

    def _send(self, values: Any) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, values)
        except OSError:  # it has died; that is seen next time
            return False
        return True

    def _revived(self) -> bool:
        """Begin the program anew, later each time; return whether it serves."""
        is_young = time.monotonic() - self._born_s < YOUNG_S
        self._deaths = self._deaths + 1 if is_young else 1
        _LOG.warning("the program that serves %s has ended, and is begun anew", self._begin["device"])
        self._stop()
        try:
            if self._deaths > MOST_DEATHS:
                raise SinkError(f"the program that serves {self._begin['device']} ends again and again")
            if is_young:
                self._is_over.wait(LOOK_S * self._deaths)
            self._start()
        except SinkError as error:
            self.problem = str(error)
        return not self.problem

    def _start(self) -> str:
        device = self._begin["device"]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "penstock.elements.tango_values"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
        self._process, self._born_s = process, time.monotonic()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            write_frame(process.stdin, self._begin)
            is_said = select.select([process.stdout], [], [], self._patience_s)[0]
            said = read_frame(process.stdout) if is_said else {"problem": f"not within {self._patience_s:g} s"}
        except OSError:
            said = None
        if said is None:
            said = {"problem": "its program has ended; what it printed says why"}
        if "problem" in said:
            self._stop()
            raise SinkError(f"the device {device} is not served: {said['problem']}")
        return str(said["address"])

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
