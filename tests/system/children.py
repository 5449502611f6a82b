"""What the children of the tests run: each says that it is there, and waits for an end."""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import msgspec

Fds = tuple[int, ...]


class Recipe(msgspec.Struct):
    """Arguments with types."""

    grams: int
    name: str = "salt"


def returns(arguments: dict[str, Any], fds: Fds) -> None:
    pass


def writes(arguments: dict[str, Any], fds: Fds) -> None:
    os.write(fds[0], json.dumps([len(arguments["text"]), arguments["number"], len(fds)]).encode())


def cooks(recipe: Recipe, fds: Fds) -> None:
    os.write(fds[0], f"{recipe.grams} g of {recipe.name}".encode())


def raises(arguments: dict[str, Any], fds: Fds) -> NoReturn:
    raise ValueError("the third crystal is broken")


def raises_at_length(arguments: dict[str, Any], fds: Fds) -> NoReturn:
    raise ValueError("é" * 200_000 + " and no end")


def exits(arguments: dict[str, Any], fds: Fds) -> None:
    sys.exit(arguments["code"])


def reads_null(arguments: dict[str, Any], fds: Fds) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def prints(arguments: dict[str, Any], fds: Fds) -> None:
    sys.stdout.write("one\n")
    sys.stderr.write("two\n")
    os.write(1, b"\xff three\nfour, without an end")


def waits(arguments: dict[str, Any], fds: Fds) -> None:
    """Say so, then wait until there is somebody to end it."""
    try:
        os.write(fds[0], b"r")
        while True:
            signal.pause()
    finally:
        os.write(fds[0], b"f")


def echoes(arguments: dict[str, Any], fds: Fds) -> None:
    """Send back what comes until nothing more does."""
    while data := os.read(fds[0], 100):
        os.write(fds[1], data)


def begets(arguments: dict[str, Any], fds: Fds) -> None:
    """Start a program that holds the descriptor too, then wait with it."""
    program = subprocess.Popen(["sh", "-c", f"echo r >&{fds[0]}; read never"], stdin=subprocess.PIPE, pass_fds=fds[:1])
    program.wait()


def begets_deaf(arguments: dict[str, Any], fds: Fds) -> None:
    """Report what the signals of a program that it starts are."""
    program = subprocess.run(["grep", "-E", "SigIgn|SigBlk", "/proc/self/status"], capture_output=True, check=True)
    os.write(fds[0], program.stdout)


def introduces_itself(arguments: dict[str, Any], fds: Fds) -> None:
    own = Path("/proc/self")
    held = {}
    for path in (own / "fd").iterdir():
        try:
            held[int(path.name)] = str(path.readlink())
        except FileNotFoundError:  # the one that the list itself was read with
            continue
    said = {
        "name": (own / "comm").read_text().strip(),
        "command": (own / "cmdline").read_bytes().rstrip(b"\0").decode(),
        "cpus": sorted(os.sched_getaffinity(0)),
        "blas": os.environ["OPENBLAS_NUM_THREADS"],
        "threads": threading.active_count() + len(list((own / "task").iterdir())),
        "warm": "numpy" in sys.modules,
        "path": os.environ.get("PYTHONPATH"),
        "own": sorted(name for name in os.environ if name.startswith("PENSTOCK")),
        "argv": sys.argv,
        "held": held,
        "fds": fds,
        "session": os.getsid(0),
        "read": sys.stdin.read(),
    }
    os.write(fds[0], json.dumps(said).encode())
