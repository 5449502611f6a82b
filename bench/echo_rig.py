"""``penstock run`` between a bare sender and a bare receiver: what comes by ZeroMQ goes through two processes and out.

The pipeline is started as users start it, from a file, so that a Ctrl-C and a command end it as they end theirs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.children import Child, children
from bench.local_run import ROOT, RunError
from penstock.core.command import Command
from penstock.pipeline import Pipeline, Sink, Source, Steps
from penstock.services.control_call import call

__all__ = ["ENCODINGS", "WORKERS", "Echo", "give_back", "running"]

LOCAL = "tcp://127.0.0.1:0"
WORKERS = 2
ENCODINGS = {100: "text", 100_000: "bytes"}
"""How items are written, by their size in bytes: strings, and binary."""
STOPPED = 130
PATIENCE_S = 30.0


def give_back(item: Any) -> Any:
    """Do nothing."""
    return item


class Echo:
    """A pipeline that runs, and what is at its ends."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]", receiver: Child, sender: Child) -> None:
        self._folder = folder
        self._process = process
        self.receiver = receiver
        self.sender = sender

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self._process.pid

    def wait_until_there(self) -> None:
        """Wait until it takes commands."""
        deadline = time.monotonic() + PATIENCE_S
        while not (self._folder / "control").exists():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RunError(f"the pipeline did not begin: {self._last_words()}")
            time.sleep(0.02)

    def end_s(self, by: str = "SIGINT") -> float:
        """End it, and return how long that takes, in s.

        Parameters
        ----------
        by
            ``SIGINT``, or the name of a command.
        """
        begin = time.monotonic()
        if by == "SIGINT":
            self._process.send_signal(signal.SIGINT)
        else:
            call(f"ipc://{self._folder}/control", Command(name=by, id="1", who="bench"))
        self._process.wait(PATIENCE_S)
        return time.monotonic() - begin

    def report(self) -> dict[str, Any]:
        """Return the report of one that has ended because it was asked to.

        Raises
        ------
        RunError
            If it has ended otherwise.
        """
        if self._process.returncode != STOPPED:
            raise RunError(f"the pipeline ended with {self._process.returncode}: {self._last_words()}")
        found: dict[str, Any] = json.loads((self._folder / "report.json").read_text())
        return found

    def _last_words(self) -> str:
        return " | ".join((self._folder / "printed").read_text(errors="replace").strip().splitlines()[-3:])


@contextmanager
def running(nbytes: int, count: int, order: str = "free") -> Iterator[Echo]:
    """Start a receiver, a sender that waits to be told, and a pipeline between them.

    Parameters
    ----------
    nbytes
        Of an item.
    count
        How many are sent, and waited for; 0 for no end.
    order
        Of the stage.
    """
    ends = [
        ["bench.echo_ends", "receive", str(nbytes), str(count)],
        ["bench.echo_ends", "send", LOCAL, str(nbytes), str(count)],
    ]
    with TemporaryDirectory(prefix="penstock-bench-") as name, children(ends) as (receiver, sender):
        folder = Path(name)
        (folder / "echo.yaml").write_text(
            _pipeline(sender.heard(), receiver.heard(), ENCODINGS[nbytes], order).to_yaml()
        )
        words = [
            str(Path(sys.executable).with_name("penstock")),
            "run",
            "echo.yaml",
            "-q",
            "--report",
            "report.json",
            "--control",
            f"ipc://{name}/control",
        ]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (folder / "printed").open("wb") as printed:
            process = subprocess.Popen(
                words, cwd=folder, env=environ, stdout=printed, stderr=printed, start_new_session=True
            )
            try:
                yield Echo(folder, process, receiver, sender)
            finally:
                if process.poll() is None:  # else its group may be somebody else's by now
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                for each in (receiver, sender):
                    each.kill()  # one that sends or waits for ever hears nothing


def _pipeline(sender: str, receiver: str, encoding: str, order: str) -> Pipeline:
    return Pipeline(
        name="echo",
        sources={"in": Source("zmq-pull", connect=sender, encoding=encoding)},
        stages={"back": Steps(give_back, source="in", workers=WORKERS, run_in="process", order=order)},
        sinks={"out": Sink("zmq-push", source="back", connect=receiver, encoding=encoding)},
    )
