"""A folder watcher in a thread of its own, and what it has sent."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError
from penstock.streams.folder_watcher import FolderWatcher
from penstock.streams.store import Store
from penstock.streams.watch_options import WatchOptions

__all__ = ["STREAM", "Watched", "sent", "until", "watching"]

STREAM = StreamAddress("b", "files", "run")
QUICK = WatchOptions(stable_s=0.02)


class Watched:
    """A watcher that runs."""

    def __init__(self, watcher: FolderWatcher, store: Store, to: StreamAddress) -> None:
        self.watcher = watcher
        self.told: list[str] = []
        self._store = store
        self._to = to

    def has(self, count: int, stream: str = "") -> list[Message]:
        """Wait until a stream has so many messages, and return them."""
        address = StreamAddress(self._to.beamtime, self._to.source, stream or self._to.stream)
        with self._store.read(address) as reader:
            assert reader.wait(count - 1, 30), f"{reader.info.count} messages of {count}"
        return sent(self._store, address)


def sent(store: Store, address: StreamAddress = STREAM) -> list[Message]:
    """Return the messages of a stream, in their order of arrival."""
    with store.read(address) as reader:
        return [message for stored in reader.blocks() for message in stored.messages()]


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what nobody tells; the test's own timeout is the other way out."""
    pause = Event()
    while not is_so():
        pause.wait(0.005)


@contextmanager
def watching(
    store: Store,
    *folders: Path,
    to: StreamAddress = STREAM,
    options: WatchOptions = QUICK,
    journal: Path | None = None,
    files: int = 0,
    errors: Sequence[type[PenstockError]] = (),
) -> Iterator[Watched]:
    """Watch folders until the end of the block; with ``files`` until so many were sent."""
    stop, ready, told, failed = os.eventfd(0), Event(), list[str](), list[BaseException]()
    with FolderWatcher(store, folders, to, options=options, journal=journal, tell=told.append) as watcher:

        def run() -> None:
            try:
                watcher.run(stop, files=files, ready=ready.set)
            except BaseException as error:  # noqa: BLE001  # it is looked at in the test's thread
                failed.append(error)
            finally:
                ready.set()

        thread = Thread(target=run)
        thread.start()
        try:
            ready.wait()
            watched = Watched(watcher, store, to)
            watched.told = told
            yield watched
        finally:
            if not files:
                os.eventfd_write(stop, 1)
            thread.join()
            os.close(stop)
    assert [type(error) for error in failed] == list(errors), failed
