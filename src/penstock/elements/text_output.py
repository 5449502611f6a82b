"""The growing text file of one output: whole records, one behind the other, which can be read while it grows.

It does not know what the records mean. A record that could not be written whole is not there at all.
"""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, Literal

from penstock.elements.output_file import expanded, numbered, reason_of
from penstock.elements.sink import RunFacts
from penstock.errors import SinkError

__all__ = ["ExistingText", "TextOutput"]

ExistingText = Literal["next", "refuse", "replace", "append"]
"""What becomes of a file that is there already: as of `output_file.Existing`, or write on."""
_HELD: Final = 65536
"""So many bytes are held back at most."""


class TextOutput:
    """One output's file; opened when it is made.

    Parameters
    ----------
    template
        A path with ``{run}``, ``{name}`` and ``{sink}``; relative to the pipeline's folder.
    run
        What fills the template.
    existing
        See `ExistingText`. What a run left that goes on now, under its own name, is written anew.
    flush_s
        How long a record may be held back, in s; 0: each is written at once.

    Raises
    ------
    SinkError
        If it cannot be written, or is there and may not, or somebody else writes it.
    """

    def __init__(self, template: str, run: RunFacts, existing: ExistingText, flush_s: float = 0.0) -> None:
        wanted = Path(run.folder) / expanded(template, run)
        is_own = run.goes_on and "{run}" in template
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            self.path, self._file = _opened(wanted, "replace" if is_own else existing)
        except OSError as error:
            raise SinkError(f"{wanted}: cannot be written: {reason_of(error)}; name a file you may write to") from error
        self._lock = threading.Lock()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._trouble: SinkError | None = None
        self._is_over = threading.Event()
        self._flusher: threading.Thread | None = None
        self._begin(flush_s)

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in it yet."""
        return not self._is_regular or not self._size

    def first_line(self) -> bytes:
        """Return what stands in the first line of the file, without its end."""
        with self.path.open("rb") as file:
            return file.readline().rstrip(b"\r\n")

    def write(self, record: bytes) -> None:
        """Write a record, which ends with a line end, or hold it back for a while.

        Raises
        ------
        SinkError
            If it could not be written, or another before that was held back. Records before it are whole.
        """
        with self._lock:
            if self._trouble is not None:
                trouble, self._trouble = self._trouble, None
                raise trouble
            if self._flusher is None:
                self._write([record])
                return
            self._held.append(record)
            self._held_bytes += len(record)
            if self._held_bytes > _HELD:
                self._flush()

    def is_written(self) -> bool:
        """Write what was held back; return whether nothing is left that a kill of this process would take."""
        with self._lock:
            try:
                self._flush()
            except SinkError as error:
                self._trouble = error
        return self._trouble is None and not self._held

    def close(self) -> None:
        """Write what was held back, and give the file to the disk.

        Raises
        ------
        SinkError
            If that is not possible.
        """
        self._is_over.set()
        if self._flusher is not None:
            self._flusher.join()
        try:
            with self._lock:
                self._flush()
            if self._is_regular:
                os.fsync(self._file)
        except OSError as error:
            raise self._failure(error, 0) from error
        finally:
            os.close(self._file)

    def _begin(self, flush_s: float) -> None:
        facts = os.fstat(self._file)
        self._is_regular, self._size = stat.S_ISREG(facts.st_mode), facts.st_size
        try:
            if self._is_regular and self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
                self._write([b"\n"])  # whoever wrote before was cut off; what comes must not run together with it
        except BaseException:
            os.close(self._file)
            raise
        if flush_s:
            self._flusher = threading.Thread(
                target=self._flush_now_and_then, args=(flush_s,), name=f"flush {self.path.name}", daemon=True
            )
            self._flusher.start()

    def _flush_now_and_then(self, flush_s: float) -> None:
        # In real time, whatever the pipeline's clock says: it is about what others see in the file.
        while not self._is_over.wait(flush_s):
            with self._lock:
                try:
                    self._flush()
                except SinkError as error:
                    self._trouble = error

    def _flush(self) -> None:
        if self._held:
            held, self._held, self._held_bytes = self._held, [], 0
            self._write(held)

    def _write(self, records: Sequence[bytes]) -> None:
        data = memoryview(b"".join(records))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            ends = [0, *accumulate(map(len, records))]
            whole = max(at for at, end in enumerate(ends) if end <= written)
            if self._flusher is not None:
                self._held = [*records[whole:], *self._held]  # at the end there may be room
            self._cut(self._size + ends[whole])
            raise self._failure(error, len(records) - whole) from error
        self._size += len(data)

    def _cut(self, size: int) -> None:
        """Take back what is there of a record that is not whole."""
        self._size = size
        if self._is_regular:
            os.ftruncate(self._file, size)

    def _failure(self, error: OSError, n: int) -> SinkError:
        what = f"{n} records not written" if n > 1 else "not written"
        rest = f"; what was written before stays in {self.path.name}" if self._is_regular and self._size else ""
        return SinkError(f"{self.path}: {what}: {reason_of(error)}{rest}")


def _opened(wanted: Path, existing: str) -> tuple[Path, int]:
    if wanted.is_dir():
        raise SinkError(f"{wanted} is a folder; name a file")
    if existing == "refuse" and wanted.exists():
        raise SinkError(f"{wanted} exists; move it, put {{run}} in its name, or say existing: next, replace or append")
    if existing in ("append", "replace"):
        return wanted, _claimed(wanted, os.O_CREAT, is_emptied=existing == "replace")
    for path in numbered(wanted):
        try:
            return path, _claimed(path, os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            if existing == "refuse":
                raise SinkError(f"{path} exists: another run has just made it; put {{run}} in its name") from None
    raise SinkError(f"{wanted}: too many files of this name; put {{run}} in its name")  # pragma: no cover


def _claimed(path: Path, how: int, *, is_emptied: bool = False) -> int:
    # Without a wait, which would not end while nobody reads a pipe.
    how |= os.O_WRONLY if path.is_fifo() else os.O_RDWR
    file = os.open(path, how | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    os.set_blocking(file, True)
    try:
        if stat.S_ISREG(os.fstat(file).st_mode):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_emptied:
                os.ftruncate(file, 0)
    except OSError as error:
        os.close(file)
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise SinkError(f"{path}: another run writes it; put {{run}} in its name") from error
        raise
    return file
