"""The process of an external program: started without a shell, told apart by how it ended, and killed as a whole."""

import os
import signal
import subprocess
import sys
from typing import Final

__all__ = ["TOLD", "end_of", "kill_program", "start_program"]

TOLD: Final = 2000
"""So many bytes of what a program says of its failure are told."""

_WITH_PARENT: Final = """
import ctypes, os, sys
parent, path, *words = sys.argv[1:]
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(parent):
    os._exit(1)
try:
    os.execv(path, words)
except OSError as error:
    print("cannot be started:", error.strerror, file=sys.stderr, flush=True)
    os._exit(126)
"""
"""Asks the kernel to be killed with who started it (PR_SET_PDEATHSIG is 1, include/uapi/linux/prctl.h), and becomes the
program. Asked between fork and exec in our own process, it would be Python run by a copy of one thread of many."""


def start_program(
    path: str,
    arguments: list[str],
    folder: str,
    *,
    has_stdin: bool = True,
    has_stdout: bool = True,
    ends_with_us: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start a program with pipes, in a session of its own: Ctrl-C in the terminal is not for it.

    Parameters
    ----------
    path, arguments
        What is executed, and its arguments, with the name that it is called by as the first.
    folder
        Where it runs.
    has_stdin, has_stdout
        Whether it has a pipe there; else there is nothing to read, and what it writes is thrown away. Its standard
        error always is a pipe.
    ends_with_us
        Whether the kernel kills it when the thread dies that has started it. It costs some 20 ms.

    Raises
    ------
    OSError, ValueError
        If it cannot be started.
    """
    if ends_with_us and sys.executable:
        words = [sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(os.getpid()), path, *arguments]
        path, arguments = sys.executable, words
    return subprocess.Popen(
        arguments,
        executable=path,
        stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE if has_stdout else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        bufsize=0,
        start_new_session=True,  # killed as a whole
    )


def kill_program(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program that was not waited for, and all of its session that it has not let go."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_of(code: int) -> str:
    """Say how a program ended, by what its process returned.

    >>> end_of(3), end_of(-9)
    ('ended with code 3', 'was killed by SIGKILL')
    """
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
