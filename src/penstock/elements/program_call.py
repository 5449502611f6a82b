"""One call of an external program: started, fed, listened to, and ended in time. It involves no shell."""

import os
import selectors
import subprocess
import threading
import time
from typing import Any, Final

from penstock.elements.program_process import TOLD, end_of, kill_program, start_program
from penstock.errors import ProcessError

__all__ = ["ProgramCall"]

LARGEST_OUTPUT_MB: Final = 64
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
                    kill_program(process)
                self._process = None
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        if process.returncode:
            raise self._failure(end_of(process.returncode))
        return bytes(self._output)

    def kill(self) -> None:
        """End it, from any thread, and whatever it has started; `run` then raises."""
        with self._lock:
            self._is_killed = True
            if self._process is not None:
                kill_program(self._process)

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._is_killed:
                raise self._failure("was not wanted any more")
            try:
                self._process = start_program(
                    self._path,
                    self._arguments,
                    self._folder,
                    has_stdin=bool(self._stdin),
                    has_stdout=self._wants_output,
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
                del kept[:-TOLD]
            elif len(kept) > LARGEST_OUTPUT_MB * 1_000_000:
                raise self._failure(f"wrote more than {LARGEST_OUTPUT_MB} MB, and was killed")

    def _failure(self, why: str) -> ProcessError:
        said = self._errors.decode(errors="backslashreplace").strip()
        return ProcessError(f"{self._arguments[0]} {why}{f': {said}' if said else ''}")
