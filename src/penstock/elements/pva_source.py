"""A source that monitors EPICS process variables over PVAccess: what images and plain values have in common.

It only monitors: nothing is ever put.
"""

import threading
import time
from functools import partial
from typing import Any, Final

from penstock.elements.heard_source import HeardSource
from penstock.errors import SourceError
from penstock.extra import extra

__all__ = ["PvaSource"]

_HURRY_S: Final = 1.0
"""How often those that are not there are looked for anew; EPICS itself does so ever more rarely.

One that comes back is found within about 6 s, which is how long EPICS takes to ask for all that it misses.
"""


class PvaSource(HeardSource):
    """Monitor process variables. A subclass makes messages of their values.

    Parameters
    ----------
    names
        Of the process variables.
    address
        Where they are looked for, as of ``EPICS_PVA_ADDR_LIST``; empty: where the environment says.
    queue
        How many values of each the server and this client keep for each other.
    connect_s, ahead_MB
        See the base.

    Raises
    ------
    ValueError
        If an argument is wrong.
    """

    def __init__(self, names: str | list[str], *, address: str, queue: int, connect_s: float, ahead_MB: float) -> None:
        super().__init__(names, connect_s=connect_s, ahead_MB=ahead_MB)
        if queue < 1:
            raise ValueError(f"queue is {queue}; write how many values are kept, at least 1")
        self._address = address
        self._queue = queue
        self._context: Any = None  # p4p.client.raw.Context, which only this extra has
        self.monitors: dict[str, _Monitor] = {}
        """By name, while it is open."""
        self._hurry_at = 0.0

    def listen(self) -> None:
        """Begin to monitor; see the base."""
        with extra("epics"):
            from p4p.client.raw import Context
        conf = {"EPICS_PVA_ADDR_LIST": self._address, "EPICS_PVA_AUTO_ADDR_LIST": "NO"} if self._address else {}
        self._context = Context("pva", conf=conf, useenv=True, nt=False)
        if self._address and not self._context.conf()["EPICS_PVA_ADDR_LIST"]:  # what it cannot find, it leaves out
            raise SourceError(f'address "{self._address}" names no machine that is known; write addresses or names')
        # Not with pipeline=true: servers on pvAccessCPP, as pvapy has, then send the same value hundreds of times.
        request = f"field()record[queueSize={self._queue}]"
        for name in self.names:
            monitor = _Monitor(self, name)
            self.monitors[name] = monitor
            monitor.begin(partial(self._context.monitor, name, monitor.drain, request=request))

    def deafen(self) -> None:
        """Monitor no more; see the base."""
        for monitor in self.monitors.values():
            monitor.end()
        self.monitors = {}
        if self._context is not None:
            self._context.close()
        self._context = None

    def seek(self) -> None:
        """Look for those that are not there; see the base."""
        now = time.monotonic()
        if self._context is None or now < self._hurry_at:
            return
        if now < self._hurry_at + _HURRY_S:  # else nothing was missing a moment ago
            self._context.hurryUp()
        self._hurry_at = now + _HURRY_S

    def not_reached(self, names: list[str]) -> str:
        """Return why nothing was heard; see the base."""
        where = f"at {self._address}" if self._address else "where EPICS_PVA_ADDR_LIST says"
        return (
            f"{', '.join(names)}: no PVAccess server {where} has answered within {self._connect_s:g} s; see whether it "
            "is on, the name and the address are right, or give it longer with connect_s"
        )


class _Monitor:
    """One process variable. It is emptied as soon as something is there, because what the library merges is unseen."""

    def __init__(self, source: PvaSource, name: str) -> None:
        self._source = source
        self._name = name
        self._subscription: Any = None
        self.lock = threading.Lock()

    def begin(self, monitor: Any) -> None:
        """Begin; what has come before this returns is taken as well."""
        subscription = monitor()
        with self.lock:
            self._subscription = subscription
        self.drain()

    def end(self) -> None:
        """End; nothing is taken any more."""
        with self.lock:
            subscription, self._subscription = self._subscription, None
        if subscription is not None:  # without the lock, for closing waits for a call of drain
            subscription.close()

    def drain(self) -> None:
        """Take all there is; in the thread of the library."""
        from p4p.client.raw import Cancelled, Disconnected, Finished

        source, name = self._source, self._name
        with self.lock:
            while self._subscription is not None and (said := self._subscription.pop()) is not None:
                if not isinstance(said, Exception):
                    source.hear(name, said, _nbytes(said))
                elif isinstance(said, Finished):
                    source.finish(name)
                elif isinstance(said, Disconnected | Cancelled):
                    source.miss(name, "its server is gone")
                else:
                    source.refuse(name, f"its server refuses to be monitored: {said}")


def _nbytes(value: Any) -> int:
    """Return the size of what a value is mainly made of."""
    return int(getattr(value.get("value"), "nbytes", 0)) + 256
