"""Sends files to streams, each once and with an id that no other file gets, whoever is killed when.

A file's id is written into the journal, then it is sent, then that is written down, too. Who was killed in between
sends it again with the same id, and the store finds that it is there already.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from penstock.core.stream_address import StreamAddress
from penstock.errors import StateError, StoreFullError, StreamError
from penstock.streams.dataset import check_stream_name, part_address
from penstock.streams.file_journal import FileEntry, FileJournal, FileState
from penstock.streams.file_numbering import Place
from penstock.streams.file_reading import ReadFile, read_file, shape_of
from penstock.streams.file_settling import Shape
from penstock.streams.producer import Producer
from penstock.streams.receipts import STORED, Outcome, OutcomeKind, Receipt, again
from penstock.streams.store import Store
from penstock.streams.stream_list import list_streams
from penstock.streams.watch_options import WatchCounts, WatchOptions
from penstock.streams.watched_folders import WatchedFolders

__all__ = ["MOST_FILES", "FileSender"]

MOST_FILES: Final = 256
MOST_BYTES: Final = 32 << 20
"""Of files that are read at once; one file always may be."""
_FINAL: Final = (StoreFullError, StateError)
"""What no other file would fare better with."""


class _Wanted(NamedTuple):
    """A file that is to be sent."""

    file: ReadFile
    stream: str
    id: int


class FileSender:
    """Sends the files of watched folders that are complete.

    Parameters
    ----------
    store
        Where to; it stays open.
    to
        A stream, or a source.
    folders
        Say what the stream of a file is called, where it is a source.
    journal
        What became of files so far; it stays open.
    look_again
        Called with a file that must be looked at once more.
    tell
        Called with one line about each file that was not sent.
    """

    def __init__(
        self,
        store: Store,
        to: StreamAddress,
        folders: WatchedFolders,
        journal: FileJournal,
        options: WatchOptions,
        *,
        look_again: Callable[[str], None],
        tell: Callable[[str], None],
    ) -> None:
        self.counts = WatchCounts()
        self._store = store
        self._to = to
        self._folders = folders
        self._journal = journal
        self._options = options
        self._numbering = options.numbering
        self._look_again = look_again
        self._tell = tell
        self._told_changed: dict[str, Shape] = {}
        self._written = {to.stream} if to.stream else set()
        self._producer = Producer(store, to, level="synced" if options.remove else "written")

    def recover(self) -> None:
        """Write into the journal what the streams know better: after a loss of power, or of the journal."""
        for stream in self._streams():
            known = self._journal.last_id(stream)
            for part in self._numbering.own_parts:
                self._recover_part(stream, part, known)

    def _recover_part(self, stream: str, part: int, known: int) -> None:
        """Write down what is in a stream, or in one of the parts of its datasets, behind the files that are known."""
        with self._store.read(self._address(stream, part)) as reader:
            last_id = reader.info.last_id
            last = self._numbering.number(Place(last_id, part)) if last_id else 0
            if last <= known:
                return
            first_id = self._numbering.place(known + 1).id
            messages = chain.from_iterable(stored.messages() for stored in reader.get(first_id, last_id))
            files = (
                (path, number, Shape(int(message.metadata["size"]), int(message.metadata["mtime_ns"])))
                for message in messages
                if (number := self._numbering.number(Place(message.id, part))) > known
                and (path := _path_of(message.metadata)) is not None
            )
            self._journal.recover(stream, files, last)

    def send(self, ready: dict[str, None], most: int = MOST_FILES) -> None:
        """Read the next files of those that are complete, send them, and wait until they are stored.

        Parameters
        ----------
        ready
            Their paths, which are taken out.
        most
            No more than so many.

        Raises
        ------
        StoreFullError
            If there is no room for more.
        StreamError
            If the stream has ended, or somebody else writes it.
        """
        wanted = self._numbered(self._read(ready, min(most, MOST_FILES)))
        sent = [(one, self._sent(one)) for one in wanted]
        outcomes = [(one, _outcome(receipt)) for one, receipt in sent]
        stored = [one for one, outcome in outcomes if self._is_stored(one, outcome)]
        self._journal.mark([one.file.path for one in stored], FileState.SENT)
        self.counts.sent += len(stored)
        self.counts.nbytes += sum(one.file.shape.size for one in stored)
        if self._options.remove:
            self._remove((one.file.path, one.file.shape) for one in stored)
        final = next((outcome.error for _, outcome in outcomes if isinstance(outcome.error, _FINAL)), None)
        if final is not None:
            raise again(final)

    def fail(self, text: str) -> None:
        """Count a file that cannot be sent, and say why."""
        self.counts.failed += 1
        self._tell(text)

    def has_vanished(self, path: str) -> None:
        """Count a file that is gone, unless it was sent or left."""
        entry = self._journal.entry(path)
        if entry is not None and entry.state is not FileState.GIVEN:
            return
        self.counts.vanished += 1
        self._tell(f"{path}: gone before it could be read")

    def finish(self) -> None:
        """Say that this was all of the stream, or of the streams that this object has sent to."""
        for stream in sorted(self._written):
            self._producer.finish(stream=stream)

    def close(self) -> None:
        """Let go of the streams."""
        self._producer.close()

    def _read(self, ready: dict[str, None], most: int) -> list[tuple[ReadFile, FileEntry | None]]:
        """Read the next files that are to be sent, with what is known of each."""
        found: list[tuple[ReadFile, FileEntry | None]] = []
        nbytes = 0
        while ready and len(found) < most and nbytes < MOST_BYTES:
            path = next(iter(ready))
            del ready[path]
            entry = self._journal.entry(path)
            if entry is not None and self._has_been_dealt_with(path, entry):
                continue
            file = self._read_one(path, entry)
            if file is not None:
                found.append((file, entry))
                nbytes += file.shape.size
        return found

    def _read_one(self, path: str, entry: FileEntry | None) -> ReadFile | None:
        try:
            check_stream_name(self._address(self._folders.stream_of(path)))
            file = read_file(path, payload=self._options.payload, arrays=self._options.arrays)
        except FileNotFoundError:
            self._is_gone(path, entry)
            return None
        except OSError as error:
            self.fail(f"{path}: {error.strerror}")
            return None
        except StreamError as error:
            self.fail(str(error))
            return None
        if file is None:  # somebody writes it: look until it has settled
            self._look_again(path)
        return file

    def _has_been_dealt_with(self, path: str, entry: FileEntry) -> bool:
        """Whether a file that is known needs not to be sent; removes it if it was sent and should be."""
        shape = shape_of(path)
        if shape is None or entry.state is FileState.GIVEN:
            return False
        if shape == entry.shape:
            if self._options.remove and entry.state is not FileState.LEFT:
                self._remove([(path, shape)])
            return True
        if entry.state is not FileState.SENT or self._options.resend_changed:
            return False  # what was removed, or left, is another file now
        if self._told_changed.get(path) != shape:
            self._told_changed[path] = shape
            self.counts.changed += 1
            self._tell(f"{path}: changed after it was sent as message {entry.id}, and not sent again")
        return True

    def _is_gone(self, path: str, entry: FileEntry | None) -> None:
        """Deal with a file that vanished; whether it was sent before, the stream knows."""
        if entry is not None and entry.state is FileState.GIVEN:
            if self._is_there(path, entry.stream, entry.id):
                self._journal.mark([path], FileState.SENT)
                return
            self._journal.forget(path)
        self.has_vanished(path)

    def _numbered(self, files: Sequence[tuple[ReadFile, FileEntry | None]]) -> list[_Wanted]:
        """Give ids to those that have none yet."""
        known = [
            _Wanted(file, entry.stream, entry.id)
            for file, entry in files
            if entry is not None and entry.state is FileState.GIVEN
        ]
        new = [file for file, entry in files if entry is None or entry.state is not FileState.GIVEN]
        streams = [self._folders.stream_of(file.path) for file in new]
        ids = self._journal.give([(file.path, stream, file.shape) for file, stream in zip(new, streams, strict=True)])
        return known + [_Wanted(*one) for one in zip(new, streams, ids, strict=True)]

    def _sent(self, one: _Wanted) -> Receipt:
        path, (size, mtime_ns) = Path(one.file.path), one.file.shape
        metadata = {"name": path.name, "folder": str(path.parent), "size": size, "mtime_ns": mtime_ns}
        self._written.add(one.stream)
        place = self._numbering.place(one.id)
        return self._producer.send(
            one.file.data,
            stream=one.stream,
            id=place.id,
            timestamp_ns=mtime_ns,
            metadata=metadata,
            part=self._numbering.given(place),
            copy=False,
        )

    def _is_stored(self, one: _Wanted, found: Outcome) -> bool:
        """Whether a message is in the stream."""
        if found.kind is OutcomeKind.STORED:
            return True
        if found.kind is OutcomeKind.DUPLICATE or (
            found.kind is OutcomeKind.CONFLICT and self._is_there(one.file.path, one.stream, one.id)
        ):
            self.counts.duplicates += 1
            return True
        if isinstance(found.error, _FINAL):
            return False
        if found.kind is OutcomeKind.CONFLICT:  # somebody else has sent to this stream since
            self._journal.forget(one.file.path)
            self.recover()
            self._look_again(one.file.path)
            return False
        self.fail(f"{one.file.path}: {found.reason}")
        return False

    def _is_there(self, path: str, stream: str, number: int) -> bool:
        """Whether a message is in its stream, and that of a file."""
        place = self._numbering.place(number)
        with self._store.read(self._address(stream, place.part)) as reader:
            message = reader.message(place.id)
        return message is not None and _path_of(message.metadata) == path

    def _remove(self, files: Iterable[tuple[str, Shape]]) -> None:
        """Remove files whose messages are synced, unless they have changed since."""
        removed = []
        for path, shape in files:
            if shape_of(path) != shape:
                continue  # another file by now: it will be seen, or was
            try:
                Path(path).unlink(missing_ok=True)
            except OSError as error:
                self.fail(f"{path}: sent, but not removed: {error.strerror}")
            else:
                removed.append(path)
        self._journal.mark(removed, FileState.REMOVED)
        self.counts.removed += len(removed)

    def _streams(self) -> list[str]:
        """Return the names of the streams that are there and may hold our files."""
        if self._to.stream:
            return [self._to.stream]
        return [info.address.stream for info in list_streams(self._store, self._to)]

    def _address(self, stream: str, part: int = 0) -> StreamAddress:
        address = StreamAddress(self._to.beamtime, self._to.source, stream)
        return part_address(address, part) if part else address


def _outcome(receipt: Receipt) -> Outcome:
    """Wait for what became of a message; there is nothing to raise yet."""
    with suppress(StreamError):
        receipt.wait()
    return receipt.outcome or STORED


def _path_of(metadata: Any) -> str | None:
    """Return which file a message is of; ``None`` for one that is of no file."""
    if {"name", "folder", "size", "mtime_ns"} <= metadata.keys():
        return f"{metadata['folder']}/{metadata['name']}"
    return None
