"""One thread of a store that makes what was written survive a loss of power, every 50 ms, so that no append waits."""

import threading
from collections.abc import Callable
from typing import Final

__all__ = ["INTERVAL_S", "Syncer"]

INTERVAL_S: Final = 0.05


class Syncer:
    """Call what has something to sync, at most every 50 ms; there is a thread only once somebody has asked."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._due: dict[int, Callable[[], None]] = {}
        self._something = threading.Event()
        self._urgent = threading.Event()
        """Set to end the pause between two rounds."""
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, key: int, sync: Callable[[], None], *, is_much: bool = False) -> None:
        """Have something called soon; asked again before that, it is called once.

        Parameters
        ----------
        key
            Of who asks.
        sync
            Must not raise: who asked has to know what failed.
        is_much
            Not to wait for 50 ms to pass: a disk that has nothing to do meanwhile has to catch up later.
        """
        with self._lock:
            self._due[key] = sync
            if self._thread is None and not self._end.is_set():
                self._thread = threading.Thread(target=self._run, name="stream-syncer", daemon=True)
                self._thread.start()
        if is_much:
            self._urgent.set()
        self._something.set()

    def forget(self, key: int) -> None:
        """Call it no more."""
        with self._lock:
            self._due.pop(key, None)

    def _run(self) -> None:
        while not self._end.is_set():
            self._something.wait()
            self._urgent.wait(self._interval_s)
            with self._lock:
                due, self._due = self._due, {}
                self._something.clear()
                self._urgent.clear()
            for sync in due.values():
                sync()

    def close(self) -> None:
        """End the thread; what is still due is not called."""
        self._end.set()
        with self._lock:
            self._due = {}
        self._urgent.set()
        self._something.set()
        if self._thread is not None:
            self._thread.join()
