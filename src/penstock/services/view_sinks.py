"""The sinks of one run that write views, and where the views lie: published by reducers, read and written here."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from penstock.core import NS_PER_S, Ledger
from penstock.core.states import State
from penstock.elements.sink import RunFacts
from penstock.errors import PenstockError
from penstock.pipeline.plan import Plan
from penstock.services.made import sink_of
from penstock.services.plan_orders import is_view_sink
from penstock.services.sink_room import SinkRoom
from penstock.views.shared_tree import TreeReader, make_files

__all__ = ["ViewSinks"]

T = TypeVar("T")


class ViewSinks:
    """What reduce stages publish, and the sinks that write it.

    Parameters
    ----------
    plan
        Whose sinks.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rooms: dict[str, SinkRoom] = {}
        self._readers: dict[str, TreeReader] = {}
        self.files: dict[str, tuple[int, ...]] = {}
        """By stage, where its reducer publishes."""

    def publish(self, stage: str) -> tuple[int, ...]:
        """Make what the reducer of a stage publishes into."""
        fds = self.files[stage] = make_files(stage)
        self._readers[stage] = TreeReader(fds)
        return fds

    def views(self, stage: str) -> Mapping[str, Any]:
        """Return what a reduce stage has published.

        Raises
        ------
        KeyError
            If no reduce stage has this name.
        """
        reader = self._readers.get(stage)
        if reader is None:
            raise KeyError(f"no reduce stage is called {stage!r}; there are {', '.join(self._readers) or 'none'}")
        published = reader.read()
        return {} if published is None else published.tree

    def look(self, stage: str, take: Callable[[Mapping[str, Any]], T]) -> T | None:
        """Return what ``take`` takes of the views of a stage where they lie; ``None`` if there are none."""
        reader = self._readers.get(stage)
        return None if reader is None else reader.look(lambda published: take(published.tree))

    def open(self, facts: Callable[[str], RunFacts]) -> None:
        """Open every sink of views.

        Raises
        ------
        PenstockError
            If one cannot be.
        """
        for name, sink in self._plan.sinks.items():
            if is_view_sink(self._plan, sink):
                room = SinkRoom(sink, sink_of(sink.element, name), Ledger(), partial(self._published, sink.input))
                self._rooms[name] = room
                room.open(facts(name))

    @property
    def paths(self) -> dict[str, str]:
        """The file that each writes, of those that write one."""
        return {name: room.path for name, room in self._rooms.items() if room.path}

    def states(self) -> dict[str, State]:
        """Return what each sink of views is at."""
        now = time.monotonic_ns()
        return {name: self._state(room, now) for name, room in self._rooms.items()}

    @staticmethod
    def _state(room: SinkRoom, now: int) -> State:
        if not room.is_open:
            return State.STOPPED
        is_recent = room.written_ns is not None and now - room.written_ns < NS_PER_S
        return State.PROCESSING if is_recent else State.WAITING

    def until_due_s(self, longest_s: float) -> float:
        """Return for how long no sink has to write views because of the time, in s."""
        due = [moment for room in self._rooms.values() if (moment := room.next_due_ns()) is not None]
        return max(0.0, (min(due) - time.monotonic_ns()) / NS_PER_S) if due else longest_s

    def write_due(self) -> None:
        """Write what the time says must be written."""
        now = time.monotonic_ns()
        for room in self._rooms.values():
            due = room.next_due_ns()
            if due is not None and due <= now:
                room.tick(now)

    def write(self, stage: str) -> None:
        """Let the sinks of a stage know that its views have changed."""
        now = time.monotonic_ns()
        for room in self._rooms.values():
            if room.reads(stage):
                room.tick(now)

    def finish(
        self, ended_well: bool, outcome: str, trouble: str, books: Callable[[], Mapping[str, Any]] = dict
    ) -> list[PenstockError]:
        """Write the last views and close every output; return what went wrong."""
        troubles = []
        for room in self._rooms.values():
            try:
                room.finish(ended_well, outcome, trouble, books)
            except PenstockError as error:
                troubles.append(error)
        return troubles

    def forget(self) -> None:
        """Let go of what reduce stages have published."""
        self._readers.clear()
        for fds in self.files.values():
            for fd in fds:
                with suppress(OSError):
                    os.close(fd)
        self.files.clear()

    def _published(self, stage: str) -> tuple[Mapping[str, Any], int]:
        published = self._readers[stage].read()
        return ({}, -1) if published is None else (published.tree, published.version)
