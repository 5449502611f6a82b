"""A user's Worker class as a worker of ours: one ``process_event`` an event, with parameters and tick."""

import inspect
import os
import socket
from functools import cache
from inspect import Parameter as Argument
from pathlib import Path
from typing import Any

from penstock.compat.dranspose.adapted import Adapted, build_meta, with_signature
from penstock.compat.dranspose.dumps import encode_event
from penstock.compat.dranspose.events import event_data
from penstock.compat.dranspose.payload import packed
from penstock.compat.dranspose.served.event import EventData, as_bytes
from penstock.compat.dranspose.served.protocol import WorkerName, WorkerState, WorkerTag
from penstock.compat.dranspose.start_memory import keep_start, kept_start
from penstock.core.event import Event
from penstock.core.timestamp import NS_PER_S, Timestamp

__all__ = ["INDEX", "AdaptedWorker", "worker_of"]

INDEX = "dranspose.index"
"""Of the context: which of its stage's workers it is, from 0, if somebody has said so."""


class AdaptedWorker(Adapted):
    """Give events to a user's Worker, and its results to whoever reads this stage.

    A result is (event number, worker, hash of the parameters, payload).
    """

    ticking = "get_tick_interval"

    def __init__(self, given: dict[str, Any]) -> None:
        self._workers: int = given.pop("workers", None) or 1
        tags: list[str] = given.pop("tags", None) or ["generic"]
        name, is_alone = given.pop("name", None), given.pop("is_alone", None)
        self._start_file = given.pop("start_file", None) or ""
        super().__init__(given)
        self._index: int | None = self._context.pop(INDEX, None)
        who = f"{os.getpid()}" if self._index is None else f"{self._index}"
        self.name = name if name and is_alone else f"{name or f'Worker-{socket.gethostname()}'}-{who}"
        state = WorkerState(
            name=WorkerName(self.name), tags={WorkerTag(tag) for tag in tags}, mapreduce_version=build_meta(),
            parameters_hash=self.hash,
        )  # fmt: skip
        self.make(state)
        self._takes_tick = _takes_tick(self._user.process_event)
        self._is_due = False
        self._has_start = not self._start_file

    @staticmethod
    def arguments() -> list[Argument]:
        """Return what it takes beside parameters."""
        return [
            Argument("workers", Argument.KEYWORD_ONLY, default=1),
            Argument("tags", Argument.KEYWORD_ONLY, default=()),
            Argument("name", Argument.KEYWORD_ONLY, default=""),
            Argument("is_alone", Argument.KEYWORD_ONLY, default=False),
            Argument("start_file", Argument.KEYWORD_ONLY, default=""),
        ]

    def process(self, event: Event) -> Any:
        """Have one event worked on."""
        data = event_data(event)
        if not data.streams:
            return None
        if not self._has_start:
            self._see_start(data)
        tick, self._is_due = self._is_due, False
        payload = self._called(data, tick=tick)
        return None if payload is None else (data.event_number, self.name, self.hash, packed(payload))

    def _called(self, data: EventData, *, tick: bool) -> Any:
        arguments = (data, self.parameters, tick) if self._takes_tick else (data, self.parameters)
        return self._user.process_event(*arguments)

    def _see_start(self, data: EventData) -> None:
        """Keep the start for whoever comes later; who has come later gets it before anything else.

        What a later one returns of it is not given on: the Reducer has had it of those before.
        """
        self._has_start = True
        path = Path(self._start_file)
        if data.event_number == 0:
            streams = {
                name: (each.typ, [as_bytes(frame) for frame in each.frames]) for name, each in data.streams.items()
            }
            keep_start(path, encode_event(0, streams))
        else:
            for message in kept_start(path):
                self._called(EventData.from_internals([message]), tick=False)

    @property
    def tick_s(self) -> float:
        """How often one of the workers is told to do what is to be done now and then, in s."""
        return float(self._user.get_tick_interval(self.parameters)) if self.hook(self.ticking) else 0.0

    def tick(self, now: Timestamp) -> None:
        """Note that the next event is one with ``tick``, if it is this worker's turn in this interval."""
        turn = now.ns // max(1, round(self.tick_s * NS_PER_S))
        if self._index is None or turn % self._workers == self._index:
            self._is_due = True

    def close(self) -> None:
        """End the scan."""
        self._finish()


@cache
def worker_of(user: type) -> type:
    """Return the class that keeps a user's Worker."""
    return with_signature(AdaptedWorker, user)


def _takes_tick(process_event: Any) -> bool:
    given = inspect.signature(process_event).parameters.values()
    positional = [each for each in given if each.kind in (Argument.POSITIONAL_ONLY, Argument.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 2 or any(each.kind is Argument.VAR_POSITIONAL for each in given)
