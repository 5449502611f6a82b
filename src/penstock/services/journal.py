"""The journal of a pipeline: what happened to it, one JSON object a line, in files that are rotated, or in memory.

Whoever tells it something never waits for a disk: a thread of its own writes, and what it cannot keep up with, or
cannot write, is counted and said.
"""

import logging
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from penstock.core.notice import Level
from penstock.core.timestamp import Timestamp
from penstock.errors import PenstockError

__all__ = ["Entry", "Journal", "JournalWish"]

MOST_IN_MEMORY: Final = 1_000
"""Entries of each kind that can be asked for."""
MOST_KINDS: Final = 64
MOST_WAITING: Final = 10_000
"""Entries that wait for the disk."""
MOST_BYTES: Final = 10_000_000
"""Of a file, before the next one is begun."""
OTHER: Final = "other"
"""Of kinds beyond so many."""
PATIENCE_S: Final = 2.0
"""How long a run that ends waits for a disk that hangs."""

Entry = dict[str, Any]
"""``time``, ``kind``, ``level``, ``source`` and whatever else there was to say."""
ROTATE: Final[Entry] = {}
"""Stands among the entries where a new file is to begin."""


class JournalWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries somebody wants to see."""

    after: int = 0
    """With numbers above this one."""
    kinds: list[str] = []
    """Of these kinds; empty: of all."""
    level: Literal["log", "info", "alarm"] = "log"
    """At least so grave."""
    text: str = ""
    """Stands somewhere in the entry, in capitals or not."""
    most: int = MOST_IN_MEMORY
    """No more than these, the last ones."""


class Journal:
    """What is told of one pipeline, run after run.

    Parameters
    ----------
    folder
        Where the files are; made if it is not there. Without one, what was told last is kept in memory only.
    name
        Of the pipeline: the file is ``NAME.jsonl``, and those before it ``NAME.jsonl.1`` and on.
    level
        What is less grave is not written; it is kept in memory all the same.
    keep
        How many full files are kept beside the one that is written.
    most_bytes
        How long a file may grow before the next one is begun; 0: as long as it wants.
    utc
        Nanoseconds since 1970 UTC.

    Raises
    ------
    PenstockError
        If the file cannot be opened.

    Examples
    --------
    >>> journal = Journal()
    >>> journal.tell("state", source="fit", state="waiting")
    >>> [(entry["kind"], entry["state"]) for entry in journal.recent("state")]
    [('state', 'waiting')]
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        name: str = "pipeline",
        level: Level = Level.INFO,
        keep: int = 10,
        most_bytes: int = MOST_BYTES,
        utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self._utc = utc
        self._rank = Level(level).rank
        self._recent: dict[str, deque[tuple[int, Entry]]] = {}
        self._all: deque[Entry] = deque(maxlen=MOST_IN_MEMORY)
        self.told = 0
        """How many entries there were; each has the number that it made of this."""
        self._writer: _Writer | None = None
        self.path: Path | None = None
        """The file that is written; ``None`` without one."""
        if folder is not None:
            self.path = Path(folder) / f"{name}.jsonl"
            self._writer = _Writer(self.path, keep, most_bytes)

    @property
    def lost(self) -> int:
        """How many entries could not be written."""
        return 0 if self._writer is None else self._writer.lost

    @property
    def trouble(self) -> str:
        """Why not, the last time."""
        return "" if self._writer is None else self._writer.trouble

    def tell(
        self, kind: str, *, level: str = "info", source: str = "", time_ns: int | None = None, **fields: Any
    ) -> None:
        """Note that something happened; it never waits and never raises for what is told.

        Parameters
        ----------
        kind
            ``run``, ``state``, ``command``, ``notice``, ``death``, or another word.
        level
            ``log``, ``info`` or ``alarm``.
        source
            What it is about, or who says it.
        time_ns
            When it happened, nanoseconds since 1970 UTC; by default now.
        **fields
            What JSON can hold; all else is written as text.
        """
        when = Timestamp(self._utc() if time_ns is None else time_ns).isoformat()
        entry: Entry = {"time": when, "kind": kind, "level": str(level), "source": source, **fields}
        self._all.append(entry)
        self.told += 1
        name = kind if kind in self._recent or len(self._recent) < MOST_KINDS else OTHER
        self._recent.setdefault(name, deque(maxlen=MOST_IN_MEMORY)).append((self.told, entry))
        if self._writer is not None and Level(level).rank >= self._rank:
            self._writer.put(entry)

    def recent(self, kind: str = "", n: int = MOST_IN_MEMORY) -> list[Entry]:
        """Return the last ``n`` entries, the newest last; of one kind, or of all."""
        found = [entry for _, entry in self._recent.get(kind, ())] if kind else list(self._all)
        return found[-n:] if n > 0 else []

    def search(self, wish: "JournalWish") -> list[Entry]:
        """Return the last entries that are wanted, the newest last, each with its ``number``.

        A flood of one kind pushes none of another out.

        Examples
        --------
        >>> journal = Journal()
        >>> journal.tell("notice", level="alarm", source="fit-0", text="Pedestal drifts")
        >>> [entry["number"] for entry in journal.search(JournalWish(text="pedestal"))]
        [1]
        >>> journal.search(JournalWish(after=1))
        []
        """
        rank, text = Level(wish.level).rank, wish.text.casefold()
        found = [
            (number, entry)
            for kind in (wish.kinds or self._recent)
            for number, entry in self._recent.get(kind, ())
            if number > wish.after and Level(entry["level"]).rank >= rank and _stands_in(text, entry)
        ]
        found.sort(key=lambda each: each[0])
        return [{"number": number, **entry} for number, entry in (found[-wish.most :] if wish.most > 0 else [])]

    def rotate(self) -> None:
        """Begin a new file, soon; nothing without files."""
        if self._writer is not None:
            self._writer.put(ROTATE)

    def close(self) -> None:
        """Write what is left, and close the file; may be called again. What was told last can still be asked for."""
        if self._writer is not None:
            self._writer.close()


def _stands_in(text: str, entry: Entry) -> bool:
    return not text or any(text in str(value).casefold() for value in entry.values())


class _Writer:
    """A file, the thread that writes it, and what waits for it."""

    def __init__(self, path: Path, keep: int, most_bytes: int) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _File(path, maxBytes=most_bytes, backupCount=keep, encoding="utf-8")
        except OSError as error:
            raise PenstockError(
                f"logs: {path} cannot be written: {error.strerror or error}; name a folder that may be"
            ) from error
        self._waiting: queue.Queue[Entry | None] = queue.Queue(MOST_WAITING)
        self._without_room = 0
        self._is_open = True
        self._thread = threading.Thread(target=self._write, name="penstock journal", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        return self._without_room + self._file.lost

    @property
    def trouble(self) -> str:
        if self._file.trouble or not self._without_room:
            return self._file.trouble
        return f"{self._path}: the disk did not keep up"

    def put(self, entry: Entry) -> None:
        try:
            if self._is_open:
                self._waiting.put_nowait(entry)
        except queue.Full:
            self._without_room += 1

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with suppress(queue.Full):  # a disk that hangs: the thread ends with the program
            self._waiting.put(None, timeout=PATIENCE_S)
        self._thread.join(PATIENCE_S)

    def _write(self) -> None:
        while (entry := self._waiting.get()) is not None:
            if entry is ROTATE:
                self._file.begin_anew()
            else:
                record = logging.LogRecord("penstock", logging.INFO, "", 0, "", None, None)
                record.__dict__["entry"] = entry
                self._file.emit(record)
        try:
            self._file.close()
        except OSError as error:  # of what is left in its buffer
            self._file.trouble = f"{self._path} cannot be written: {error}"


class _File(RotatingFileHandler):
    """One JSON object a line; what cannot be written is counted."""

    terminator = ""

    def __init__(self, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self.lost = 0
        self.trouble = ""

    def format(self, record: logging.LogRecord) -> str:
        return msgspec.json.encode(record.__dict__["entry"], enc_hook=str).decode() + "\n"

    def begin_anew(self) -> None:
        try:
            self.doRollover()
        except OSError as error:
            self.trouble = f"{self.baseFilename} could not be rotated: {error.strerror or error}"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        self.lost += 1
        self.trouble = f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}"
