"""One call of an external program: started, fed, listened to, and ended in time. It involves no shell."""

import os
import selectors
import signal
import subprocess
import threading
import time
from typing import Any, Final

from penstock.errors import ProcessError

__all__ = ["ProgramCall"]

LARGEST_OUTPUT_MB: Final = 64
_TOLD: Final = 2000
"""So many bytes of what a program says of its failure are told."""
_CHUNK: Final = 65536
_IN_A_PIPE: Final = 32
"""So many chunks may lie in a pipe, and some, when the program has ended."""


class ProgramCall:
    """One call of a program."""

    def __init__(
        self, path: str, arguments: list[str], stdin: bytes, folder: str, timeout_s: float, wants_output: bool
    ) -> None:
        self._path = path
        self._arguments = arguments
        self._stdin = stdin
        self._folder = folder
        self._timeout_s = timeout_s
        self._wants_output = wants_output
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_killed = False
        self._output = bytearray()
        self._errors = bytearray()

    def run(self) -> bytes:
        """Start it, wait until it has ended, and return what it wrote to its standard output, if that is wanted.

        What it has started and left running is left running, unless it is killed.

        Raises
        ------
        ProcessError
            If it cannot be started, does not end in time, writes too much, or ends with another code than 0.
        """
        end_s = time.monotonic() + self._timeout_s  # real time: a program knows nothing of the pipeline's clock
        process = self._started()
        try:
            self._talk(process, end_s)
        finally:
            with self._lock:  # from here on its number may be another's
                if process.poll() is None:
                    _kill(process)
                self._process = None
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if process.returncode:
            raise self._failure(_said(process.returncode))
        return bytes(self._output)

    def kill(self) -> None:
        """End it, from any thread, and whatever it has started; `run` then raises."""
        with self._lock:
            self._is_killed = True
            if self._process is not None:
                _kill(self._process)

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._is_killed:
                raise self._failure("was not wanted any more")
            try:
                self._process = subprocess.Popen(
                    self._arguments,
                    executable=self._path,
                    stdin=subprocess.PIPE if self._stdin else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if self._wants_output else subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    cwd=self._folder,
                    bufsize=0,
                    start_new_session=True,  # killed as a whole; Ctrl-C in the terminal is not for it
                )
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise self._failure(f"cannot be started: {why}") from error
            return self._process

    def _talk(self, process: "subprocess.Popen[bytes]", end_s: float) -> None:
        """Write and read until it has ended; who holds its pipes after that is not waited for."""
        has_ended = os.pidfd_open(process.pid)
        unwritten = memoryview(self._stdin)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(has_ended, selectors.EVENT_READ)
                for pipe, way in (
                    (process.stdin, selectors.EVENT_WRITE),
                    (process.stdout, selectors.EVENT_READ),
                    (process.stderr, selectors.EVENT_READ),
                ):
                    if pipe is not None:
                        os.set_blocking(pipe.fileno(), False)
                        selector.register(pipe, way)
                is_over = False
                while not is_over:
                    ready = selector.select(end_s - time.monotonic())
                    is_over = any(key.fileobj == has_ended for key, _ in ready)
                    if not is_over and time.monotonic() >= end_s:
                        raise self._failure(f"has not ended within {self._timeout_s:g} s, and was killed")
                    for key, _ in ready:
                        if key.fileobj is process.stdin:
                            unwritten = self._write(selector, process, unwritten)
                    for pipe, kept in ((process.stdout, self._output), (process.stderr, self._errors)):
                        if pipe is not None and not pipe.closed:
                            self._read(selector, pipe, kept, _IN_A_PIPE if is_over else 1)
        finally:
            os.close(has_ended)

    def _write(self, selector: Any, process: "subprocess.Popen[bytes]", unwritten: memoryview) -> memoryview:
        assert process.stdin is not None
        try:
            unwritten = unwritten[os.write(process.stdin.fileno(), unwritten[:_CHUNK]) :]
        except BrokenPipeError:  # it does not want the rest
            unwritten = unwritten[:0]
        if not unwritten:
            selector.unregister(process.stdin)
            process.stdin.close()
        return unwritten

    def _read(self, selector: Any, pipe: Any, kept: bytearray, times: int) -> None:
        for _ in range(times):
            try:
                chunk = os.read(pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                selector.unregister(pipe)
                pipe.close()
                return
            kept += chunk
            if kept is self._errors:
                del kept[:-_TOLD]
            elif len(kept) > LARGEST_OUTPUT_MB * 1_000_000:
                raise self._failure(f"wrote more than {LARGEST_OUTPUT_MB} MB, and was killed")

    def _failure(self, why: str) -> ProcessError:
        said = self._errors.decode(errors="backslashreplace").strip()
        return ProcessError(f"{self._arguments[0]} {why}{f': {said}' if said else ''}")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program that was not waited for, and all of its session that it has not let go."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _said(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
