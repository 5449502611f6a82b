"""``penstock.feedback``: say something back to the scan from any code of a pipeline, such as that it may stop.

It is never left out: where there is no room it waits. Who hears it, and whether a scan obeys, is decided elsewhere.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from penstock.core.feedback import Said, checked_action, cut_reason, event_of
from penstock.monitor.notice import outlets_here, worker_here

__all__ = ["AT_WORK", "HELD_BACK", "AtWork", "feedback", "let_out"]

AtWork = Callable[[], tuple[str, int | None]]
"""Returns the stage that works here now, empty if none does, and the number of the event it is at."""
AT_WORK: Final[ContextVar[AtWork | None]] = ContextVar("at_work", default=None)
"""Set by whatever calls user code, once for many calls."""
HELD_BACK: Final[ContextVar[Callable[[Said], None] | None]] = ContextVar("held_back", default=None)
"""Set where what is said must not be heard before it is sure that what it is about is not worked on again."""


def feedback(action: str, reason: str = "", *, event: Any = None) -> None:
    """Say something to the scan that this run belongs to; whoever runs the scan hears it, and may obey.

    From any source, step, worker, reducer or sink, in any thread, task or process. It is kept once: when a worker is
    killed and another one works on its events again, the same action of the same stage about the same event is one.
    What is about no event counts each time.

    Parameters
    ----------
    action
        ``"stop"``: the scan has what it needs; ``"next"``: this point has; or a name of your own, which the scan's
        side knows what to do with.
    reason
        For people.
    event
        What it is about: an event, a result, or a number. By default what is being worked on, where the function is
        called with one at a time; in `process_batch` and hooks nothing, unless it is named.

    Raises
    ------
    ValueError
        If the action is no short line of text, or ``event`` has no number.
    PenstockError
        If whoever takes it has not done so for long: it would be lost.

    Examples
    --------
    >>> feedback("next", "1e6 counts are enough")  # doctest: +SKIP
    """
    checked = checked_action(action)
    at_work = AT_WORK.get()
    stage, number = ("", None) if at_work is None else at_work()
    if event is not None:
        number = event_of(event)
    outlets = outlets_here()
    if not outlets:
        about = "" if number is None else f", event {number}"
        logging.getLogger("penstock").info("feedback %s: %s%s", checked, reason, about)
        return
    source = stage or outlets[0].source or worker_here()
    said = Said(checked, cut_reason(reason), number, outlets[0].utc(), source)
    (HELD_BACK.get() or let_out)(said)


def let_out(said: Said) -> None:
    """Let what was said leave this thread or task."""
    for outlet in outlets_here():
        outlet.put_feedback(said)
