"""Doors to a store for the clients of other systems: they are found by entry point, and this knows none of them."""

from importlib.metadata import entry_points
from types import TracebackType
from typing import Protocol, Self

from penstock.errors import ServiceError
from penstock.services.stream_tokens import Tokens
from penstock.streams.store import Store

__all__ = ["StoreDoor", "store_door"]


class StoreDoor(Protocol):
    """Serves a store to clients of one other system; a context manager, entered to listen."""

    @property
    def address(self) -> str:
        """Where clients connect to, as they write it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def store_door(name: str, store: Store, host: str, port: int, tokens: Tokens | None) -> StoreDoor:
    """Return the door of a system, not entered yet.

    Parameters
    ----------
    tokens
        Who may do what; ``None``: everybody on this machine everything.

    Raises
    ------
    ServiceError
        If there is no such door.
    """
    for point in entry_points(group="penstock.store_doors", name=name):
        door: StoreDoor = point.load()(store, host, port, tokens=tokens)
        return door
    raise ServiceError(f"no door for {name} is installed; install penstock anew")
