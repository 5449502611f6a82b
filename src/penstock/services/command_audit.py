"""Who commanded what, and what became of it: the last thousand commands in memory, and every one in the journal."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from penstock.core.command import Command, Reply
from penstock.core.timestamp import Timestamp

__all__ = ["MOST_RECORDS", "CommandAudit", "CommandCounts", "CommandRecord", "Journal"]

MOST_RECORDS: Final = 1000
LONGEST_ARGUMENTS: Final = 2000
"""Characters of arguments that are kept; a trigger map may have millions."""


class Journal(Protocol):
    """Where records go that outlive the program."""

    def tell(self, kind: str, **fields: Any) -> None:
        """Write a line."""

    def rotate(self) -> None:
        """Begin another file."""


class CommandRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One command, and what became of it."""

    when: str
    """ISO 8601, UTC: when it was answered."""
    who: str
    door: str
    """``http``, ``python``, ``zmq`` or another one by which it came."""
    id: str
    name: str
    target: str
    arguments: dict[str, Any]
    outcome: str
    text: str
    took_s: float


class CommandCounts(msgspec.Struct, kw_only=True):
    """How many commands came, and what became of them."""

    received: int = 0
    done: int = 0
    refused: int = 0
    """For the state, the target or an argument."""
    failed: int = 0
    malformed: int = 0
    forbidden: int = 0
    busy: int = 0
    repeated: int = 0
    """That had the id of one that was answered before."""
    unanswered: int = 0
    """Whose sender did not take the answer."""

    def __add__(self, other: "CommandCounts") -> "CommandCounts":
        return CommandCounts(
            **{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__},
        )


class CommandAudit:
    """Keeps what commands changed or were refused; who only looked, was malformed or came too often is counted."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.journal = journal
        self._records: deque[CommandRecord] = deque(maxlen=MOST_RECORDS)

    def add(self, command: Command, reply: Reply, *, door: str, took_s: float, utc_ns: int) -> None:
        """Keep what became of a command."""
        record = CommandRecord(
            when=Timestamp(utc_ns).isoformat(), who=command.who, door=door, id=command.id, name=command.name,
            target=command.target, arguments=_kept(command.arguments), outcome=reply.outcome, text=reply.text,
            took_s=round(took_s, 6),
        )  # fmt: skip
        self._records.append(record)
        if self.journal is not None:
            self.journal.tell("command", **msgspec.to_builtins(record))

    def records(self) -> list[CommandRecord]:
        """Return what is kept, the newest last."""
        return list(self._records)


def _kept(arguments: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for name, value in arguments.items():
        size = len(repr(value))
        kept[name] = value if size <= LONGEST_ARGUMENTS else f"{size:,} characters"
    return kept
