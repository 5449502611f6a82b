"""The child processes of a run whose strands are threads: anybody may start and kill some; one warmed process for all.

``Processes`` is for one thread; this lets several take turns, and keeps every death until somebody asks for it.
"""

import threading
from collections import deque
from collections.abc import Collection, Sequence

from penstock.services.paper import Arguments
from penstock.services.processes import Child, Death, Processes

__all__ = ["Nursery"]

PRELOAD = ("numpy", "msgspec", "penstock.monitor.notice", "penstock.services.strands.steps_process")
TURN_S = 0.01
"""How long one thread waits for a death before another may take its turn."""


class Nursery:
    """Processes that several threads start."""

    def __init__(self) -> None:
        self._processes: Processes | None = None
        self._deaths: dict[int, Death] = {}
        self._heard: deque[bytes] = deque()
        """Notices of children that nobody has taken."""
        self._lock = threading.Lock()

    def open(self) -> None:
        """Let the warmed process get warm, in parallel with what the caller does next."""
        with self._lock:
            if self._processes is None:
                self._processes = Processes(preload=PRELOAD, on_notice=self._heard.append).__enter__()

    @property
    def pollable(self) -> int | None:
        """What can be read when ``notices`` may have something; ``None`` while there are no processes."""
        processes = self._processes
        return None if processes is None else processes.fileno()

    def notices(self) -> list[bytes]:
        """Return what children have said since the last call, as it travels; it waits for nobody."""
        if self._processes is not None and self._lock.acquire(blocking=False):
            try:
                self._look(0.0)
            finally:
                self._lock.release()
        return [self._heard.popleft() for _ in range(len(self._heard))]

    def start(
        self, name: str, function: str, arguments: Arguments, fds: Sequence[int], *, cpus: Collection[int] = ()
    ) -> Child:
        """Start a process, as ``Processes.start``.

        Raises
        ------
        ProcessError
            If that is impossible.
        """
        self.open()
        with self._lock:
            assert self._processes is not None, "it was just opened"
            return self._processes.start(name, function, arguments, fds, cpus=cpus)

    def kill(self, child: Child) -> None:
        """Kill a child; nothing if it has ended."""
        with self._lock:
            if self._processes is not None:
                self._processes.kill(child)

    def death_of(self, child: Child, turns: int = 1000) -> Death:
        """Wait for the death of a child that is known to be ending, and return it, once."""
        for _ in range(turns):
            with self._lock:
                if self._processes is None:
                    break
                self._look(TURN_S)
                if child.number in self._deaths:
                    return self._deaths.pop(child.number)
        return Death(child=child)

    def close(self) -> None:
        """Kill everybody who is left, and wait for them. May be called again."""
        with self._lock:
            processes, self._processes = self._processes, None
            if processes is not None:
                processes.close()

    def _look(self, timeout_s: float) -> None:
        if self._processes is not None:
            self._deaths |= {death.child.number: death for death in self._processes.poll(timeout_s)}
