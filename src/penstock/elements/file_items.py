"""Gives the items of files, one file after the other, and keeps what became of each; the sources and the step share it.

Which files there are is the affair of whoever asks; nothing here watches or waits.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import algorithms_available, file_digest
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from penstock.core.file_book import FileRecord, FileState, RunRecord
from penstock.core.timestamp import Timestamp
from penstock.elements import clock
from penstock.elements.losses import Losses
from penstock.elements.opened_file import OpenedFile, OpenHook, lines_of, opened_file
from penstock.elements.output_file import expanded
from penstock.elements.sink import RunFacts
from penstock.elements.state_file import StateFile
from penstock.elements.user_modules import find_object
from penstock.errors import SinkError, SourceError
from penstock.monitor.report import FilesReport

__all__ = ["BadFiles", "FileItems", "FileOptions"]

BadFiles = Literal["skip", "fail"]
"""What follows when a file cannot be opened, or breaks off: the next one, or the end of the run."""
AT_ONCE: Final = 256
"""Items of a list that are given together."""
LONGEST_CAUSE: Final = 500


class FileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How files are opened, and what is kept of it. Arguments are those of the source ``files``."""

    open: str | Callable[[Path], Any] = ""
    state: str = ""
    checksum: str = ""
    bad_files: BadFiles = "skip"
    attempts: int = 3
    name_as: str = ""

    def check(self) -> None:
        """Raise a ``ValueError`` if something contradicts."""
        if isinstance(self.open, str) and self.open and ":" not in self.open:
            raise ValueError(f'open is "{self.open}"; write module:function')
        if self.checksum and self.checksum not in algorithms_available:
            raise ValueError(f'there is no checksum "{self.checksum}"; write sha256')
        if self.bad_files not in ("skip", "fail"):
            raise ValueError(f'bad_files is "{self.bad_files}"; write skip, or fail')
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; write 1 or more")


class FileItems:
    """The items of files, and the books of these.

    One thread takes items; others may call `settled` and `report` meanwhile.

    Parameters
    ----------
    options
        As they were checked.
    kind
        For texts, such as ``files``.
    """

    def __init__(self, options: FileOptions, kind: str) -> None:
        self._options = options
        self._hook: OpenHook = lines_of
        self._name = self._kind = kind
        self._state = StateFile(None)
        self._given_in_run: dict[str, tuple[int, int]] = {}
        """Size and time of each file that was given in this run, or failed."""
        self._marks: deque[tuple[int, str]] = deque()
        """Of files that were read and are not done: behind how many items they ended, and which."""
        self._given = 0
        self._now: tuple[str, int, int | None] = ("", 0, None)
        self._last_cause = ""
        self.losses = Losses(kind)
        """Files that failed, for whoever keeps the books of the source."""

    def open(self, folder: str, run: RunFacts | None) -> None:
        """Find the hook, and read the state file.

        Raises
        ------
        SourceError
            If the state file cannot be used.
        CheckError
            If there is no such hook.
        """
        hook = self._options.open
        if isinstance(hook, str):
            self._hook = find_object(hook, Path(folder)) if hook else lines_of
        else:
            self._hook = hook
        facts = RunFacts(pipeline="", run="") if run is None else run
        self._name = self.losses.name = facts.sink or self._kind
        if not self._options.state:
            return
        try:
            path = Path(folder, expanded(self._options.state, facts)).resolve()
        except SinkError as error:
            raise SourceError(str(error)) from error
        self._state = StateFile(path)
        begun = RunRecord(run=facts.run, pipeline=facts.pipeline, source=self._name, version=facts.version, time=_now())
        self._state.note([begun])

    def unfinished(self) -> list[str]:
        """Return the files that an earlier run had before it and has not done."""
        return self._state.book.unfinished()

    def knows(self, path: str, shape: tuple[int, int]) -> bool:
        """Whether a file was given, or was to be, just like this."""
        entry = self._state.book.entry(path)
        return entry is not None and (entry.size, entry.mtime_ns) == shape

    def expect(self, paths: Iterable[str]) -> None:
        """Write down that files wait, where that is not known yet."""
        found = []
        for path in paths:
            shape = _shape_of(path)
            if shape is not None and self._is_wanted(path, shape) and self._is_news(path, shape):
                found.append(FileRecord(path=path, state=FileState.WAITING, size=shape[0], mtime_ns=shape[1]))
        if found:
            self._state.note(found)

    def of(self, path: str) -> Iterator[list[Any]]:
        """Give the items of a file in lists, unless it is done already.

        Raises
        ------
        SourceError
            If it fails and that is to end the run, or the state file cannot be written.
        """
        try:
            path.encode()
        except UnicodeEncodeError:
            self.losses.add(f"{path!r}: its name is no text in UTF-8")
            return
        shape = _shape_of(path)
        if shape is None:
            self._fail(path, 0, _reason(path))
        elif self._is_wanted(path, shape) and self._given_in_run.get(path) != shape:
            self._given_in_run[path] = shape
            yield from self._read(path, shape)

    def _read(self, path: str, shape: tuple[int, int]) -> Iterator[list[Any]]:
        attempt = self._state.book.attempts(path, *shape) + 1
        before = self._given
        self._now = (path, 0, None)
        reading = FileRecord(
            path=path, state=FileState.READING, time=_now(), size=shape[0], mtime_ns=shape[1], attempt=attempt
        )
        try:
            checksum = self._checksum(path)
        except OSError as error:
            self._state.note([reading])
            self._fail(path, 0, f"{type(error).__name__}: {error}", error)
            return
        self._state.note([msgspec.structs.replace(reading, checksum=checksum)])
        try:
            found = opened_file(Path(path), self._hook)
            self._now = (path, 0, found.total)
            for items in self._named(found, path):
                # Counted before they are given: a mark may come late, and never early.
                self._given += len(items)
                self._now = (path, self._given - before, found.total)
                yield items
        except (Exception, SystemExit) as error:  # noqa: BLE001 - user code may raise anything
            self._fail(path, self._given - before, f"{type(error).__name__}: {error}", error)
            return
        finally:
            self._now = ("", 0, None)
        count = self._given - before
        self._state.note([FileRecord(path=path, state=FileState.READ, time=_now(), items=count)])
        self._marks.append((self._given, path))

    def _named(self, found: OpenedFile, path: str) -> Iterator[list[Any]]:
        key = self._options.name_as
        for items in _in_lists(found.items):
            if key:
                yield [{**item, key: path} if isinstance(item, Mapping) else item for item in items]
            else:
                yield items

    def _checksum(self, path: str) -> str:
        kind = self._options.checksum
        if not kind:
            return ""
        with Path(path).open("rb") as file:
            return f"{kind}:{file_digest(file, kind).hexdigest()}"

    def _fail(self, path: str, items: int, cause: str, error: BaseException | None = None) -> None:
        cause = cause.encode(errors="replace").decode()  # of user code, which may say what is no text
        cause = cause if len(cause) <= LONGEST_CAUSE else f"{cause[:LONGEST_CAUSE]}…"
        self._last_cause = f"{path}: {cause}"
        self._state.note([FileRecord(path=path, state=FileState.FAILED, time=_now(), items=items, cause=cause)])
        self.losses.add(self._last_cause)
        if self._options.bad_files == "fail":
            raise SourceError(self._last_cause) from error

    def _is_wanted(self, path: str, shape: tuple[int, int]) -> bool:
        return self._state.book.is_wanted(path, *shape, most_attempts=self._options.attempts)

    def _is_news(self, path: str, shape: tuple[int, int]) -> bool:
        entry = self._state.book.entry(path)
        is_begun = entry is not None and entry.state is not FileState.FAILED
        return self._given_in_run.get(path) != shape and not (is_begun and self.knows(path, shape))

    # From any thread

    def settled(self, count: int) -> None:
        """Write down which files are done, now that the first so many items have ended.

        Raises
        ------
        SourceError
            If that cannot be written.
        """
        done = []
        while self._marks and self._marks[0][0] <= count:
            done.append(self._marks.popleft()[1])
        if done:
            time = _now()
            self._state.note([FileRecord(path=path, state=FileState.DONE, time=time) for path in done])

    def report(self) -> FilesReport:
        """Return how far it is."""
        file, items, total = self._now
        counts = self._state.book.counts
        return FilesReport(
            name=self._name,
            **{state.value: counts.get(state, 0) for state in FileState},
            failed_in_run=self.losses.total,
            items=self._given,
            file=file,
            file_items=items,
            file_total=total,
            state_file=str(self._state.path or ""),
            cause=self._last_cause,
        )

    def leave(self) -> None:
        """Let go of the state file."""
        self._state.close()


def _in_lists(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Give what is there already in lists; what is still to come one by one, so that nothing is held back."""
    if isinstance(items, list | tuple):
        left = iter(items)
        while some := list(islice(left, AT_ONCE)):
            yield some
    else:
        for item in items:
            yield [item]


def _shape_of(path: str) -> tuple[int, int] | None:
    """Return size and time of change of a file; ``None`` if there is none."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - it may be any text
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


def _reason(path: str) -> str:
    try:
        os.stat(path)  # noqa: PTH116 - likewise
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return "it was gone for a while"


def _now() -> str:
    return Timestamp(clock.utc_ns()).isoformat()
