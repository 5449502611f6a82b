"""EPICS process variables monitored over Channel Access, all of a process in one thread.

Nothing is ever put. Channel Access has one context for each process, so all of them are looked for at one address.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from penstock.errors import SourceError
from penstock.extra import extra

__all__ = ["CaAbout", "CaLink"]

_PATIENCE_S: Final = 5.0
_EVERY: Final = {"EPICS_CA_AUTO_ADDR_LIST": "NO"}


@dataclass(frozen=True, slots=True)
class CaAbout:
    """What is known of a process variable beside its values."""

    unit: str = ""
    choices: tuple[str, ...] = ()


class _Hearing(Protocol):
    """Whom a link tells, from its thread."""

    def hear(self, name: str, said: Any, nbytes: int = 0) -> None:
        """Take what was said."""

    def miss(self, name: str, why: str) -> None:
        """Note that something is heard no more, for now."""


class CaLink:
    """Monitor process variables, from `begin` to `end`: each value as aioca has it, with its `CaAbout`.

    Parameters
    ----------
    names
        Of the process variables.
    address
        Where they are looked for, as of ``EPICS_CA_ADDR_LIST``; empty: where the environment says.
    hearing
        Who is told.
    """

    def __init__(self, names: list[str], address: str, hearing: _Hearing) -> None:
        self._names, self._address = names, address
        self._hearing = hearing
        self._about: dict[str, CaAbout] = {}
        self._subscriptions: list[Any] = []  # aioca.Subscription, which only this extra has
        self._has_begun = False

    def begin(self) -> None:
        """Begin, without waiting for values.

        Raises
        ------
        MissingExtraError
            If aioca is not installed.
        SourceError
            If this process looks at another address already.
        """
        with extra("epics"):
            import aioca  # noqa: F401 - whoever has not got it is to be told here
        _LOOP.enter(self._address)
        self._has_begun = True
        _LOOP.do(self._listen)

    def end(self) -> None:
        """End; may be called twice."""
        if self._has_begun:
            self._has_begun = False
            _LOOP.do(self._deafen)
            _LOOP.leave()

    # In the thread of the loop

    def _listen(self) -> None:
        from aioca import DBE_PROPERTY, FORMAT_CTRL, camonitor

        with _LOOP.looking():
            self._subscriptions = [
                camonitor(
                    name,
                    partial(self._know, name),
                    events=DBE_PROPERTY,
                    format=FORMAT_CTRL,
                    count=1,
                    notify_disconnect=True,
                )
                for name in self._names
            ]

    def _deafen(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []

    def _know(self, name: str, value: Any) -> None:
        """Take what is known beside values: at first, when it is connected again, and when it changes."""
        if not value.ok:
            self._hearing.miss(name, "its server is gone")
            return
        is_first = name not in self._about
        self._about[name] = CaAbout(str(getattr(value, "units", "")), tuple(map(str, getattr(value, "enums", ()))))
        if is_first:
            from aioca import FORMAT_TIME, camonitor

            self._subscriptions.append(camonitor(name, partial(self._hear, name), format=FORMAT_TIME, all_updates=True))

    def _hear(self, name: str, value: Any) -> None:
        self._hearing.hear(name, (value, self._about[name]), int(getattr(value, "nbytes", 0)) + 256)


class _CaLoop:
    """The loop of all links of this process, in a thread, while there are any."""

    def __init__(self) -> None:
        self._using = threading.Lock()
        self._links = 0
        self._address: str | None = None
        """Where this process looks, from the first link on and until it ends."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def enter(self, address: str) -> None:
        with self._using:
            if self._address is not None and self._address != address:
                raise SourceError(
                    f'address "{address}" of Channel Access, where this process looks at "{self._address}" already; '
                    "write the same for all, with spaces between several"
                )
            self._address = address
            self._links += 1
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="channel access", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        with self._using:
            self._links -= 1
            if self._links or self._loop is None or self._thread is None:
                return
            loop, self._loop = self._loop, None
            asyncio.run_coroutine_threadsafe(_purge(), loop).result(_PATIENCE_S)
            self._bury()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(_PATIENCE_S)
            loop.close()

    def do(self, call: Any) -> None:
        """Call something in the thread, and wait for it."""

        async def called() -> None:
            call()

        if (loop := self._loop) is not None:
            asyncio.run_coroutine_threadsafe(called(), loop).result(_PATIENCE_S)

    def _bury(self) -> None:
        """Wait for what Channel Access has begun in our thread and never waits for: caRepeater, mostly not installed.

        One that is installed goes on, and serves every program of this machine.
        """
        try:
            begun = Path(f"/proc/self/task/{self._thread.native_id if self._thread else 0}/children").read_text()
        except OSError:  # a system without
            return
        for pid in begun.split():
            with suppress(ChildProcessError):
                os.waitpid(int(pid), os.WNOHANG)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Let channels be made at the address: Channel Access takes it from the environment with the first of them."""
        wanted = {"EPICS_CA_ADDR_LIST": self._address, **_EVERY} if self._address else {}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update({name: value for name, value in wanted.items() if value})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


async def _purge() -> None:
    """Close every channel, and let what they have begun come to its end."""
    from aioca import purge_channel_caches

    purge_channel_caches()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


_LOOP: Final = _CaLoop()
