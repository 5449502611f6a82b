"""Tell whoever started this process how it is, as systemd wants it: ready, alive, ending. See sd_notify(3).

``penstock up`` listens in the same way. Without ``NOTIFY_SOCKET`` in the environment nobody is told.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

__all__ = ["Notifier"]


class Notifier:
    """The way to whoever started this process.

    Parameters
    ----------
    environ
        Of this process: ``NOTIFY_SOCKET`` is a path, or a name with ``@`` in front; ``WATCHDOG_USEC`` says how often a
        sign of life is wanted.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        known = os.environ if environ is None else environ
        self._address = known.get("NOTIFY_SOCKET", "")
        usec = known.get("WATCHDOG_USEC", "0")
        is_mine = known.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every_s = int(usec) / 2e6 if usec.isdigit() and is_mine and self._address else 0.0
        self._alive_s = 0.0

    def tell(self, **said: object) -> None:
        """Say something; never waits, and nobody has to listen."""
        if not self._address:
            return
        text = "\n".join(f"{name}={_one_line(value)}" for name, value in said.items())
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(), address)

    def live(self) -> None:
        """Give a sign of life, if one is due; to be called whenever this process has come round."""
        now_s = time.monotonic()
        if self._every_s and now_s - self._alive_s >= self._every_s:
            self._alive_s = now_s
            self.tell(WATCHDOG=1)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Give signs of life from a thread meanwhile: this process only waits for somebody."""
        over = threading.Event()

        def live() -> None:
            while not over.wait(self._every_s / 2):
                self.live()

        thread = threading.Thread(target=live, name="penstock watchdog", daemon=True) if self._every_s else None
        if thread is not None:
            thread.start()
        try:
            yield
        finally:
            over.set()
            if thread is not None:
                thread.join()


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
