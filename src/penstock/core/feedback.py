"""Feedback: what user code says back to the scan that its run belongs to, such as that it may stop.

It is made, checked and kept apart from its repetitions here; how it travels is decided elsewhere.
"""

from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from penstock.core.id_set import LARGEST_ID, IdSet
from penstock.core.notice import LONGEST_TEXT, LONGEST_VALUE, cut
from penstock.core.timestamp import Timestamp

__all__ = [
    "NEXT",
    "STOP",
    "Feedback",
    "FeedbackBook",
    "Said",
    "checked_action",
    "cut_reason",
    "event_of",
    "feedback_in_one_line",
]

STOP: Final = "stop"
"""The scan has what it needs; it may end now, and well."""
NEXT: Final = "next"
"""This point has what it needs; the scan may go on to the next one."""
MOST_KEPT: Final = 10_000
"""Of a run, the last ones, that can be asked for."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that user code has said to the scan."""

    action: str
    """``stop``, ``next``, or a name of the user's own."""
    reason: str = ""
    """For people."""
    run: str
    event: int | None = None
    """The number of the event it is about; ``None`` if it is about none."""
    number: int
    """1, 2, … in a run."""
    time_ns: int
    """When it was said, nanoseconds since 1970 UTC."""
    who: str = ""
    """The stage."""

    @property
    def time(self) -> str:
        """ISO 8601, UTC, with nanoseconds."""
        return Timestamp(self.time_ns).isoformat()


class Said(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The same on its way, when no run has numbered it."""

    action: str
    reason: str
    event: Annotated[int, msgspec.Meta(ge=0)] | None
    time_ns: int
    source: str
    """The stage, or the process, thread or task that said it."""


class FeedbackBook:
    """The feedback of one run, numbered, each once.

    The same action of the same stage about the same event is one: a range of events that is given to another worker,
    because the first one was killed, is worked on again, and what was said of it may have been heard. What is about no
    event counts as often as it is said.

    Parameters
    ----------
    run
        Its name.

    Examples
    --------
    >>> book = FeedbackBook("r1")
    >>> said = Said("next", "enough counts", 7, 0, "fit")
    >>> book.take(said, "fit").number, book.take(said, "fit"), book.count, book.repeated
    (1, None, 1, 1)
    >>> [each.event for each in book.since(0)], book.since(1)
    ([7], [])
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self.count = 0
        """How many there were; the number of the newest."""
        self.repeated = 0
        """How many were the same as one before."""
        self._kept: deque[Feedback] = deque(maxlen=MOST_KEPT)
        self._events: dict[tuple[str, str], IdSet] = {}
        """By stage and action, about which there was one."""

    def take(self, said: Said, who: str) -> Feedback | None:
        """Keep what a stage has said, with its number; ``None`` if it was said before."""
        if said.event is not None:
            events = self._events.setdefault((who, said.action), IdSet())
            if not events.add(said.event):
                self.repeated += 1
                return None
        self.count += 1
        found = Feedback(
            action=said.action, reason=said.reason, run=self.run, event=said.event, number=self.count,
            time_ns=said.time_ns, who=who,
        )  # fmt: skip
        self._kept.append(found)
        return found

    def since(self, after: int, most: int = MOST_KEPT) -> list[Feedback]:
        """Return those with numbers above this one, the oldest first; of very many only the last are kept."""
        behind = self.count - max(0, after)
        if behind <= 0 or most <= 0:
            return []
        kept = len(self._kept)
        first = max(0, kept - behind)
        return [self._kept[at] for at in range(first, min(kept, first + most))]


def checked_action(action: Any) -> str:
    """Return what may be an action.

    Raises
    ------
    ValueError
        If it is no short line of text.
    """
    if not isinstance(action, str) or not 0 < len(action) <= LONGEST_VALUE or not action.isprintable():
        shown = cut(repr(action), 60)
        raise ValueError(
            f'{shown} is no action of feedback; write "{STOP}", "{NEXT}" or a name of your own, of at most '
            f"{LONGEST_VALUE} characters in one line"
        )
    return action


def event_of(about: Any) -> int | None:
    """Return the number of what feedback is about: a number, an event or a result; ``None`` stays that.

    Raises
    ------
    ValueError
        If it has none.

    >>> event_of(7)
    7
    """
    if about is None:
        return None
    number = getattr(about, "number", about)
    try:
        found = number.__index__()
    except (AttributeError, TypeError):
        found = None
    if isinstance(number, bool) or type(found) is not int or not 0 <= found <= LARGEST_ID:
        shown = cut(repr(about), 60)
        raise ValueError(f"{shown} is no event; give its number, or the event or result itself")
    return found


def feedback_in_one_line(found: Sequence[Feedback]) -> str:
    """Return for people what was said last, and how much there was."""
    if not found:
        return "nothing was said back to the scan"
    last = found[-1]
    about = "" if last.event is None else f", event {last.event}"
    why = f": {last.reason}" if last.reason else ""
    more = f"; {len(found) - 1} more before" if len(found) > 1 else ""
    return f"{last.number} {last.who}{about}: {last.action}{why}{more}"


def cut_reason(reason: Any) -> str:
    """Return a reason as one text of bounded length."""
    return cut(str(reason), LONGEST_TEXT)
