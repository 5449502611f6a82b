"""Sends what has gathered, from a thread of its own, so that nobody waits for a chat or a mail server.

What goes wrong is raised where the next text is given, or at the end.
"""

import threading
import time
from collections.abc import Callable

from penstock.elements.gathering import Gathered, Gathering
from penstock.errors import SinkError

__all__ = ["GatheredSending"]


class GatheredSending:
    """Sends texts by few messages.

    Parameters
    ----------
    gathering
        When, and how many together.
    send
        Sends one message; may wait, and raises ``SinkError``.
    """

    def __init__(self, gathering: Gathering, send: Callable[[Gathered], None]) -> None:
        self._gathering = gathering
        self._send = send
        self._changed = threading.Condition()
        self._is_ending = False
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="messages", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, text: str) -> None:
        """Give a text to send.

        Raises
        ------
        SinkError
            If an earlier one could not be sent.
        """
        with self._changed:
            self._raise_trouble()
            self._gathering.add(text)
            self._changed.notify()

    def close(self) -> None:
        """Send what is left, and end.

        Raises
        ------
        SinkError
            If something could not be sent.
        """
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()
        self._raise_trouble()

    def _raise_trouble(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise SinkError(str(trouble)) from trouble

    def _run(self) -> None:
        while True:
            with self._changed:
                found, is_last = self._next()
            if found is not None:
                try:
                    self._send(found)
                except Exception as error:  # noqa: BLE001 - told to whoever gives the next text
                    with self._changed:
                        self._trouble = error
            elif is_last:
                return

    def _next(self) -> tuple[Gathered | None, bool]:
        while True:
            found = self._gathering.take(time.monotonic(), is_last=self._is_ending)
            if found is not None or self._is_ending:
                return found, self._is_ending
            due_s = self._gathering.due_s
            self._changed.wait(None if due_s is None else max(0.0, due_s - time.monotonic()))
