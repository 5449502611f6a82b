"""What the tests of commands share: processes that are always ended, what they said, and whether it adds up."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_S = 30.0
"""A command that takes longer hangs."""
COMMAND = (sys.executable, "-c", "from penstock.cli.main import main; main()")
COUNTERS = ("gaps", "reordered", "restarts", "doubled")


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str
    report: dict[str, Any]
    """What ``--report`` wrote; empty if it wrote nothing."""

    @property
    def text(self) -> str:
        """All of it."""
        return self.out + self.err

    def edge(self, producer: str, consumer: str) -> dict[str, int]:
        """Return the accounts and counters of one edge."""
        (edge,) = (e for e in self.report["edges"] if (e["producer"], e["consumer"]) == (producer, consumer))
        return {"in": edge["arrived"], **edge["accounts"], **edge["counters"]}


class Process:
    """A command that runs; its lines can be waited for."""

    def __init__(
        self, *words: str, folder: Path, environ: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*command, *words],
            cwd=folder,
            env={**os.environ, "COLUMNS": "80", **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._news = threading.Condition()
        streams = {"out": self.process.stdout, "err": self.process.stderr}
        self._threads = [threading.Thread(target=self._read, args=item, daemon=True) for item in streams.items()]
        for thread in self._threads:
            thread.start()

    def line(self, start: str, count: int = 1) -> str:
        """Wait for so many lines that begin like this; return the last of them."""

        def found() -> list[str]:
            return [line for lines in self._lines.values() for line in lines if line.startswith(start)]

        with self._news:
            has_come = self._news.wait_for(lambda: len(found()) >= count, LONGEST_S)
            assert has_come, f"no line {start!r} came, but {self._lines}"
            return found()[count - 1]

    def end(self, report: Path | None = None) -> Said:
        """Wait for its end."""
        code = self.process.wait(LONGEST_S)
        for thread in self._threads:
            thread.join(LONGEST_S)
        out, err = ("".join(self._lines[name]) for name in ("out", "err"))
        is_there = report is not None and report.is_file() and report.stat().st_size
        return Said(code=code, out=out, err=err, report=json.loads(report.read_bytes()) if report and is_there else {})

    def cpu_s(self) -> float:
        """How much of a processor it has used, in s."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Make sure that it is gone."""
        self.process.kill()
        self.process.wait(LONGEST_S)
        for thread in self._threads:
            thread.join(LONGEST_S)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, name: str, stream: Any) -> None:
        for line in stream:
            with self._news:
                self._lines[name].append(line)
                self._news.notify_all()


@contextmanager
def started(
    *words: str, folder: Path, environ: Mapping[str, str] | None = None, command: Sequence[str] = COMMAND
) -> Iterator[Process]:
    """Start a command; it does not outlive the block."""
    process = Process(*words, folder=folder, environ=environ, command=command)
    try:
        yield process
    finally:
        process.close()


def ended(*words: str, folder: Path, environ: Mapping[str, str] | None = None) -> Said:
    """Let a command run to its end."""
    with started(*words, folder=folder, environ=environ) as process:
        return process.end()


def ledger_of(out: str) -> dict[tuple[str, str], dict[str, int]]:
    """Read the printed table; by edge, what stands in each column."""
    lines = out.splitlines()
    top = next(number for number, line in enumerate(lines) if line.split()[:3] == ["from", "to", "in"])
    names = lines[top].replace("in flight", "in-flight").split()[2:]
    rows = {}
    for line in lines[top + 2 :]:
        words = line.split()
        if not words:
            break
        sign = words.pop(3)
        counts = [0 if word == "·" else int(word.replace(",", "")) for word in words[2:]]
        rows[words[0], words[1]] = dict(zip(names, counts, strict=True))
        assert sign == "=", line
    return rows


def assert_adds_up(said: Said) -> None:
    """The printed table and the report say the same, and nothing is missing or under way."""
    if said.report["outcome"] == "failed" and not any(edge["arrived"] for edge in said.report["edges"]):
        assert "in flight" not in said.out
        return
    printed = ledger_of(said.out)
    assert [(edge["producer"], edge["consumer"]) for edge in said.report["edges"]] == list(printed)
    for edge in said.report["edges"]:
        row = printed[edge["producer"], edge["consumer"]]
        assert edge["in_flight"] == row["in-flight"] == 0
        assert edge["arrived"] == row["in"] == sum(edge["accounts"].values())
        accounts = {name: n for name, n in row.items() if n and name not in ("in", "in-flight", *COUNTERS)}
        assert accounts == edge["accounts"]


def assert_speaks_of_the_users_world(said: Said) -> None:
    """No line of ours is shown to somebody who has not written it."""
    assert "Traceback" not in said.err, said.err
    inside = [line for line in said.text.splitlines() if line.lstrip().startswith("File ") and "/penstock/" in line]
    assert not inside
