"""Makes streams of the files that lie in a beamtime's folder, below ``raw/`` and ``processed/``.

What is there already is told by the streams themselves, as each message says of which file it is: nothing is imported
twice, and what was cut short goes on, whoever was killed when.
"""

import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from penstock.core.beamtime_file import BeamtimeFile, is_beamtime_file
from penstock.core.block import Block
from penstock.core.message import Message
from penstock.core.stream_address import StreamAddress
from penstock.errors import ConflictError, IntegrityError, StateError, StoreFullError, StreamError
from penstock.streams.dataset import check_stream_name
from penstock.streams.file_choice import FileChoice
from penstock.streams.file_exposer import EXPOSED
from penstock.streams.file_reading import read_file
from penstock.streams.file_settling import Shape
from penstock.streams.store import Store, StreamWriter
from penstock.streams.tree_layout import KINDS, TreeLayout, natural

__all__ = ["ImportCounts", "ImportOptions", "TreeImport", "beamtime_in"]

MOST_OPEN: Final = 16
"""Streams that are kept open; of a tree in order, one is written after the other."""
BATCH: Final = 1024
"""Files that become one block, at most."""
BLOCK_BYTES: Final = 1 << 20
_MODE: Final = 13
"""As which a producer would have sent them: payload, file and record. ``spec`` of ASAPO's clients, ingest modes."""


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is imported."""

    kinds: tuple[str, ...] = KINDS
    choice: FileChoice = FileChoice()
    """By paths below the beamtime's folder."""
    payload: bool = False
    """Whether files' bytes are taken, not only what they are called."""
    settle_s: float = 2.0
    """How long a file must not have changed; somebody writes it otherwise."""


class ImportCounts(msgspec.Struct, kw_only=True):
    """What became of the files."""

    streams: int = 0
    """That files were found for."""
    imported: int = 0
    before: int = 0
    """Files whose messages were there."""
    nbytes: int = 0
    """Of the files that were imported."""
    passed_over: int = 0
    """Files that the layout does not fit, or that were not wanted."""
    young: int = 0
    """Files that somebody may be writing; the next import takes them."""
    changed: int = 0
    """Files that have changed since they were imported, and were not imported again."""
    failed: int = 0
    """Files that could not be read or stored."""


class _Found(NamedTuple):
    path: str
    """Below the beamtime's folder."""
    shape: Shape
    id: int | None


class _Target:
    """One stream that files go to."""

    def __init__(self, address: StreamAddress) -> None:
        self.address = address
        self.there: dict[str, Shape] = {}
        """Which files' messages are there."""
        self.pending: list[_Found] = []
        self.writer: StreamWriter | None = None
        self.trouble = ""
        """Why nothing can be stored in it."""


def beamtime_in(folder: Path) -> BeamtimeFile | None:
    """Return what a folder says of its beamtime; ``None`` if it has no file that does.

    Raises
    ------
    StreamError
        If it has several, or one that is none.
    """
    names = [path for path in sorted(folder.iterdir()) if is_beamtime_file(path.name)]
    if len(names) > 1:
        raise StreamError(f"{folder}: which beamtime is it? {names[0].name} and {names[1].name} say so")
    if not names:
        return None
    try:
        return BeamtimeFile.parse(names[0].read_bytes(), str(names[0]))
    except OSError as error:
        raise StreamError(f"{names[0]}: {error.strerror}") from error


class TreeImport:
    """Imports one folder; used once.

    Parameters
    ----------
    root
        The beamtime's folder, in which ``raw`` and ``processed`` are.
    store
        Where to; it stays open.
    beamtime
        What it is called there.
    tell
        Called with one line about each file or stream that something is wrong with.
    progress
        Called with how many files more were looked at.
    is_stopped
        Whether to stop behind what is being stored.
    now_ns
        Gives the time, by the clock that files' times are of.
    """

    def __init__(
        self,
        root: Path,
        store: Store,
        beamtime: str,
        layout: TreeLayout,
        options: ImportOptions,
        *,
        tell: Callable[[str], object] = lambda _: None,
        progress: Callable[[int], object] = lambda _: None,
        is_stopped: Callable[[], bool] = lambda: False,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.counts = ImportCounts()
        self.streams: dict[StreamAddress, int] = {}
        """How many files were imported into each."""
        self._root = root
        self._store = store
        self._beamtime = beamtime
        self._layout = layout
        self._options = options
        self._tell = tell
        self._progress = progress
        self._is_stopped = is_stopped
        self._now_ns = now_ns
        self._open: OrderedDict[StreamAddress, _Target] = OrderedDict()
        self._incomplete: set[StreamAddress] = set()
        self._last = _Target(StreamAddress(beamtime))

    def run(self, *, finish: bool = False) -> None:
        """Import what is there now.

        Parameters
        ----------
        finish
            Whether to say of each stream that this was all, if it was.

        Raises
        ------
        StoreFullError
            If there is no room for more.
        StreamError
            If the folder holds no files as it should.
        """
        try:
            for path, shape in self._files():
                if self._is_stopped():
                    break
                self._take(path, shape)
                self._progress(1)
            if not self._is_stopped():
                for target in list(self._open.values()):
                    self._flush(target)
                if finish:
                    self._finish()
        finally:
            for target in self._open.values():
                if target.writer is not None:
                    target.writer.close()

    # --- finding

    def _files(self) -> Iterator[tuple[str, Shape]]:
        kinds = [kind for kind in self._options.kinds if (self._root / kind).is_dir()]
        if not kinds:
            raise StreamError(
                f"{self._root} has no {' and no '.join(self._options.kinds)} in it; name a beamtime's folder"
            )
        for kind in kinds:
            yield from self._below(kind)

    def _below(self, folder: str) -> Iterator[tuple[str, Shape]]:
        """Yield the files of a folder, and of those in it; in the order in which people count."""
        try:
            entries = sorted(os.scandir(self._root / folder), key=lambda entry: natural(entry.name))
        except OSError as error:
            self._fail(f"{folder}: {error.strerror}")
            return
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if not self._options.choice.passes_over(path):
                    yield from self._below(path)
                continue
            if not self._options.choice.fits(path):
                self.counts.passed_over += 1
                continue
            try:
                found = entry.stat()
            except OSError as error:
                self._fail(f"{path}: {error.strerror}")
                continue
            if stat.S_ISREG(found.st_mode):
                yield path, Shape(found.st_size, found.st_mtime_ns)
            else:
                self.counts.passed_over += 1

    def _take(self, path: str, shape: Shape) -> None:
        try:
            path.encode()
        except UnicodeEncodeError:
            self._fail(f"{path.encode(errors='surrogateescape')!r}: its name is no text")
            return
        place = self._layout.place(path)
        if place is None:
            self.counts.passed_over += 1
            return
        target = self._last  # most files are of the same stream as the one before
        if (place.source, place.stream) != (target.address.source, target.address.stream):
            try:
                address = StreamAddress(self._beamtime, place.source, place.stream)
                check_stream_name(address)
            except StreamError as error:
                self._fail(f"{path}: {error}")
                return
            target = self._last = self._target(address)
        there = target.there.get(path)
        if there is not None:
            self.counts.before += 1
            if there != shape:
                self.counts.changed += 1
                self._incomplete.add(target.address)
                self._tell(f"{path}: changed after it was imported, and not imported again")
        elif target.trouble:
            self._fail("", target)
        elif abs(self._now_ns() - shape.mtime_ns) < self._options.settle_s * 1e9:
            self.counts.young += 1
            self._incomplete.add(target.address)
        else:
            target.pending.append(_Found(path, shape, place.id))
            if len(target.pending) == BATCH:
                self._flush(target)

    # --- streams

    def _target(self, address: StreamAddress) -> _Target:
        target = self._open.get(address)
        if target is not None:
            self._open.move_to_end(address)
            return target
        while len(self._open) >= MOST_OPEN:
            _, oldest = self._open.popitem(last=False)
            self._flush(oldest)
            if oldest.writer is not None:
                oldest.writer.close()
        if address not in self.streams:
            self.streams[address] = 0
            self.counts.streams += 1
        target = self._open[address] = _Target(address)
        try:
            self._read_there(target)
        except IntegrityError as error:
            self._spoil(target, f"{address} is damaged, so that it cannot be told what is there: {error}")
        return target

    def _read_there(self, target: _Target) -> None:
        with self._store.read(target.address) as reader:
            removed = reader.info.removed
            if removed:
                text = f"{target.address}: retention has removed {removed} messages, and nobody knows of which files"
                self._spoil(target, f"{text}; import to another source")
            for stored in reader.blocks():
                for said in stored.encoded_block.metadata or ():
                    if {EXPOSED, "size", "mtime_ns"} <= said.keys():
                        target.there[said[EXPOSED]] = Shape(int(said["size"]), int(said["mtime_ns"]))

    def _flush(self, target: _Target) -> None:
        """Store the files that wait for it."""
        files, target.pending = target.pending, []
        if not files or target.trouble:
            for _ in files:
                self._fail("", target)
            return
        try:
            if target.writer is None:
                target.writer = self._store.write(target.address)
            for block, taken in self._blocks(target, target.writer, files):
                target.writer.append(block)
                self.counts.imported += len(taken)
                self.streams[target.address] += len(taken)
                self.counts.nbytes += sum(file.shape.size for file in taken)
                target.there.update((file.path, file.shape) for file in taken)
                if self._is_stopped():
                    return
        except StoreFullError:
            raise
        except (ConflictError, StateError) as error:
            self._spoil(target, str(error))
            for file in files:
                if file.path not in target.there:
                    self._fail("", target)

    def _blocks(
        self, target: _Target, writer: StreamWriter, files: list[_Found]
    ) -> Iterator[tuple[Block, list[_Found]]]:
        messages: list[Message] = []
        taken: list[_Found] = []
        nbytes = 0
        for file, number in self._numbered(target, writer, files):
            message = self._message(file, number, target)
            if message is None:
                continue
            messages.append(message)
            taken.append(file)
            nbytes += file.shape.size
            if self._options.payload and nbytes >= BLOCK_BYTES:
                yield Block.of(target.address.stream, messages), taken
                messages, taken, nbytes = [], [], 0
        if messages:
            yield Block.of(target.address.stream, messages), taken

    def _numbered(self, target: _Target, writer: StreamWriter, files: list[_Found]) -> Iterator[tuple[_Found, int]]:
        """Give ids, those in names or the next ones; ascending."""
        if not self._layout.has_ids:
            # A file that cannot be read leaves a hole: its name has a place among the others.
            yield from zip(files, range(writer.last_id + 1, writer.last_id + 1 + len(files)), strict=True)
            return
        numbered = sorted(((file.id or 0, file) for file in files), key=lambda one: one[0])
        is_there = writer.present(np.array([number for number, _ in numbered], np.uint64)).tolist()
        last = 0
        for (number, file), is_taken in zip(numbered, is_there, strict=True):
            if is_taken or number == last:
                self._fail(f"{file.path}: another file, or message, of {target.address} has id {number}", target)
                continue
            last = number
            yield file, number

    def _message(self, file: _Found, number: int, target: _Target) -> Message | None:
        data = None
        if self._options.payload:
            try:
                read = read_file(str(self._root / file.path))
            except (OSError, StreamError) as error:
                self._fail(f"{file.path}: {getattr(error, 'strerror', None) or error}", target)
                return None
            if read is None or read.shape != file.shape:
                self.counts.young += 1
                self._incomplete.add(target.address)
                return None
            data = np.frombuffer(read.data, np.uint8) if read.data else np.empty(0, np.uint8)
        return Message(id=number, timestamp_ns=file.shape.mtime_ns, metadata=self._metadata(file), array=data)

    def _metadata(self, file: _Found) -> Mapping[str, Any]:
        folder, _, name = file.path.rpartition("/")
        return {
            EXPOSED: file.path,
            "name": name,
            "folder": str(self._root / folder),
            "size": file.shape.size,
            "mtime_ns": file.shape.mtime_ns,
            "asapo": {"mode": _MODE},
        }

    def _finish(self) -> None:
        """Say of each stream that this was all, unless something of it is missing."""
        for address in self.streams:
            if address in self._incomplete:
                continue
            target = self._open.get(address)
            try:
                with (target and target.writer) or self._store.write(address) as writer:
                    writer.finish()
            except StateError:  # it has ended before
                continue
            except ConflictError as error:
                self._tell(f"{address}: not finished: {error}")

    def _spoil(self, target: _Target, text: str) -> None:
        target.trouble = text
        self._tell(text)

    def _fail(self, text: str, target: _Target | None = None) -> None:
        """Count a file that is not imported, and say why unless that was said of the whole stream."""
        self.counts.failed += 1
        if target is not None:
            self._incomplete.add(target.address)
        if text:
            self._tell(text)
