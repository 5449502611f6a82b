"""What is said to whoever runs the server of clients that were refused, or not served: in lines, not for each of many.

No secret gets into a line: tokens stand in queries and bodies, and of those nothing is said.
"""

import sys
import time
import traceback
from collections.abc import Callable
from typing import Final

from penstock.core.notice import Notice
from penstock.core.notice_limit import NoticeLimit
from penstock.errors import StoreFullError

__all__ = ["Refusals", "fault", "trouble_of"]

AGAIN_NS: Final = 60 * 10**9
"""How often it is said again of what goes on."""
MOST_CHARACTERS: Final = 300


class Refusals:
    r"""Used on one thread.

    Parameters
    ----------
    tell
        Called with a line; by default it goes to standard error.
    clock_ns
        Gives ns that never go back.

    Examples
    --------
    >>> refusals = Refusals(print, lambda: 0)
    >>> for _ in range(7):
    ...     refusals.say("10.0.0.7", "no such\nbeamtime")
    ASAPO: 10.0.0.7: no such beamtime
    ASAPO: 10.0.0.7: no such beamtime
    ASAPO: 10.0.0.7: no such beamtime
    ASAPO: 10.0.0.7: no such beamtime
    ASAPO: 10.0.0.7: no such beamtime
    >>> refusals.close()
    ASAPO: 10.0.0.7: no such beamtime (2 times)
    """

    def __init__(
        self, tell: Callable[[str], object] | None = None, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._tell = tell or _to_stderr
        self._clock_ns = clock_ns
        self._limit = NoticeLimit()
        self._swept_ns = clock_ns()

    def say(self, peer: str, text: str) -> None:
        """Say of a machine why it was refused."""
        now_ns = self._clock_ns()
        line = "".join(one if one.isprintable() else " " for one in f"{peer}: {text[:MOST_CHARACTERS]}")
        notice = Notice(text=line, time_ns=now_ns)
        if self._limit.lets(notice, now_ns):
            self._tell(f"ASAPO: {line}")

    def sweep(self) -> None:
        """Say what was held back, once in a while."""
        now_ns = self._clock_ns()
        if now_ns - self._swept_ns >= AGAIN_NS:
            self._swept_ns = now_ns
            self._say_held(all_of_it=False)

    def close(self) -> None:
        """Say all that was held back."""
        self._say_held(all_of_it=True)

    def _say_held(self, *, all_of_it: bool) -> None:
        for notice in self._limit.due(self._clock_ns(), all_of_it=all_of_it):
            self._tell(f"ASAPO: {notice.text}" + (f" ({notice.times} times)" if notice.times > 1 else ""))
        lost = sum(self._limit.take_lost().values())
        if lost:
            self._tell(f"ASAPO: {lost} more were refused than there is room to say")


def trouble_of(error: Exception) -> str:
    """Return what keeps the server from doing something, for whoever runs it; empty if it is not the server's trouble.

    The same for all messages, so that it is not said of each.

    >>> trouble_of(StoreFullError("run 7: No space left on device; nothing was written"))
    'there is no room: No space left on device; nothing was written'
    """
    if isinstance(error, StoreFullError):
        return f"there is no room: {str(error).rpartition(': ')[2]}"
    return (error.strerror or str(error)) if isinstance(error, OSError) else ""


def fault(error: BaseException) -> str:
    """Return what is answered where a mistake of ours is in the way; where it is, goes to standard error."""
    traceback.print_exception(error, file=sys.stderr)
    return f"the server has a fault: {type(error).__name__}"


def _to_stderr(line: str) -> None:
    print(f"penstock: {line}", file=sys.stderr, flush=True)  # noqa: T201  # whoever runs the server is to see it
