"""A supervisor of its own, for tests that kill it: ``python -m tests.system.supervised CASE``.

Everybody it starts holds its standard output, so that the end of that is the end of them all.
"""

import os
import signal
import sys

from penstock.services.processes import Processes
from tests.system.children import __name__ as children


def main(case: str) -> None:
    with Processes(preload=("msgspec",)) as processes:
        if case == "asked":
            _be_interrupted(processes)
            return
        for number in range(3):
            processes.start(f"waiting {number}", f"{children}:waits", {}, [1])
        processes.start("parent", f"{children}:begets", {}, [1])
        if case == "stopped":
            assert processes.warm_pid is not None
            os.kill(processes.warm_pid, signal.SIGSTOP)
        if case == "copied" and (copy := os.fork()):
            os.write(1, f"<{copy}>".encode())
        elif case == "copied":
            _hold_everything_but_output()
        os.write(1, b"!")
        while True:
            processes.poll(-1)


def _hold_everything_but_output() -> None:
    os.close(1)
    os.close(2)
    while True:
        signal.pause()


def _be_interrupted(processes: Processes) -> None:
    (to_read, write), (read, to_write) = os.pipe(), os.pipe()
    processes.start("echo", f"{children}:echoes", {}, [to_read, to_write])
    os.write(write, b"before")
    assert os.read(read, 100) == b"before"
    try:
        os.write(1, b"!")
        processes.poll(-1)
    except KeyboardInterrupt:
        os.write(write, b"after")
        os.write(1, b"the child said " + os.read(read, 100))


if __name__ == "__main__":
    main(sys.argv[1])
