"""The memory in which stages of one run keep their last events, as the supervisor has it."""

import os
from contextlib import suppress

from penstock.core.event import Event
from penstock.errors import SelectionError
from penstock.views.event_memory import EventMemory, make_event_file
from penstock.wire.kept_events import read_event

__all__ = ["EventFiles", "chosen_stage"]


class EventFiles:
    """Where stages with a ``keep-events`` keep; it outlives their processes."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        """The descriptor by stage."""

    def file(self, stage: str) -> int:
        """Return the descriptor of a stage, which all its processes share."""
        if stage not in self.files:
            self.files[stage] = make_event_file(stage)
        return self.files[stage]

    def read(self, stage: str = "", last: int | None = None, number: int | None = None) -> list[Event]:
        """Return events, the oldest first.

        Parameters
        ----------
        stage
            By default the only one there is.
        last
            So many of the newest; ``None``: all.
        number
            Only this one.

        Raises
        ------
        SelectionError
            If no such stage keeps events, or it is not clear which.
        """
        memory = EventMemory(self.files[chosen_stage(stage, self.files)])
        return [read_event(record) for record in memory.read(last, number).records]

    def forget(self) -> None:
        """Let go of all of it."""
        for fd in self.files.values():
            with suppress(OSError):
                os.close(fd)
        self.files.clear()


def chosen_stage(stage: str, there: "dict[str, int] | list[str]") -> str:
    """Return the stage that is meant: the one of this name, or the only one.

    Raises
    ------
    SelectionError
        If there is no such, or it is not clear which.

    >>> chosen_stage("", ["last"])
    'last'
    """
    names = ", ".join(there)
    if not there:
        raise SelectionError("no stage keeps events; a stage of the pipeline with map: keep-events would")
    if stage and stage not in there:
        raise SelectionError(f'no stage "{stage}" keeps events; there {"are" if len(there) > 1 else "is"} {names}')
    if not stage and len(there) > 1:
        raise SelectionError(f"several stages keep events: {names}; say which one")
    return stage or next(iter(there))
