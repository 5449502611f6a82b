"""What is known of each file that is opened into items: which are to be given, and how far it is with the others.

Pure: records come in, from now or from a state file; it reads no file and knows no clock.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

__all__ = ["FileBook", "FileEntry", "FileRecord", "FileState", "RunRecord"]


class FileState(StrEnum):
    """How far it is with a file."""

    WAITING = "waiting"
    """It is to be read."""
    READING = "reading"
    """Its items are being given."""
    READ = "read"
    """All its items were given; not all that came of them has ended."""
    DONE = "done"
    """All that came of it is accounted for, and written."""
    FAILED = "failed"
    """It could not be opened, or broke off; what it gave before stays given."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="run"):
    """A run has begun; the records behind it are its."""

    run: str
    pipeline: str = ""
    source: str = ""
    """The source or step that opens the files."""
    version: str = ""
    """Of penstock."""
    time: str = ""
    """ISO 8601, UTC."""


class FileRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="file"):
    """Something has happened to a file."""

    path: str
    """Its whole path."""
    state: FileState
    time: str = ""
    """When, ISO 8601, UTC."""
    size: int = -1
    """Bytes; −1 where nothing is said of it."""
    mtime_ns: int = 0
    checksum: str = ""
    """As ``sha256:…``."""
    attempt: int = 0
    """Which one this is, from 1, where it is begun."""
    items: int = -1
    """How many it has given; −1 where nothing is said of it."""
    cause: str = ""
    """Why it failed."""


@dataclass(slots=True)
class FileEntry:
    """What is known of one file, as it was when it was seen last."""

    path: str
    state: FileState = FileState.WAITING
    size: int = -1
    mtime_ns: int = 0
    checksum: str = ""
    began: str = ""
    """When its last reading began, ISO 8601, UTC."""
    ended: str = ""
    """When it was done, or failed."""
    items: int = 0
    """How many the last reading has given, where that is known."""
    attempts: int = 0
    """How often it was begun in this shape."""
    cause: str = ""
    run: str = ""
    """In which run it was begun last."""


_EMPTY: Final = FileEntry("")


class FileBook:
    """All files of one state file.

    Records may be repeated, and some may be lacking, as after a crash: whatever is lacking, a file is taken to be done
    only if a record says so.

    >>> book = FileBook()
    >>> book.apply(FileRecord(path="/a", state=FileState.READING, size=3, mtime_ns=7, attempt=1))
    >>> book.apply(FileRecord(path="/a", state=FileState.DONE))
    >>> book.is_wanted("/a", 3, 7), book.is_wanted("/a", 4, 8), book.is_wanted("/b", 1, 1)
    (False, True, True)
    """

    def __init__(self, records: Iterable[FileRecord | RunRecord] = ()) -> None:
        self._entries: dict[str, FileEntry] = {}
        self._counts: Counter[FileState] = Counter()
        self.runs: list[RunRecord] = []
        """All that have worked with it, in their order."""
        for record in records:
            self.apply(record)

    def __iter__(self) -> Iterator[FileEntry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def counts(self) -> Mapping[FileState, int]:
        """How many files are in each state."""
        return self._counts

    def entry(self, path: str) -> FileEntry | None:
        """Return what is known of a file."""
        return self._entries.get(path)

    def apply(self, record: FileRecord | RunRecord) -> None:
        """Take note of what has happened."""
        if isinstance(record, RunRecord):
            self.runs.append(record)
            return
        entry = self._entries.get(record.path)
        if entry is None:
            entry = self._entries[record.path] = FileEntry(record.path)
            self._counts[entry.state] += 1
        if record.size >= 0 and (record.size, record.mtime_ns) != (entry.size, entry.mtime_ns):
            entry.size, entry.mtime_ns, entry.attempts = record.size, record.mtime_ns, 0
            entry.checksum = entry.began = entry.ended = entry.cause = ""
            entry.items = 0
        self._counts[entry.state] -= 1
        entry.state = record.state
        self._counts[entry.state] += 1
        if record.checksum:
            entry.checksum = record.checksum
        if record.items >= 0:
            entry.items = record.items
        self._date(entry, record)

    def _date(self, entry: FileEntry, record: FileRecord) -> None:
        if record.state is FileState.READING:
            entry.began, entry.ended, entry.cause, entry.items = record.time, "", "", 0
            entry.attempts = max(record.attempt, 1)
            entry.run = self.runs[-1].run if self.runs else ""
        elif record.state in (FileState.DONE, FileState.FAILED):
            entry.ended, entry.cause = record.time, record.cause

    def is_wanted(self, path: str, size: int, mtime_ns: int, *, most_attempts: int = 1) -> bool:
        """Return whether a file is to be given: unless it is done, or has failed often enough, in this shape.

        Parameters
        ----------
        size, mtime_ns
            As it is now; one that has changed is another file.
        most_attempts
            How often one that fails is tried.
        """
        entry = self._entries.get(path)
        if entry is None or (entry.size, entry.mtime_ns) != (size, mtime_ns):
            return True
        if entry.state is FileState.FAILED:
            return entry.attempts < most_attempts
        return entry.state is not FileState.DONE

    def attempts(self, path: str, size: int, mtime_ns: int) -> int:
        """Return how often a file was begun as it is now."""
        entry = self._entries.get(path, _EMPTY)
        return entry.attempts if (entry.size, entry.mtime_ns) == (size, mtime_ns) else 0

    def unfinished(self) -> list[str]:
        """Return the files that wait, were begun, or were read and are not done, in the order in which they came."""
        over = (FileState.DONE, FileState.FAILED)
        return [path for path, entry in self._entries.items() if entry.state not in over]
