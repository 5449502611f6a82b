"""Processes of a measurement, which say what they found in lines of JSON, and are gone at the end, however it comes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["Child", "children", "say"]

END_S = 10.0


class Child:
    """One of them: ``python -m`` some module with some words."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        # A group of its own: a Ctrl-C is for who measures, who then ends them.
        self._process = subprocess.Popen(
            [sys.executable, "-m", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
        )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Give it a line to read."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def heard(self) -> Any:
        """Wait for the next that it says.

        Raises
        ------
        RuntimeError
            If it ends without.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._words)} ended with {self._process.wait()}; its own words are above")
        return json.loads(line)

    def end(self) -> None:
        """Wait until it has ended, which its input's end asks for; kill it if it does not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(END_S)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait()
        finally:
            self._process.stdout.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


@contextmanager
def children(all_words: Sequence[Sequence[str]]) -> Iterator[list[Child]]:
    """Start some; all have ended at the end."""
    started: list[Child] = []
    try:
        started.extend(map(Child, all_words))
        yield started
    except BaseException:
        for child in started:
            child.kill()
        raise
    finally:
        for child in started:
            child.end()


def say(what: Any) -> None:
    """Say something to who measures; for a child."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
