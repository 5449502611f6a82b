"""Tell viewers which views have changed, each as fast as it takes it: who is slow misses updates, and nobody else does.

What user code says back to the scan is told to whoever asks for it, all of it.

Nobody is asked how things are while nobody looks. What several viewers want alike is read and encoded once.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from penstock.errors import PenstockError
from penstock.views.blocks import Fewer
from penstock.web.answers import Change, NoChange
from penstock.web.heard import Following, Heard
from penstock.web.shown_views import NotYetError, ShownViews

__all__ = ["Changes", "Watch", "Watches"]

LOOK_S = 0.02
"""How often the versions are looked at while somebody watches: it costs some words of memory."""
MOST_WATCHES = 200
MOST_HZ = 50.0
DEFAULT_BYTES = 1 << 20
MOST_BYTES = 64 << 20
"""Of one update."""
MOST_KEPT = 128 << 20
"""Bytes of updates that are kept for viewers who want the same; beyond, the oldest is encoded again."""


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One view that a viewer wants to follow."""

    view: str
    slice: str | None = None
    """The part that is sent with every change; ``None``: only that it has changed. ``""``: all of it."""
    max_hz: float = 5.0
    max_bytes: int = DEFAULT_BYTES
    """Of a part: beyond, one element is sent for several."""
    fewer: Fewer | None = None
    """What that one is; ``None``: the mean of numbers, of others every so manieth."""


class Watches(msgspec.Struct, forbid_unknown_fields=True):
    """All that one viewer wants to follow, from now on."""

    watch: list[Watch] = []
    feedback: int | None = None
    """What user code says back to the scan, with numbers above this one; ``None``: not."""


class _Encoded(msgspec.Struct, frozen=True):
    head: str
    data: bytes | None


class Changes:
    """What all viewers of one process follow.

    Parameters
    ----------
    views
        To be looked at.
    heard
        Feedback to the scan.
    """

    def __init__(self, views: ShownViews, heard: Heard | None = None) -> None:
        self._views = views
        self._heard = heard
        self._bells: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._versions: dict[str, int] = {}
        self._encoded: dict[Watch, tuple[int, _Encoded]] = {}
        """Of each watch that anybody has, what was sent last, and its version."""
        self._wanted: list[dict[Watch, tuple[int, float]]] = []
        """Of each viewer."""

    async def serve(self, receive: Callable[[], Any], send_text: Callable[[str], Any], send_bytes: Any) -> None:
        """Serve one viewer until it goes; ``receive`` then raises.

        Parameters
        ----------
        receive
            Returns the next text: ``Watches`` in JSON.
        """
        bell = asyncio.Event()
        self._bells.add(bell)
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        wanted: dict[Watch, tuple[int, float]] = {}
        told: dict[Watch, str] = {}
        self._wanted.append(wanted)
        to_say: list[str] = []  # not said at once: a part follows its head

        def say(text: str) -> None:
            to_say.append(text)
            bell.set()

        following = Following(self._heard, say)

        async def hear() -> None:
            while True:
                text = await receive()
                try:
                    asked = msgspec.json.decode(text, type=Watches)
                    if len(asked.watch) > MOST_WATCHES:
                        raise msgspec.ValidationError(f"{len(asked.watch)} views; {MOST_WATCHES} can be followed")
                except msgspec.MsgspecError as error:
                    remedy = 'send {"watch": [{"view": NAME, "slice": TEXT}]}'
                    say(msgspec.json.encode({"problem": f"{error}; {remedy}"}).decode())
                    continue
                seen = dict(wanted)
                wanted.clear()
                told.clear()
                wanted.update({watch: seen.get(watch, (-1, 0.0)) for watch in asked.watch})
                following.begin(asked.feedback)
                bell.set()

        hearing = asyncio.create_task(hear())
        try:
            while not hearing.done():
                ringing = asyncio.create_task(bell.wait())
                await asyncio.wait((hearing, ringing), return_when=asyncio.FIRST_COMPLETED)
                ringing.cancel()
                bell.clear()
                while to_say:
                    await send_text(to_say.pop(0))
                rest_s = await self._tell(wanted, told, send_text, send_bytes)
                if rest_s is not None:
                    asyncio.get_running_loop().call_later(rest_s, bell.set)
            hearing.result()
        finally:
            hearing.cancel()
            following.end()
            self._bells.discard(bell)
            self._wanted = [each for each in self._wanted if each is not wanted]
            if not self._bells and self._task is not None:
                self._task.cancel()
                self._task = None
                self._encoded.clear()

    async def _tell(
        self, wanted: dict[Watch, tuple[int, float]], told: dict[Watch, str], send_text: Any, send_bytes: Any
    ) -> float | None:
        """Send what is due; return in how many seconds more will be, if anything is held back."""
        loop = asyncio.get_running_loop()
        rest_s: float | None = None
        for watch, (version, sent_s) in list(wanted.items()):
            now = self._views.versions().get(watch.view.partition("/")[0])
            if now == version if now is not None else sent_s:
                continue
            wait_s = sent_s + 1 / min(max(watch.max_hz, 0.01), MOST_HZ) - loop.time()
            if sent_s and wait_s > 0:
                rest_s = wait_s if rest_s is None else min(rest_s, wait_s)
                continue
            try:
                encoded: _Encoded | None = self._part(watch, -1 if now is None else now)
            except NotYetError:  # it is waited for
                encoded = None
            except PenstockError as error:
                encoded = None
                if told.get(watch) != str(error):  # once, until it is another one
                    told[watch] = str(error)
                    problem: NoChange = {"view": watch.view, "slice": watch.slice, "problem": str(error)}
                    await send_text(msgspec.json.encode(problem).decode())
            if encoded is not None:
                told.pop(watch, None)
                await send_text(encoded.head)
                if encoded.data is not None:
                    await send_bytes(encoded.data)
            if watch in wanted:
                wanted[watch] = (-1 if now is None else now, loop.time())
        return rest_s

    def _part(self, watch: Watch, version: int) -> _Encoded:
        known = self._encoded.get(watch)
        if known is not None and known[0] == version:
            return known[1]
        found = _encode(self._views, watch)
        for old in [each for each in self._encoded if not any(each in wanted for wanted in self._wanted)]:
            del self._encoded[old]
        self._encoded.pop(watch, None)  # so that the oldest comes first
        self._encoded[watch] = version, found
        while len(self._encoded) > 1 and self._kept_bytes() > MOST_KEPT:
            del self._encoded[next(iter(self._encoded))]
        return found

    def _kept_bytes(self) -> int:
        return sum(len(each.data) for _, each in self._encoded.values() if each.data is not None)

    async def _look(self) -> None:
        while True:
            versions = self._views.versions()
            if versions != self._versions:
                self._versions = versions
                for bell in self._bells:
                    bell.set()
            await asyncio.sleep(LOOK_S)


def _encode(views: ShownViews, watch: Watch) -> _Encoded:
    if watch.slice is None:
        described = views.describe(watch.view)
        news: Change = {
            "view": watch.view, "slice": None, "version": described["version"], "position": described["position"],
        }  # fmt: skip
        return _Encoded(msgspec.json.encode(news).decode(), None)
    part = views.part(watch.view, watch.slice, most_bytes=min(max(1, watch.max_bytes), MOST_BYTES), fewer=watch.fewer)
    head: Change = {
        "view": watch.view,
        "slice": watch.slice,
        "max_bytes": watch.max_bytes,
        "version": part.version,
        "position": part.position,
        "shape": list(part.array.shape),
        "dtype": part.array.dtype.str,
        "every": part.every,
        "fewer": part.fewer,
    }
    return _Encoded(msgspec.json.encode(head).decode(), part.array.tobytes())
