"""Doors to a store for the clients of other systems: they are found by entry point, and this knows none of them.

A pipeline has its door in a process of its own, so that no client's requests are waited for by the run.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from penstock.errors import PenstockError, ServiceError
from penstock.services.interrupt import Interrupt
from penstock.services.own_process import PARENT, end_with_parent
from penstock.services.stream_tokens import Tokens, read_secret
from penstock.streams.directory import DirectoryStore
from penstock.streams.store import Store

__all__ = ["StoreDoor", "StoreDoorProcess", "store_door"]

BEGIN_S: Final = 30.0
END_S: Final = 10.0


class StoreDoor(Protocol):
    """Serves a store to clients of one other system; a context manager, entered to listen."""

    @property
    def address(self) -> str:
        """Where clients connect to, as they write it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def store_door(name: str, store: Store, host: str, port: int, tokens: Tokens | None, **options: Any) -> StoreDoor:
    """Return the door of a system, not entered yet.

    Parameters
    ----------
    tokens
        Who may do what; ``None``: everybody on this machine everything.
    options
        What only this door knows.

    Raises
    ------
    ServiceError
        If there is no such door.
    """
    for point in entry_points(group="penstock.store_doors", name=name):
        door: StoreDoor = point.load()(store, host, port, tokens=tokens, **options)
        return door
    raise ServiceError(f"no door for {name} is installed; install penstock anew")


class StoreDoorProcess:
    """A door that a process of its own serves until ``close``, or until the one that made this is gone.

    Parameters
    ----------
    store
        A folder, which is made if there is no store in it. The secret of tokens is what the environment says.

    Raises
    ------
    ServiceError
        If it cannot be served there.
    """

    def __init__(self, name: str, store: str, host: str, port: int, environ: Mapping[str, str] = os.environ) -> None:
        if "://" in store:
            raise ServiceError(f"serve.{name}: the store is {store}; only one in a folder can be served to {name}")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "penstock.services.store_door",
                name,
                str(Path(store).absolute()),
                host,
                str(port),
            ],
            env={**environ, PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the run, which ends this when it has ended
        )
        try:
            self.address = self._began(name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it; once more: nothing."""
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _began(self, name: str) -> str:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], BEGIN_S)
        said = json.loads(out.readline() or "{}") if ready else {}
        if "address" not in said:
            raise ServiceError(f"serve.{name}: {said.get('error', f'nothing was heard for {BEGIN_S:g} s')}")
        return str(said["address"])


def _main(name: str, store: str, host: str, port: str) -> None:
    end_with_parent()
    with Interrupt("") as interrupt:
        try:
            secret = read_secret()
            tokens = None if secret is None else Tokens(secret)
            with DirectoryStore(store, make=True) as opened, store_door(name, opened, host, int(port), tokens) as door:
                print(json.dumps({"address": door.address}), flush=True)
                select.select([interrupt.pollable], [], [])
        except PenstockError as error:
            print(json.dumps({"error": str(error)}), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
