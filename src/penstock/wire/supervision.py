"""What the supervisor and the event builder say to each other."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from penstock.errors import RemoteProtocolError
from penstock.wire.columns import HOSTILE
from penstock.wire.envelopes import Note

__all__ = [
    "HELD",
    "RESTARTED",
    "Abort",
    "Asked",
    "Broke",
    "Changed",
    "Discard",
    "Discarded",
    "Dismiss",
    "Drain",
    "Enter",
    "Entered",
    "Extend",
    "Extended",
    "Finished",
    "GaveUp",
    "Go",
    "Gone",
    "Hire",
    "Hold",
    "Kill",
    "Leave",
    "Left",
    "Mark",
    "Pin",
    "Renew",
    "SetParameters",
    "Status",
    "WasSet",
    "open_orders",
    "seal_orders",
]


HELD: Final = "held"
"""Why a source or a stage waits that takes nothing in until it is released."""
RESTARTED: Final = "restarted on request"
"""Why a process is killed that somebody wants to be another one."""


class _Word(msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True):
    """The root of all that is said."""


class Enter(_Word, frozen=True, tag=1):
    """A process takes part; its link and its progress travel beside."""

    name: str
    of: str
    """The source, stage or sink it serves."""
    role: str
    """source, map, steps, reduce or sink"""


class Leave(_Word, frozen=True, tag=2):
    """A worker is to end when it has done what it has."""

    name: str


class Go(_Word, frozen=True, tag=3):
    """Everybody is there: begin."""


class SetParameters(_Word, frozen=True, tag=4):
    """Change parameters from the next event on."""

    id: int
    revision: int
    values: msgspec.Raw


class Drain(_Word, frozen=True, tag=5):
    """Read nothing more, and bring out what has arrived."""

    reason: str
    outcome: str = "aborted"
    """Empty: this is the end that was wanted."""


class Abort(_Word, frozen=True, tag=6):
    """Give everything up now."""

    reason: str
    outcome: str = "aborted"


class Asked(_Word, frozen=True, tag=7):
    """Say how things are."""

    id: int


class Gone(_Word, frozen=True, tag=8):
    """How a process ended, in words, and whether another one takes its place."""

    name: str
    text: str
    is_replaced: bool


class Hold(_Word, frozen=True, tag=10):
    """Let a source or a stage, or with no name all of them, take nothing more in, or go on."""

    name: str
    is_held: bool


class Discard(_Word, frozen=True, tag=11):
    """Give up everything that waits before stages and sinks."""

    id: int


class Renew(_Word, frozen=True, tag=12):
    """Let a process be followed by another one, unless something would be lost by that."""

    name: str


class Pin(_Word, frozen=True, tag=13):
    """Keep so many workers of a stage that goes by the load, within its limits; 0: go by the load again."""

    stage: str
    workers: int


class Extend(_Word, frozen=True, tag=9):
    """Let a trigger map grow; by what lies in the memory file that travels beside, as ``encode_value`` writes it."""

    id: int
    join: str


class Entered(_Word, frozen=True, tag=20):
    """A process has made what it is to run."""

    name: str
    keeps_state: bool = True


class Broke(_Word, frozen=True, tag=21):
    """A process could not; the run fails."""

    name: str
    text: str
    note: Note | None = None


class Kill(_Word, frozen=True, tag=22):
    """A process hangs."""

    name: str
    why: str


class Left(_Word, frozen=True, tag=23):
    """A process has said its last word, and is to end by itself."""

    name: str
    context: msgspec.Raw


class Mark(_Word, frozen=True, tag=24):
    """The run cannot end better than this."""

    outcome: str
    reason: str


class WasSet(_Word, frozen=True, tag=25):
    """From which event on a change holds."""

    id: int
    from_event: int


class Extended(_Word, frozen=True, tag=29):
    """A trigger map has grown, or why not."""

    id: int
    problem: str = ""


class Discarded(_Word, frozen=True, tag=30):
    """How many items were given up."""

    id: int
    number: int


class GaveUp(_Word, frozen=True, tag=31):
    """Nobody is to follow the process of a source: its stream has ended, and the run goes on without."""

    name: str
    why: str


class Hire(_Word, frozen=True, tag=32):
    """More workers are to be started for a stage, and why."""

    stage: str
    more: int
    workers: int
    """How many there will be."""
    why: str


class Dismiss(_Word, frozen=True, tag=33):
    """Workers of a stage leave when they have done what they have, and why; nobody is to follow them."""

    stage: str
    names: tuple[str, ...]
    workers: int
    """How many there will be."""
    why: str


class Changed(_Word, frozen=True, tag=26):
    """A reducer's views have changed."""

    stage: str
    version: int


class Status(_Word, frozen=True, tag=27):
    """How things are: a report, as MessagePack."""

    id: int
    report: msgspec.Raw


class Finished(_Word, frozen=True, tag=28):
    """Everything is done and accounted for; the report is the last."""

    report: msgspec.Raw


Word = (
    Enter | Leave | Go | SetParameters | Extend | Drain | Hold | Discard | Renew | Abort | Pin
    | Asked | Gone | Entered | Broke | Kill | Left | Mark | WasSet | Extended | Discarded | GaveUp
    | Hire | Dismiss | Changed | Status | Finished
)  # fmt: skip

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(list[Word])


def seal_orders(words: Sequence[Word]) -> bytes:
    """Return a message that says all of this."""
    return _ENCODER.encode(words)


def open_orders(data: bytes) -> list[Any]:  # Any: of Word, which is matched by class at once
    """Return what a message says.

    Raises
    ------
    RemoteProtocolError
        If it is anything else.
    """
    try:
        found: list[Any] = _DECODER.decode(data)
    except HOSTILE as error:
        raise RemoteProtocolError(f"{len(data)} bytes are no words of supervision: {error}") from error
    return found
