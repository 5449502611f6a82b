"""Another process that has the same store open, told what to do line by line: for stores that processes share.

It is started as ``python -m penstock.testing.store_process MODULE:FUNCTION ARGUMENTS``, and ends with its input.
"""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from penstock.core.stream_address import StreamAddress
from penstock.errors import PenstockError
from penstock.streams.store import Store, StreamWriter
from penstock.testing.store_cases import PATIENCE_S, numbered

__all__ = ["StoreProcess"]


class StoreProcess:
    """A process with a store; a context manager, which ends it.

    Parameters
    ----------
    opened_by
        ``module:function`` and its arguments, all text: what opens the store.
    """

    def __init__(self, opened_by: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "penstock.testing.store_process", *opened_by],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def begin(self, do: str, address: StreamAddress, **what: Any) -> None:
        """Let it do something; ``end`` waits for that."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "address": str(address), **what}) + "\n")
        self._process.stdin.flush()

    def end(self) -> Any:
        """Return what came of it: a value, or the name of an error as ``{"error": name}``."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def do(self, do: str, address: StreamAddress, **what: Any) -> Any:
        """Let it do something, and return what came of it.

        Parameters
        ----------
        do
            ``append`` with ``ids``, ``finish`` and ``close`` (a writer, which stays open between them); ``arrived``
            (ids, in their order of arrival); ``wait`` with ``position``.
        address
            Of the stream.
        what
            More words.
        """
        self.begin(do, address, **what)
        return self.end()

    def kill(self) -> None:
        """Kill it without a warning, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            if error is not None:
                process.kill()


class _Served:
    """A store, and what is done with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._writers: dict[StreamAddress, StreamWriter] = {}

    def append(self, address: StreamAddress, ids: list[int]) -> int:
        if address not in self._writers:
            self._writers[address] = self._store.write(address)
        self._writers[address].append(numbered(*ids))
        return self._writers[address].written

    def finish(self, address: StreamAddress) -> None:
        self._writers[address].finish()

    def close(self, address: StreamAddress) -> None:
        self._writers.pop(address).close()

    def arrived(self, address: StreamAddress) -> list[int]:
        with self._store.read(address) as reader:
            return [number for stored in reader.blocks() for number in stored.block.ids.tolist()]

    def wait(self, address: StreamAddress, position: int) -> bool:
        with self._store.read(address) as reader:
            return reader.wait(position, PATIENCE_S)


def _opened(by: str, *arguments: str) -> Store:
    module, _, function = by.partition(":")
    make: Callable[..., Store] = getattr(importlib.import_module(module), function)
    return make(*arguments)


def main() -> None:
    """Do what the lines of the input say, one answer a line."""
    with _opened(*sys.argv[1:]) as store:
        served = _Served(store)
        for line in sys.stdin:
            told = json.loads(line)
            do = getattr(served, told.pop("do"))
            try:
                answer = do(StreamAddress.parse(told.pop("address")), **told)
            except PenstockError as error:
                answer = {"error": type(error).__name__}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
