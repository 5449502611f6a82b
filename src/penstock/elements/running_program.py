"""An external program that stays: told and asked over its standard streams, in frames, and given up after a time."""

import fcntl
import os
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from penstock.elements.program_process import TOLD, end_of, kill_program, start_program
from penstock.errors import ProcessError, RemoteProtocolError
from penstock.wire.program_frames import Frame, FrameReader

__all__ = ["RunningProgram"]

_PIPE: Final = 2**20
"""Bytes that a pipe holds, if the system allows it: /proc/sys/fs/pipe-max-size is that much for everybody."""
_MOST_PARTS: Final = 64
_LAST_WORDS_S: Final = 1.0
"""How long one that has closed its output may take to end, so that it can be said how it did."""


class RunningProgram:
    """One process of a program, from its start to its end. It is of no use any more once something has failed.

    Use it in one thread. What it says on its standard error is told line by line.

    Parameters
    ----------
    path, arguments, folder
        As of `start_program`.
    on_line
        Called with each line of its standard error.

    Raises
    ------
    ProcessError
        If it cannot be started.
    """

    def __init__(self, path: str, arguments: list[str], folder: str, on_line: Callable[[str], None]) -> None:
        self.name = arguments[0]
        self.answered = 0
        """How many frames it has answered."""
        self._on_line = on_line
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()
        self._errors = bytearray()
        self._line = bytearray()
        try:
            self._process = start_program(path, arguments, folder, ends_with_us=True)
        except (OSError, ValueError) as error:
            raise ProcessError(f"{self.name} cannot be started: {getattr(error, 'strerror', None) or error}") from error
        self._selector = selectors.DefaultSelector()
        self._stdin, self._stdout, self._stderr = _pipes_of(self._process)
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
            with suppress(OSError):  # a matter of speed only
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def trouble(self) -> str:
        """Return why it must not be asked any more: it has ended by itself, or said something unasked; else nothing."""
        try:
            self._take(0)
        except ProcessError as error:
            return str(error)
        if self._frames or self._reader.has_begun:
            return self._with_errors("said something that it was not asked")
        return "" if self._process.poll() is None else self._with_errors(end_of(self._process.returncode))

    def tell(self, parts: Iterable[memoryview], timeout_s: float) -> None:
        """Write a frame that asks for no answer, and return when all of it is written.

        Raises
        ------
        ProcessError
            If it has ended, or does not read it in time.
        """
        self._write(parts, time.monotonic() + timeout_s, timeout_s)

    def ask(self, parts: Iterable[memoryview], timeout_s: float) -> Frame:
        """Write a frame, and return the one that comes back.

        Raises
        ------
        ProcessError
            If it ends, does not answer in time, or answers what is no frame.
        """
        end_s = time.monotonic() + timeout_s  # real time: a program knows nothing of the pipeline's clock
        self._write(parts, end_s, timeout_s)
        while not self._frames:
            self._wait(end_s, timeout_s)
        self.answered += 1
        return self._frames.popleft()

    def close(self, timeout_s: float) -> str:
        """Close its standard input, wait for its end, and kill what is left of it; return what went wrong, if anything.

        What it still says on its standard output is thrown away.
        """
        end_s = time.monotonic() + timeout_s
        has_ended = os.pidfd_open(self._process.pid) if self._process.poll() is None else None
        self._close_stdin()
        trouble = ""
        try:
            if has_ended is not None:
                self._selector.register(has_ended, selectors.EVENT_READ)
                self._hear_out(has_ended, end_s)
                if self._process.poll() is None:
                    trouble = (
                        f"has not ended within {timeout_s:g} s after its standard input was closed, and was killed"
                    )
            code = self._process.poll()
            while code is not None and self._read_errors():
                pass  # its last words
            return self._with_errors(trouble or end_of(code or 0)) if trouble or code else ""
        finally:
            if has_ended is not None:
                os.close(has_ended)
            self.kill()

    def kill(self) -> None:
        """End it, and whatever it has started and not let go. It may be called again."""
        if self._process.returncode is None and self._process.poll() is None:
            kill_program(self._process)
            self._process.wait()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._tell_rest()

    def _write(self, parts: Iterable[memoryview], end_s: float, timeout_s: float) -> None:
        unwritten = deque(part for part in parts if part.nbytes)
        is_waiting = False
        try:
            while unwritten:
                try:
                    written = os.writev(self._stdin, [unwritten[k] for k in range(min(len(unwritten), _MOST_PARTS))])
                except BlockingIOError:
                    written = 0
                except BrokenPipeError:
                    raise self._ended("closed its standard input") from None
                _drop(unwritten, written)
                if unwritten and not written:
                    if not is_waiting:
                        self._selector.register(self._stdin, selectors.EVENT_WRITE)
                        is_waiting = True
                    self._wait(end_s, timeout_s)
        finally:
            if is_waiting:
                self._selector.unregister(self._stdin)

    def _wait(self, end_s: float, timeout_s: float) -> None:
        """Wait until there is something to read, or room to write."""
        if not self._take(end_s - time.monotonic()) and time.monotonic() >= end_s:
            hint = "" if self.answered else "; does it flush its standard output?"
            raise ProcessError(self._with_errors(f"has not answered within {timeout_s:g} s, and was killed{hint}"))

    def _take(self, wait_s: float) -> bool:
        """Read what there is; return whether there was anything, or there is room to write."""
        ready = self._selector.select(max(0.0, wait_s))
        is_over = False
        for key, _ in ready:
            if key.fd == self._stderr:
                self._read_errors()
            elif key.fd == self._stdout:
                is_over = self._read_answers()
        if is_over:
            raise self._ended("closed its standard output")
        return bool(ready)

    def _read_answers(self) -> bool:
        """Read once; return whether there will be no more."""
        try:
            data = os.read(self._stdout, _PIPE)
        except BlockingIOError:
            return False
        try:
            self._frames.extend(self._reader.feed(data))
        except RemoteProtocolError as error:
            text = f"wrote to its standard output what is no answer: {error}; what is for people goes to standard error"
            raise ProcessError(self._with_errors(text)) from error
        return not data

    def _read_errors(self) -> bool:
        """Read once, and tell the lines; return whether there was anything."""
        try:
            data = os.read(self._stderr, _PIPE)
        except BlockingIOError:
            return False
        if not data:
            with suppress(KeyError):
                self._selector.unregister(self._stderr)
            return False
        self._errors += data
        del self._errors[:-TOLD]
        *lines, rest = (self._line + data).split(b"\n")
        for line in lines:
            self._say(line)
        self._line = bytearray(rest[-TOLD:])
        return True

    def _hear_out(self, has_ended: int, end_s: float) -> None:
        """Read, so that it is not held up, until it has ended or its time is over."""
        while (wait_s := end_s - time.monotonic()) > 0:
            for key, _ in self._selector.select(wait_s):
                if key.fd == has_ended:
                    return
                if key.fd == self._stderr:
                    self._read_errors()
                elif key.fd == self._stdout and not _swallow(self._stdout):
                    self._selector.unregister(self._stdout)

    def _ended(self, otherwise: str) -> ProcessError:
        """Return how it ended, if it does so soon, and what it said of it; else what it has done instead."""
        try:
            code = self._process.wait(_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            return ProcessError(self._with_errors(f"{otherwise}, and was killed"))
        return ProcessError(self._with_errors(end_of(code)))

    def _with_errors(self, why: str) -> str:
        with suppress(OSError, ValueError):
            while self._process.poll() is not None and (data := os.read(self._stderr, _PIPE)):
                self._errors += data
                del self._errors[:-TOLD]
        said = self._errors.decode(errors="backslashreplace").strip()
        return f"{self.name} {why}{f': {said}' if said else ''}"

    def _tell_rest(self) -> None:
        if self._line:
            self._say(self._line)
            self._line = bytearray()

    def _say(self, line: bytes | bytearray) -> None:
        if text := line.decode(errors="backslashreplace").rstrip():
            self._on_line(text)

    def _close_stdin(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


def _pipes_of(process: "subprocess.Popen[bytes]") -> tuple[int, int, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdin.fileno(), process.stdout.fileno(), process.stderr.fileno()


def _drop(parts: deque[memoryview], nbytes: int) -> None:
    """Leave out so many bytes at the beginning."""
    while nbytes and parts:
        first = parts.popleft()
        if nbytes < first.nbytes:
            parts.appendleft(first[nbytes:])
        nbytes -= min(nbytes, first.nbytes)


def _swallow(pipe: int) -> bool:
    """Throw away what is there; return whether there may be more."""
    with suppress(BlockingIOError):
        return bool(os.read(pipe, _PIPE))
    return True
